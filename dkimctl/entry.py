"""Where the program starts, before anything slow is imported."""

import sys


def main() -> int:
    """Run the command line and return the exit code (`EXIT_STATUS` in dkimctl.cli.manual)."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # answered before click is imported: scripts ask for the version more often than for anything else
        from dkimctl.version import VERSION

        print(f"dkimctl {VERSION}")
        return 0
    try:
        from dkimctl.cli.main import run
    except KeyboardInterrupt:
        return 130

    return run()
