"""The start of the daemon: its systemd unit with drop-ins, and the older /etc/default/opendkim."""

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dkimctl.errors import disk_errors
from dkimctl.files import read_file
from dkimctl.host.process import Process
from dkimctl.opendkim.conf import Setting

UNIT = "opendkim.service"
PLACES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Unit directories by precedence, the highest first: systemd.unit(5)."""
DEFAULTS = "/etc/default/opendkim"
_OPTIONS = {
    "p": "Socket",
    "P": "PidFile",
    "u": "UserID",
    "x": "conf",
    "b": "Mode",
    "c": "Canonicalization",
    "d": "Domain",
    "k": "KeyFile",
    "s": "Selector",
    "S": "SignatureAlgorithm",
    "o": "OmitHeaders",
    "T": "DNSTimeout",
}
"""opendkim(8): options that take a value, and the settings that they stand for."""
_OTHER_VALUES = "eFLt"
_FLAGS = "ADflrvW"
_ONLY_TESTS = {
    "n": "only checks the configuration",
    "V": "only prints the version",
    "Q": "only queries tables",
    "t": "only tests a message",
    "e": "only prints a value",
}
"""Options with which opendkim is no daemon; it refuses any other letter, and any other word (measured)."""


@dataclass(frozen=True, slots=True)
class Service:
    """The `[Service]` lines, drop-ins after the unit itself."""

    lines: tuple[Setting, ...] = ()
    defaults: tuple[Setting, ...] = ()
    """The variables of /etc/default/opendkim: only the old init script reads them."""
    running: Setting | None = None
    """The running daemon's command line, where its options differ from the unit's; it then takes precedence."""

    def find(self, name: str) -> Setting | None:
        """Return the assignment in effect, or None."""
        found = next((line for line in reversed(self.lines) if line.name == name), None)
        return found if found and found.value else None

    def option(self, name: str) -> Setting | None:
        """Return a setting from the command line: `-p` for Socket and so on; `conf` for `-x`. None without it."""
        return _option(self.running, name) if self.running else self.unit_option(name)

    def unit_option(self, name: str) -> Setting | None:
        """Return a setting from the unit's ExecStart, however the running daemon was started."""
        return _option(self.find("ExecStart"), name)

    def settings_on_command_line(self) -> Iterator[Setting]:
        """Yield the settings that options stand for, without that of the configuration file."""
        names = (name for name in dict.fromkeys(_OPTIONS.values()) if name != "conf")
        yield from (found for name in names if (found := self.option(name)))

    def not_started_by(self) -> str:
        """Return why the unit's command line starts no daemon; empty when it does, or starts another program."""
        start = self.find("ExecStart")
        words = _words(start.value) if start else []
        if not words or f"{os.path.basename(words[0].lstrip('-@+!:'))}.service" != UNIT:
            return ""
        found = [*_arguments(words)]
        for letter in filter(None, (letter for letter, _ in found)):
            if letter in _ONLY_TESTS:
                return f"-{letter} {_ONLY_TESTS[letter]}, and ends"
            if letter not in _FLAGS and letter not in _OPTIONS and letter not in _OTHER_VALUES:
                return f"invalid option -{letter}"
        # what a variable stands for is not known
        unclear = next((word for letter, word in found if not letter and "$" not in word), "")
        return f"{unclear} is not an option" if unclear else ""

    def run_as(self, process: Process) -> "Service":
        """Return the service with the options of the running daemon; itself where the unit has the same."""
        running = Setting("ExecStart", shlex.join(process.arguments), f"/proc/{process.pid}/cmdline", 0)
        start = self.find("ExecStart")
        names = dict.fromkeys(_OPTIONS.values())
        same = all(_value(_option(running, name)) == _value(_option(start, name)) for name in names)
        return self if same else replace(self, running=running)

    def default(self, name: str) -> Setting | None:
        """Return a variable of /etc/default/opendkim, with variables in it expanded, or None."""
        values = {line.name: line.value for line in self.defaults}
        found = next((line for line in reversed(self.defaults) if line.name == name), None)
        if found is None:
            return None
        value = found.value
        for variable in sorted(values, key=len, reverse=True):
            value = value.replace(f"${{{variable}}}", values[variable]).replace(f"${variable}", values[variable])
        return Setting(name, value, found.file, found.line)


def _option(start: Setting | None, name: str) -> Setting | None:
    """Return the setting that an option of the command line makes."""
    given = _arguments(_words(start.value)) if start else ()
    found = [value for option, value in given if _OPTIONS.get(option) == name]
    return Setting(name, found[-1], start.file, start.line) if start and found else None


def _value(setting: Setting | None) -> str:
    return setting.value if setting else ""


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _arguments(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each option of a command line with its value; any other word with an empty option."""
    waiting = iter(words[1:])
    for word in waiting:
        if word == "--":
            yield from (("", other) for other in waiting)
            return
        if not word.startswith("-"):
            yield "", word
            continue
        for position, letter in enumerate(word[1:], 2):
            if letter in _OPTIONS or letter in _OTHER_VALUES:
                yield letter, word[position:] or next(waiting, "")
                break
            yield letter, ""


def read_service(at: Callable[[str], Path]) -> Service:
    """Return the service as systemd would run it; `at` maps a system path to this disk. Raises DiskError."""
    unit = next((path for place in PLACES if (path := f"{place}/{UNIT}") and os.path.isfile(at(path))), None)
    files = [unit] if unit else []
    drop_ins: dict[str, str] = {}
    for place in reversed(PLACES):
        directory = at(f"{place}/{UNIT}.d")
        with disk_errors(f"read {directory}"):
            names = [p.name for p in directory.iterdir() if p.suffix == ".conf"] if directory.is_dir() else []
        drop_ins.update({name: f"{place}/{UNIT}.d/{name}" for name in names})
    files += [drop_ins[name] for name in sorted(drop_ins)]
    lines = [line for file in files for line in _service_lines(read_file(at(file)) or b"", file)]
    return Service(tuple(lines), tuple(_variables(read_file(at(DEFAULTS)) or b"")))


def _service_lines(content: bytes, file: str) -> Iterator[Setting]:
    section, start, held = "", 0, ""
    for number, raw in enumerate(content.decode("utf-8", "surrogateescape").splitlines(), 1):
        line = raw.strip()
        if not held and (not line or line[0] in "#;"):
            continue
        start = start if held else number
        held += line
        if held.endswith("\\"):
            held = held[:-1] + " "
            continue
        if held.startswith("["):
            section = held
        elif section == "[Service]" and "=" in held:
            name, _, value = held.partition("=")
            yield Setting(name.strip(), value.strip(), file, start)
        held = ""


def _variables(content: bytes) -> Iterator[Setting]:
    for number, raw in enumerate(content.decode("utf-8", "surrogateescape").splitlines(), 1):
        name, found, value = raw.strip().partition("=")
        if found and name.isidentifier():
            yield Setting(name, value.split("#")[0].strip().strip("\"'"), DEFAULTS, number)
