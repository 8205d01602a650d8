"""Read the zones of BIND's configuration, as printed by `named-checkconf`: with all includes, without secrets."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dkimctl.errors import Unavailable
from dkimctl.programs.child import run_program

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([{};])|([^\s{};"]+)', re.DOTALL)
_TIMEOUT = 60.0  # seconds: there may be 100,000 zones
_WRITTEN_BY_PERSONS = ("primary", "master")
_NOBODY = ("none", "!any")


@dataclass(frozen=True, slots=True)
class BindZone:
    """A zone that has a file."""

    path: Path
    journal: Path | None
    """The configured path of the journal; None: next to the file."""
    dynamic: str
    """The setting by which the server writes the file itself, such as `update-policy`; empty when there is none."""
    only_reads_file: bool
    """True when the server keeps a journal and does not write this file all the same.

    It signs into another one (`inline-signing`, `dnssec-policy`), or notes what a person changed, for incremental
    transfers (`ixfr-from-differences`).
    """


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement `words { block };`; `block` is None without braces."""

    words: tuple[str, ...]
    block: "tuple[Statement, ...] | None"


@lru_cache(maxsize=2)
def zones_in(configuration: str, version: object) -> tuple[BindZone, ...]:
    """Return the zones that have a file; none when named-checkconf refuses the configuration.

    `version`: a value that changes with the configuration, for the cache. Raises Unavailable when named-checkconf is
    not installed.
    """
    ended = run_program("named-checkconf", "-px", configuration, within=_TIMEOUT)
    if ended.code != 0:
        return ()
    top = statements(ended.out)
    return tuple(_zones((*top, *_added(top))))


def _added(top: Sequence[Statement]) -> Iterator[Statement]:
    """Yield the zones of `rndc addzone`, which no configuration file has; those that cannot be read are left out."""
    options = _named("options", top)
    directory = Path(_value("directory", options) or "/") / _value("new-zones-directory", options)
    views = {"_default": options} | {one.words[1]: one.block or () for one in top if one.words[:1] == ("view",)}
    for name, scope in views.items():
        database = directory / f"{name}.nzd"
        if _is_on(_value("allow-new-zones", scope) or _value("allow-new-zones", options)) and database.exists():
            with suppress(Unavailable):
                yield from statements(run_program("named-nzd2nzf", str(database), within=_TIMEOUT).out)


def statements(text: str) -> tuple[Statement, ...]:
    """Return the statements of a configuration without comments."""
    levels: list[list[Statement]] = [[]]
    words: list[list[str]] = [[]]
    block: tuple[Statement, ...] | None = None
    for quoted, mark, word in _TOKEN.findall(text):
        if mark == "{":
            levels.append([])
            words.append([])
        elif mark == "}" and len(levels) > 1:
            block = tuple(levels.pop())
            words.pop()
        elif mark == ";":
            if words[-1] or block is not None:
                levels[-1].append(Statement(tuple(words[-1]), block))
            words[-1], block = [], None
        elif not mark:
            words[-1].append(word or quoted)
    return tuple(levels[0])


def _zones(top: Sequence[Statement]) -> Iterator[BindZone]:
    options = _named("options", top)
    directory = Path(_value("directory", options) or "/")
    views = [one.block or () for one in top if one.words[:1] == ("view",)]
    for scope in (top, *views):
        inherited = _block("allow-update", scope) or _block("allow-update", options)
        differences = _value("ixfr-from-differences", scope) or _value("ixfr-from-differences", options)
        for zone in scope:
            if zone.words[:1] == ("zone",) and zone.block and (file := _value("file", zone.block)):
                yield _zone(zone.block, directory / file, directory, inherited, differences)


def _zone(
    block: Sequence[Statement],
    path: Path,
    directory: Path,
    inherited: Sequence[Statement] | None,
    differences: str,
) -> BindZone:
    kind, journal = _value("type", block), _value("journal", block)
    dynamic = ""
    if kind not in _WRITTEN_BY_PERSONS:
        dynamic = f"type {kind}"
    elif _block("update-policy", block) is not None or _value("update-policy", block):
        dynamic = "update-policy"
    elif _allows_clients(_block("allow-update", block) or inherited):
        dynamic = "allow-update"
    signed = _value("inline-signing", block) != "no" and bool(
        _value("dnssec-policy", block) not in ("", "none") or _value("inline-signing", block)
    )
    noted = _value("ixfr-from-differences", block) or differences
    only_reads = signed or _is_on(noted) or noted in _WRITTEN_BY_PERSONS
    return BindZone(path, directory / journal if journal else None, dynamic, only_reads)


def _is_on(value: str) -> bool:
    return value in ("yes", "true", "1")


def _allows_clients(entries: Sequence[Statement] | None) -> bool:
    return any(entry.words and entry.words[0] not in _NOBODY for entry in entries or ())


def _named(name: str, scope: Sequence[Statement]) -> tuple[Statement, ...]:
    return next((one.block or () for one in scope if one.words == (name,)), ())


def _block(name: str, scope: Sequence[Statement]) -> tuple[Statement, ...] | None:
    return next((one.block for one in scope if one.words[:1] == (name,) and one.block is not None), None)


def _value(name: str, scope: Sequence[Statement]) -> str:
    return next((one.words[1] for one in scope if one.words[:1] == (name,) and len(one.words) > 1), "")
