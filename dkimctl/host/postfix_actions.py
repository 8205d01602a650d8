"""`FILTER transport:destination` in Postfix's tables (access(5), header_checks(5)): a content filter for some mail."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.files import read_file

HEADER_CHECKS = ("header_checks", "mime_header_checks", "nested_header_checks", "body_checks")
_FILE = re.compile(r"\b(?:hash|btree|lmdb|cdb|dbm|texthash|regexp|pcre|cidr):(/[^\s,{}]+)")
_WORD = re.compile(r"[\w-]+")
_ACTION = re.compile(r"(?i)(?:^|[\s{=])FILTER\s+([\w.-]+:[^\s{}]*)")


def filter_actions(settings: Settings, values: Iterator[str], classes: Mapping[str, str]) -> Mapping[str, str]:
    """Return the destination of the first FILTER in the tables of each of these values; those with none are left out.

    A value, or a table, may name one of the restriction `classes`, whose own list of restrictions then counts as well.
    Tables in a database or directory service are not looked at; of a `hash:` table its source is.
    """
    return {value: found for value in set(values) if (found := _action(settings, value, classes))}


def _action(settings: Settings, value: str, classes: Mapping[str, str]) -> str:
    lines = _lines(settings, value)
    named = {*classes} & {word for line in lines for word in _WORD.findall(line)}
    lines += [line for name in classes if name in named for line in _lines(settings, classes[name])]
    return next((found[1] for line in lines if (found := _ACTION.search(line))), "")


def _lines(settings: Settings, value: str) -> list[str]:
    """Return the value and the lines of the tables that it names, without comments."""
    texts = [value, *(_text(settings, path) for path in _FILE.findall(value))]
    return [line for text in texts for line in text.splitlines() if not line.lstrip().startswith("#")]


def _text(settings: Settings, path: str) -> str:
    with suppress(DkimctlError):  # what cannot be read has no FILTER that anybody can see
        return (read_file(settings.at(path)) or b"").decode("utf-8", "replace")
    return ""
