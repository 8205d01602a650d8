"""Writing an `ovh.conf`: a few values change, everything else of the file stays as a person wrote it."""

import configparser
import re
from collections.abc import Mapping
from pathlib import Path

from dkimctl.clock import Clock
from dkimctl.errors import ConfigError, Refused
from dkimctl.files import (
    Owner,
    caller,
    create_file,
    make_directory,
    read_file,
    refuse_shared_directory,
    resolved,
    staged_file,
    status_of,
    write_file,
)
from dkimctl.providers.ovh.credentials import KEYS, Credentials

MODE = 0o600
HEAD = "# Credentials of the OVH API, for dkimctl and for the ovh library. Nobody else may read this file.\n"


def refuse_unstorable(path: Path, credentials: Credentials) -> None:
    """Raise now what `store` would raise: a key that a person has validated is not to be lost."""
    path, owner = _place(path)
    _updated(path, read_file(path), credentials)
    with staged_file(path, b"", mode=MODE, owner=owner):
        pass


def store(path: Path, credentials: Credentials, clock: Clock) -> Path | None:
    """Write the three keys into `path`, mode 0600; a file that held another consumer key stays beside it.

    Returns the name of that copy. Raises Refused where others could swap the file, DiskError.
    """
    path, owner = _place(path)
    before = read_file(path)
    after, old = _updated(path, before, credentials)
    backup = None
    if before is not None and old.get(credentials.endpoint, {}).get("consumer_key"):
        backup = path.with_name(f"{path.name}.{clock.now():%Y%m%dT%H%M%SZ}")
        create_file(backup, before, mode=MODE, owner=owner)
    write_file(path, after.encode("utf-8", "surrogateescape"), mode=MODE, owner=owner)
    return backup


def _place(path: Path) -> tuple[Path, Owner]:
    """The file itself, in a directory where nobody else can swap it, and whose it is to be."""
    _refuse_shared(path, caller())  # before anything is made
    make_directory(path.parent, mode=0o755)
    path = resolved(path)
    owner = _owner(path)
    _refuse_shared(path, owner)
    return path, owner


def _updated(path: Path, before: bytes | None, credentials: Credentials) -> tuple[str, dict[str, dict[str, str]]]:
    """The file's text with these keys, and what it held before. Raises ConfigError."""
    text = HEAD if before is None else before.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    after, old = with_credentials(text, credentials), _parsed(text)
    if _parsed(after) != {**old, **_changed(old, credentials)}:
        raise ConfigError(
            f"{path} is written in a way that this cannot change safely", hint="correct it, or move it away"
        )
    return after, old


def with_credentials(text: str, credentials: Credentials) -> str:
    """The text of an `ovh.conf` with these keys in the section of their endpoint; it becomes the default if none is."""
    values = {name: getattr(credentials, name) for name in KEYS}
    if _section(text.splitlines(keepends=True), "default", "endpoint") is None:
        text = _with_values(text, "default", {"endpoint": credentials.endpoint})
    return _with_values(text, credentials.endpoint, values)


def _parsed(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}  # equal to nothing that has our keys
    return {name: dict(parser[name]) for name in parser.sections()}


def _changed(old: Mapping[str, Mapping[str, str]], credentials: Credentials) -> dict[str, dict[str, str]]:
    """The two sections that change, as they must read afterwards."""
    endpoint = credentials.endpoint
    keys = {name: getattr(credentials, name) for name in KEYS}
    return {
        "default": {"endpoint": endpoint, **old.get("default", {})},
        endpoint: {**old.get(endpoint, {}), **keys},
    }


_HEADER = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<name>[^\s#;=:\[][^=:]*?)\s*[=:]")


def _section(lines: list[str], section: str, option: str | None = None) -> int | None:
    """The number of the section's header, or of the line of its option; None when there is none."""
    inside = ""
    for number, line in enumerate(lines):
        if header := _HEADER.match(line):
            inside = header["name"]
            if option is None and inside == section:
                return number
        elif inside == section and (found := _OPTION.match(line)) and found["name"].lower() == option:
            return number
    return None


def _with_values(text: str, section: str, values: Mapping[str, str]) -> str:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    if _section(lines, section) is None:
        lines += (["\n"] if lines else []) + [f"[{section}]\n"]
    last = _section(lines, section) or 0
    for name, value in values.items():
        number = _section(lines, section, name)
        if number is None:
            number = last + 1
            lines.insert(number, "")
        lines[number] = f"{name}={value}\n"
        while number + 1 < len(lines) and lines[number + 1][:1] in " \t" and lines[number + 1].strip():
            del lines[number + 1]  # the old value went on there
        last = number
    return "".join(lines)


def _owner(path: Path) -> Owner:
    """Return the owner of the file, or of the one to be made."""
    status = status_of(path)
    return caller() if status is None else Owner.of(status)


def _refuse_shared(path: Path, owner: Owner) -> None:
    try:
        refuse_shared_directory(path.parent, owner)
    except Refused as error:
        raise Refused(
            error.message.replace("a private key", "a secret"), hint="choose another place: --credentials FILE"
        ) from error
