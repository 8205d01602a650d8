"""Every error that a user can meet: a message, a hint with the next thing to do, and an exit code.

    DkimctlError
    ├── UsageError        2   wrong arguments
    │   └── ConfigError   2   wrong configuration: every problem of a file at once
    ├── Refused           1   not done, to keep mail or a key safe
    ├── CheckFailed       1   something was looked at and is wrong
    └── Unavailable       3   network, DNS, API or disk failed; trying again may help
        ├── ApiError      3   a DNS provider's API refused, or gave no usable answer
        └── DiskError     3   a file could not be read or written

Foreign exceptions are turned into one of these at the one module that talks to the foreign library.
"""

from collections.abc import Sequence
from errno import EROFS

RUN_AGAIN = "run the same command again: it checks what exists and continues from there"
"""A hint for commands that can be repeated."""


class DkimctlError(Exception):
    """The base class. `message`: one lower-case line without final period; `hint`: what to do next, or empty."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DkimctlError):
    """Wrong arguments: a malformed domain, an unknown owner, options that exclude each other."""

    exit_code = 2


class ConfigError(UsageError):
    """A wrong configuration or credentials file. `problems` has one line for each mistake."""

    def __init__(self, message: str, *, hint: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class Refused(DkimctlError):
    """The operation was refused because it would endanger mail, a key, or what a person made."""

    exit_code = 1


class CheckFailed(DkimctlError):
    """A check ran and found an error."""

    exit_code = 1


class Unavailable(DkimctlError):
    """The operation could not be completed: network, DNS, API or disk. Running it again may help."""

    exit_code = 3


class ApiError(Unavailable):
    """A DNS provider's API refused, failed, or gave an unusable answer.

    `status`: the HTTP status, None without an answer. `call`: the request, such as `POST /domain/zone/x/record`.
    """

    def __init__(self, message: str, *, hint: str = "", status: int | None = None, call: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.call = call


class DiskError(Unavailable):
    """A file or directory could not be read or written."""


class disk_errors:
    """A context manager that turns an OSError into a DiskError with a description of the operation."""

    __slots__ = ("_doing", "_hint")

    def __init__(self, doing: str, *, hint: str = "") -> None:
        self._doing = doing
        self._hint = hint

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise disk_error(self._doing, error, hint=self._hint) from error


def disk_error(doing: str, error: OSError, *, hint: str = "") -> DiskError:
    """Return the DiskError for an OSError; for loops in which `disk_errors` takes too long."""
    return DiskError(f"cannot {doing}: {reason(error)}", hint=hint or _advice(error))


def reason(error: OSError) -> str:
    """Return the text of an OSError, without its number and the path; of one that wraps another, the other's."""
    inner = getattr(error, "reason", None)  # of urllib, whose own text is `<urlopen error …>`
    if isinstance(inner, OSError):
        return reason(inner)
    certificate = getattr(error, "verify_message", "")
    if certificate:
        return f"its certificate does not verify: {certificate}"
    return error.strerror.lower() if error.strerror else str(inner or error)


def is_denied(error: DkimctlError) -> bool:
    """Return True where the caller may not read or write the file, so that root can."""
    return isinstance(error.__cause__, PermissionError)


def shell_word(text: object) -> str:
    """Return a path or a name as it is typed in a shell command."""
    from shlex import quote

    return quote(str(text))


def _advice(error: OSError) -> str:
    if isinstance(error, FileNotFoundError | IsADirectoryError):
        return "check the name"
    if isinstance(error, PermissionError):
        return "run it as root (sudo dkimctl …), or choose a directory that you can write to with --root DIR"
    if error.errno == EROFS:
        return (
            "make the file system writable; or, where a systemd unit ran it, run the same command once by hand as root:"
            " a unit may write only what changes later"
        )
    return "fix the cause and run the same command again: nothing is half-done"
