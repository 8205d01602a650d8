"""Where the program starts, before anything slow is imported."""

import gc
import os
import sys


def main() -> int:
    """Run the command line as a process that ends with it; the exit code (`EXIT_STATUS` in dkimctl.manual.commands)."""
    gc.set_threshold(50_000)  # at 700 a start alone searches for garbage a dozen times and finds none: 2 to 4 ms
    _open_closed_streams()
    sys.unraisablehook = _unraisable
    try:
        return run()
    finally:
        # Ctrl-C inside a source text that Python runs, as where a dataclass is made, stays noted as unhandled although
        # it was handled, and `python -m` would then end by SIGINT and not with 130; running another text forgets it
        exec("")  # noqa: S102
        gc.freeze()  # or else the interpreter searches everything for garbage once more before it ends: 5 to 12 ms


def _open_closed_streams() -> None:
    """Open closed standard streams (`>&-`) on /dev/null: else the next opened file, even a key, gets their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode))


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """Send a Ctrl-C again that came while Python finalized an object: an exception there is printed, and nothing ends.

    It goes out a moment later, by a timer: raised in here it would be lost as well.
    """
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    import signal

    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def run() -> int:
    """Run the command line and nothing else: what called it may go on."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # answered before click is imported: scripts ask for the version more often than for anything else
        from dkimctl.version import VERSION

        try:
            os.write(sys.stdout.fileno(), f"dkimctl {VERSION}\n".encode())
            return 0
        except OSError:
            pass  # nothing was written: once more below, where every way to fail is known
    try:
        from dkimctl.cli.main import run as run_commands
    except KeyboardInterrupt:
        return 130

    return run_commands()
