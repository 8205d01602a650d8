"""All checks, one after the other."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from dkimctl.catalogue import machine as c
from dkimctl.config.settings import Lookup
from dkimctl.doctor.base import MOST, Check, Diagnosis, noticed
from dkimctl.doctor.clock import check_clock, check_clock_with_api
from dkimctl.doctor.conf import check_conf
from dkimctl.doctor.dns import check_records
from dkimctl.doctor.filters import check_filters
from dkimctl.doctor.hosts import check_hosts
from dkimctl.doctor.keys import check_keys
from dkimctl.doctor.lostrows import check_lost_rows
from dkimctl.doctor.machine import check_machine
from dkimctl.doctor.milters import check_milters
from dkimctl.doctor.start import check_start
from dkimctl.doctor.tables import check_tables
from dkimctl.errors import DkimctlError, reason, shell_word
from dkimctl.findings import Finding, Severity, severity_order
from dkimctl.host.othersigners import signers_instead
from dkimctl.host.world import World
from dkimctl.signers.registry import signer_of

CHECKS: tuple[Check, ...] = (
    check_conf,
    check_start,
    check_tables,
    check_lost_rows,
    check_keys,
    check_hosts,
    check_milters,
    check_filters,
    check_machine,
    check_clock,
)
"""What this machine alone can tell: none of them asks DNS or another host."""
_OF_EVERY_SIGNER: tuple[Check, ...] = (check_milters, check_filters, check_machine, check_clock)


def diagnose(world: World, checks: Iterable[Check] = CHECKS) -> tuple[Diagnosis, ...]:
    """Everything that is noticed, the worst first; one `ok` finding when nothing is wrong."""
    if not signer_of(world.settings).explains:
        checks = [check for check in checks if check not in CHECKS or check in _OF_EVERY_SIGNER]
    elif signers_instead(world):
        checks = [check for check in checks if check not in CHECKS or check in (check_conf, check_clock)]
    found = [*_unread(world), *_counted(diagnosis for check in checks for diagnosis in _made(check, world))]
    found.sort(key=lambda d: severity_order(d.finding))
    if not any(d.finding.severity in (Severity.ERROR, Severity.UNKNOWN) for d in found):
        found.append(noticed(c.RIGHT, "this host", _praise(world)))
    return tuple(found)


def _counted(found: Iterable[Diagnosis]) -> list[Diagnosis]:
    """All that `--fix` mends, and of each code as many others as somebody may want to read; in front, how many."""
    told: list[Diagnosis] = []
    last: dict[str, Finding] = {}
    counts: Counter[str] = Counter()
    for diagnosis in found:
        finding = diagnosis.finding
        counts[finding.code] += 1
        if diagnosis.repair is not None or counts[finding.code] <= MOST:
            told.append(diagnosis)
        else:
            last[finding.code] = finding
    numbers = (
        replace(f, seen=f"{counts[code]} of the same kind, of which {MOST} are told; one of the others: {f.seen}")
        for code, f in last.items()
    )
    return [*map(Diagnosis, numbers), *told]


def with_network(lookup: Lookup) -> tuple[Check, ...]:
    """All checks, with the key records in DNS, and the clock compared with that of OVH's API."""
    local = (check for check in CHECKS if check is not check_clock)
    return (*local, check_clock_with_api, lambda world: check_records(world, lookup))


def findings(diagnoses: Iterable[Diagnosis]) -> tuple[Finding, ...]:
    """The findings alone."""
    return tuple(d.finding for d in diagnoses)


def _made(check: Check, world: World) -> Iterator[Diagnosis]:
    """What a check yields; where it cannot go on that is a finding too, and the other checks are made."""
    try:
        yield from check(world)
    except DkimctlError as error:
        yield noticed(c.UNREAD, "a check", error.message, error.hint)
    except OSError as error:  # a directory on the way that is closed to us
        yield noticed(c.UNREAD, str(error.filename), f"{error.filename}: {reason(error)}")


def _unread(world: World) -> Iterable[Diagnosis]:
    for unread in world.unread:
        is_closed = unread.why.startswith("cannot read")
        yield noticed(c.UNREAD, unread.what, unread.why, _look_at(world, unread.what) if is_closed else unread.hint)
    for name, data_set in world.data_sets.items():
        if data_set.why:
            yield noticed(c.UNREAD, data_set.place, f"{name}: {data_set.why}", _look_at(world, data_set.place))


def _look_at(world: World, path: str) -> str | None:
    """Root sees each step of the path; everybody else becomes root first, which is the general advice."""
    return f"namei -l {shell_word(world.shown(path))}  # shows where it fails" if os.geteuid() == 0 else None


def _praise(world: World) -> str:
    table = world.data_sets.get("KeyTable")
    keys = len(table.rows) if table else int(world.opendkim.find("KeyFile") is not None)
    instances = len(world.postfix)
    return f"{keys} key{'' if keys == 1 else 's'}, {instances} Postfix instance{'' if instances == 1 else 's'}"
