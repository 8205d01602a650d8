"""Typed access to a TOML document that collects problems instead of stopping at the first."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from dkimctl.config.settings import Option
from dkimctl.errors import ConfigError, shell_word
from dkimctl.names import printable

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


@dataclass(slots=True)
class Problems:
    """The mistakes found so far, a line each."""

    found: list[str] = field(default_factory=list)


def read_document(path: Path, text: bytes) -> dict[str, object]:
    """Return the TOML document. Raises ConfigError with the line and column of a syntax error."""
    import tomllib

    try:
        return tomllib.loads(text.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", hint=f"fix it: editor {shell_word(path)}") from error
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply", hint=f"fix it: editor {shell_word(path)}") from None


def _shown(value: object) -> str:
    return printable(repr(value))


class Table:
    """One table of the document: ask it for each key it may have, then `finish()` reports the rest as unknown."""

    def __init__(self, values: dict[str, object], name: str, problems: Problems) -> None:
        self._values = values
        self._name = name
        self._problems = problems
        self._asked: set[str] = set()

    def problem(self, key: str, text: str) -> None:
        """Record a mistake at a key of this table."""
        place = f"[{self._name}]" if self._name else "top level"
        self._problems.found.append(f"{place} {key}: {text}" if key else f"{place}: {text}")

    def names(self) -> list[str]:
        """Return the keys in the file, in its order."""
        return list(self._values)

    def finish(self) -> None:
        """Report every key that was not asked for."""
        known = ", ".join(sorted(self._asked))
        for key in self._values:
            if key not in self._asked:
                self.problem(key, f"unknown; known here: {known}")

    def _take(self, key: str, kind: type, words: str) -> object | None:
        self._asked.add(key)
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.problem(key, f"must be {words}, not {_shown(value)}")
            return None
        return value if self._is_printable(key, value) else None

    def _is_printable(self, key: str, value: object) -> bool:
        """Return True unless a string has characters that file names and daemons' settings cannot have, such as NUL."""
        texts = value if isinstance(value, list) else [value]
        if all(text.isprintable() for text in texts if isinstance(text, str)):
            return True
        self.problem(key, f"must be printable, not {_shown(value)}")
        return False

    def table(self, key: str) -> "Table":
        """Return the sub-table, empty when absent."""
        value = self._take(key, dict, "a table")
        name = f'{self._name}."{key}"' if "." in key else f"{self._name}.{key}" if self._name else key
        return Table(value if isinstance(value, dict) else {}, name, self._problems)

    def text(self, key: str) -> str | None:
        """Return a string that is not empty, or None."""
        value = self._take(key, str, "a string")
        if value == "":
            self.problem(key, "must not be empty")
        return value if isinstance(value, str) and value else None

    def path(self, key: str, default: str) -> str:
        """Return an absolute path."""
        return self.matching(key, default, r"/\S+", "an absolute path without spaces")

    def matching(self, key: str, default: str, pattern: str, words: str) -> str:
        """Return a string of this form."""
        value = self.text(key)
        if value is not None and not re.fullmatch(pattern, value):
            self.problem(key, f"must be {words}, not {_shown(value)}")
            return default
        return value or default

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        """Return one of these words."""
        value = self.text(key)
        if value is not None and value not in choices:
            self.problem(key, f"must be one of {', '.join(choices)}, not {_shown(value)}")
            return default
        return value or default

    @overload
    def number(self, key: str, default: int, least: int, most: int) -> int: ...
    @overload
    def number(self, key: str, default: None, least: int, most: int) -> int | None: ...
    def number(self, key: str, default: int | None, least: int, most: int) -> int | None:
        """Return a whole number between these."""
        value = self._take(key, int, "a whole number")
        if isinstance(value, int) and not least <= value <= most:
            self.problem(key, f"must be a number from {least} to {most}, not {_shown(value)}")
            return default
        return value if isinstance(value, int) else default

    def duration(self, key: str, default: int, least: int, most: int) -> int:
        """Return a time in seconds, written with its unit: "180d", "14h", "90m" or "30s"."""
        if isinstance(self._values.get(key), int | float):
            self._asked.add(key)
            self.problem(key, f'write the unit: "{_shown(self._values[key])}d" for days, or h, m, s')
            return default
        value = self.text(key)
        if value is None:
            return default
        found = re.fullmatch(r"([0-9]{1,9})([dhms])", "0s" if value == "0" else value)
        if found is None:
            self.problem(key, f'must be a duration such as "180d", "12h", "90m" or "30s", not {_shown(value)}')
            return default
        seconds = int(found[1]) * _UNITS[found[2]]
        if not least <= seconds <= most:
            self.problem(key, f"must be a duration from {least} to {most} seconds, not {_shown(value)}")
            return default
        return seconds

    @overload
    def flag(self, key: str, default: bool) -> bool: ...
    @overload
    def flag(self, key: str, default: None) -> bool | None: ...
    def flag(self, key: str, default: bool | None) -> bool | None:
        """Return true or false."""
        value = self._take(key, bool, "true or false")
        return value if isinstance(value, bool) else default

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a list of strings."""
        value = self._take(key, list, "a list of strings")
        if value is None:
            return default
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self.problem(key, f"must be a list of strings, not {_shown(value)}")
            return default
        return tuple(value)

    def options(self) -> dict[str, Option]:
        """Return every key of a table whose meaning only a provider knows."""
        options: dict[str, Option] = {}
        for key, value in self._values.items():
            if not self._is_printable(key, value):
                continue
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                options[key] = tuple(value)
            elif isinstance(value, str | int | bool):
                options[key] = value
            else:
                self.problem(key, "must be a string, a number, true, false or a list of strings")
        return options
