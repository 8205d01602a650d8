"""Where the program starts, before anything slow is imported."""

import gc
import sys


def main() -> int:
    """Run the command line and return the exit code (`EXIT_STATUS` in dkimctl.cli.manual)."""
    gc.set_threshold(50_000)  # at 700 a start alone searches for garbage a dozen times and finds none: 2 to 4 ms
    try:
        return _run()
    finally:
        gc.freeze()  # or else the interpreter searches everything for garbage once more before it ends: 5 to 12 ms


def _run() -> int:
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
