"""All checks, one after the other."""

from collections.abc import Iterable

from dkimctl.findings import Finding, Severity
from dkimctl.host.catalogue import machine as c
from dkimctl.host.doctor.base import Check, Diagnosis, noticed
from dkimctl.host.doctor.conf import check_conf
from dkimctl.host.doctor.keys import check_keys
from dkimctl.host.doctor.tables import check_tables
from dkimctl.host.world import World

CHECKS: tuple[Check, ...] = (check_conf, check_tables, check_keys)
_WORST_FIRST = (Severity.ERROR, Severity.UNKNOWN, Severity.WARNING, Severity.INFO, Severity.OK)


def diagnose(world: World, checks: Iterable[Check] = CHECKS) -> tuple[Diagnosis, ...]:
    """Everything that is noticed, the worst first; one `ok` finding when nothing is wrong."""
    found = [*_unread(world), *(diagnosis for check in checks for diagnosis in check(world))]
    found.sort(key=lambda d: (_WORST_FIRST.index(d.finding.severity), d.finding.code))
    if not any(d.finding.severity in (Severity.ERROR, Severity.UNKNOWN) for d in found):
        found.append(noticed(c.RIGHT, "this host", _praise(world)))
    return tuple(found)


def findings(diagnoses: Iterable[Diagnosis]) -> tuple[Finding, ...]:
    """The findings alone."""
    return tuple(d.finding for d in diagnoses)


def _unread(world: World) -> Iterable[Diagnosis]:
    for unread in world.unread:
        yield noticed(c.UNREAD, unread.what, unread.why, unread.hint)
    for name, data_set in world.data_sets.items():
        if data_set.why:
            yield noticed(c.UNREAD, data_set.place, f"{name}: {data_set.why}")


def _praise(world: World) -> str:
    table = world.data_sets.get("KeyTable")
    return f"{len(table.rows) if table else 0} keys, {len(world.postfix)} Postfix instance(s)"
