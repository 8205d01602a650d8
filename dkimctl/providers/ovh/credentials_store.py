"""Write keys into an `ovh.conf`; everything else in the file stays as a person wrote it."""

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
from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.credentials_file import KEYS

MODE = 0o600
HEAD = "# Credentials of the OVH API, for dkimctl and for the ovh library. Nobody else may read this file.\n"


def refuse_unstorable(path: Path, credentials: Credentials) -> None:
    """Raise the errors of `store` early, so that no key is lost after a person has validated it."""
    path, owner = _place(path)
    _updated(path, read_file(path), credentials)
    with staged_file(path, b"", mode=MODE, owner=owner):
        pass


def store(path: Path, credentials: Credentials, clock: Clock) -> Path | None:
    """Write the three keys into `path`, mode 0600; a file with another consumer key is kept as a copy next to it.

    Returns the path of that copy. Raises Refused where other users could replace the file, DiskError.
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
    """Return the resolved path and the owner of the file, in a directory where only the owner can replace it."""
    _refuse_shared(path, caller())  # before anything is created
    make_directory(path.parent, mode=0o755)
    path = resolved(path)
    owner = _owner(path)
    _refuse_shared(path, owner)
    return path, owner


def _updated(path: Path, before: bytes | None, credentials: Credentials) -> tuple[str, dict[str, dict[str, str]]]:
    """Return the file's text with these keys, and its sections before. Raises ConfigError."""
    text = HEAD if before is None else before.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    after, old = with_credentials(text, credentials), _parsed(text)
    if _parsed(after) != {**old, **_changed(old, credentials)}:
        raise ConfigError(f"{path} has a form that dkimctl cannot change safely", hint="correct it, or move it away")
    return after, old


def with_credentials(text: str, credentials: Credentials) -> str:
    """Return the text of an `ovh.conf` with these keys; their endpoint becomes the default if there is none."""
    values = {name: getattr(credentials, name) for name in KEYS}
    if _section(text.splitlines(keepends=True), "default", "endpoint") is None:
        text = _with_values(text, "default", {"endpoint": credentials.endpoint})
    return _with_values(text, credentials.endpoint, values)


def _parsed(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}  # never equal to a text with our keys
    return {name: dict(parser[name]) for name in parser.sections()}


def _changed(old: Mapping[str, Mapping[str, str]], credentials: Credentials) -> dict[str, dict[str, str]]:
    """Return the two sections that change, with their new values."""
    endpoint = credentials.endpoint
    keys = {name: getattr(credentials, name) for name in KEYS}
    return {
        "default": {"endpoint": endpoint, **old.get("default", {})},
        endpoint: {**old.get(endpoint, {}), **keys},
    }


_HEADER = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<name>[^\s#;=:\[][^=:]*?)\s*[=:]")


def _section(lines: list[str], section: str, option: str | None = None) -> int | None:
    """Return the line number of the section's header, or of its option; None when there is none."""
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
            del lines[number + 1]  # a continuation line of the old value
        last = number
    return "".join(lines)


def _owner(path: Path) -> Owner:
    """Return the owner of the file, or the caller for a new file."""
    status = status_of(path)
    return caller() if status is None else Owner.of(status)


def _refuse_shared(path: Path, owner: Owner) -> None:
    try:
        refuse_shared_directory(path.parent, owner)
    except Refused as error:
        raise Refused(
            error.message.replace("a private key", "a secret"), hint="choose another place: --credentials FILE"
        ) from error
