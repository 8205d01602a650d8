"""opendkim.conf: read as the daemon reads it, and written so that it reads the same.

The rules are those of opendkim's `config.c`: a `#` ends the line anywhere, keywords have no case, the last
setting wins, and `Include` is replaced with the content of the other file.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dkimctl.errors import UsageError
from dkimctl.files import read_file
from dkimctl.names import printable
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.secrets import note_secrets

INCLUDE = "include"
_DEEPEST = 5  # MAXLEVEL of config.c
_COLUMN = 20


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting, and the line it comes from."""

    name: str
    """As it was written; the daemon ignores its case."""
    value: str
    """Empty when the line has none: the daemon then refuses to start."""
    file: str
    """The file as the daemon names it (without `--root`)."""
    line: int
    """From 1."""

    @property
    def key(self) -> str:
        """The name in lower case."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Configuration:
    """All settings in the order in which the daemon meets them, included files in their place."""

    settings: tuple[Setting, ...] = ()
    unreadable: tuple[Setting, ...] = ()
    """The `Include` lines whose file is missing or nested too deeply: the daemon refuses to start."""

    def find(self, name: str) -> Setting | None:
        """Return the setting that counts, or None."""
        return next((s for s in reversed(self.settings) if s.key == name.lower()), None)

    def get(self, name: str) -> str | None:
        """Return the value that counts, or None."""
        setting = self.find(name)
        return setting.value if setting else None


def parse(content: bytes, file: str) -> tuple[Setting, ...]:
    """Return the settings of one file, `Include` lines among them."""
    return tuple(_parsed(content.decode("utf-8", "surrogateescape"), file))


def _parsed(text: str, file: str) -> Iterator[Setting]:
    for number, line in enumerate(text.split("\n"), 1):
        # the daemon's strings end at a NUL
        meaning = line.partition("#")[0].partition("\r")[0].partition("\0")[0].strip(" \t")
        if meaning:
            blank = next((i for i, c in enumerate(meaning) if c in " \t"), len(meaning))
            name, value = meaning[:blank], meaning[blank:].strip(" \t")
            note_secrets(name, value)
            yield Setting(name, value, file, number)


def read(file: str, at: Callable[[str], Path] = Path) -> Configuration | None:
    """Return the configuration in `file`, or None when there is no such file; `at` finds a system path on this disk.

    Raises DiskError when it may not be read.
    """
    content = read_file(at(file))
    return None if content is None else expand(content, file, at)


def sockets(settings: Iterable[Setting]) -> Iterator[MilterSocket]:
    """Yield each valid socket that these settings name; no program can have read another one there."""
    for setting in settings:
        if setting.key == "socket":
            with suppress(UsageError):
                yield parse_socket(setting.value)


def expand(content: bytes, file: str, at: Callable[[str], Path] = Path) -> Configuration:
    """Return the configuration that `content` would be as `file`, with what it includes."""
    settings: list[Setting] = []
    unreadable: list[Setting] = []
    _expand(content, file, at, 0, settings, unreadable)
    return Configuration(tuple(settings), tuple(unreadable))


def _expand(
    content: bytes,
    file: str,
    at: Callable[[str], Path],
    depth: int,
    settings: list[Setting],
    unreadable: list[Setting],
) -> None:
    for setting in parse(content, file):
        if setting.key != INCLUDE:
            settings.append(setting)
            continue
        included = read_file(at(setting.value)) if setting.value and depth < _DEEPEST else None
        if included is None:
            unreadable.append(setting)
        else:
            _expand(included, setting.value, at, depth + 1, settings, unreadable)


def setting_line(name: str, value: str) -> bytes:
    """Return the line that sets `name`. Raises UsageError for a value that the daemon would read as something else."""
    if not value or value != value.strip(" \t") or any(c in value for c in "#\r\n\0"):
        raise UsageError(
            f"opendkim cannot read this value of {name}: {printable(value)}",
            hint="use a value without #, line breaks and blanks at its ends",
        )
    return f"{name:<{_COLUMN}}{'' if len(name) < _COLUMN else ' '}{value}\n".encode("utf-8", "surrogateescape")
