"""Where the program starts, before anything slow is imported."""

import sys


def main() -> int:
    """Run the command line and return the exit code (DESIGN of the command contract: 0, 1, 2, 3, 70, 130)."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # answered before click is imported: scripts ask for the version more often than for anything else
        from dkimctl.version import VERSION

        print(f"dkimctl {VERSION}")
        return 0
    from dkimctl.cli.main import run

    return run()
