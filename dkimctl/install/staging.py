"""doctor's checks on files that are not in place yet, so that an installation introduces no error."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from dkimctl.catalogue.conf import NOTHING_SIGNS
from dkimctl.catalogue.tables import HOST_SPELLING
from dkimctl.config.settings import Settings
from dkimctl.doctor.base import Check
from dkimctl.doctor.conf import check_conf
from dkimctl.doctor.hosts import check_hosts
from dkimctl.doctor.keys import check_keys
from dkimctl.doctor.tables import check_tables
from dkimctl.errors import Refused
from dkimctl.findings import Finding, Severity
from dkimctl.host.world import World, read_world
from dkimctl.programs import find_program
from dkimctl.signers.registry import signer_named
from dkimctl.signers.rendered import Rendering

_CHECKS: tuple[Check, ...] = (check_conf, check_tables, check_hosts)


_NO_EFFECT = HOST_SPELLING.code
"""An entry of a person that never matches: the rendering warns about it, and mail is signed as without it."""


def check_staged(
    rendering: Rendering,
    settings: Settings,
    staged: Mapping[str, Path],
    installed: Mapping[str, Path] = MappingProxyType({}),
) -> None:
    """Raise Refused when the new files have an error that the installed ones do not have.

    `staged`: system path → the file with its new content; `installed`: the same for what is installed, where that is
    somewhere else. Only the files of a signer that `explains` are checked, and only on the machine where it runs.
    """
    signer = signer_named(rendering.signer)
    if not signer.explains or not settings.is_live or find_program(signer.name) is None:
        return
    now = read_world(settings, lambda path: installed.get(path) or settings.at(path))
    coming = read_world(settings, lambda path: staged.get(path) or settings.at(path))
    errors = [*_errors(_CHECKS, coming), *_errors((check_keys,), _new_keys(coming, now))]
    found = tuple(_errors((*_CHECKS, check_keys), now)) if errors else ()
    known = {name for error in found for name in _names(error)}
    allowed = {_NO_EFFECT} if rendering.keys else {_NO_EFFECT, NOTHING_SIGNS.code}  # without any key
    for error in errors:
        if error.code not in allowed and known.isdisjoint(_names(error)):
            raise Refused(
                f"nothing was installed: {error.title}: {error.seen}",
                hint=f"{error.fix} (more about it: dkimctl inspect {error.code})",
            )


def _names(error: Finding) -> tuple[tuple[str, str], ...]:
    """Return what an error is known by: its place, and what was seen there, for a row that comes to another place."""
    return (error.code, error.subject), (error.code, error.seen.replace(error.subject, ""))


def _new_keys(coming: World, now: World) -> World:
    """Return the world with the new keys only: checking 100,000 that sign already would take half a minute."""
    table, old = coming.data_sets.get("KeyTable"), now.data_sets.get("KeyTable")
    if table is None or old is None or coming.account != now.account:
        return coming
    signing = {row.value for row in old.rows}
    rows = tuple(row for row in table.rows if row.value not in signing)
    return replace(coming, data_sets={**coming.data_sets, "KeyTable": replace(table, rows=rows)})


def _errors(checks: Iterable[Check], world: World) -> Iterator[Finding]:
    for check in checks:
        yield from (d.finding for d in check(world) if d.finding.severity is Severity.ERROR)
