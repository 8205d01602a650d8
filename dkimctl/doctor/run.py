"""The list of checks, and their execution."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from dkimctl.catalogue import machine as c
from dkimctl.config.settings import Lookup
from dkimctl.doctor.base import MAX_PER_CODE, Check, Diagnosis, diagnosis
from dkimctl.doctor.clock import check_clock, check_clock_with_api
from dkimctl.doctor.commands import changed_lines
from dkimctl.doctor.conf import check_conf
from dkimctl.doctor.configured_keys import check_configured_keys
from dkimctl.doctor.dns import check_records
from dkimctl.doctor.filters import check_filters
from dkimctl.doctor.hosts import check_hosts
from dkimctl.doctor.ignored_mail import check_ignored_mail
from dkimctl.doctor.keys import check_keys
from dkimctl.doctor.lost_rows import check_lost_rows
from dkimctl.doctor.machine import check_machine
from dkimctl.doctor.milters import check_milters
from dkimctl.doctor.other_milters import check_content_filters, check_other_milters
from dkimctl.doctor.removed_daemon import removed_daemon
from dkimctl.doctor.signing_macros import check_signing_macros
from dkimctl.doctor.start import check_start
from dkimctl.doctor.tables import check_tables
from dkimctl.doctor.untouched import untouched
from dkimctl.errors import DkimctlError, reason, shell_word
from dkimctl.findings import Finding, Severity, severity_order
from dkimctl.host.othersigners import signers_instead
from dkimctl.host.world import World
from dkimctl.names import counted
from dkimctl.signers.registry import signer_of

_FOR_ANY_SIGNER: tuple[Check, ...] = (
    check_configured_keys,
    check_milters,
    check_other_milters,
    check_content_filters,
    check_filters,
    check_machine,
    check_clock,
)
CHECKS: tuple[Check, ...] = (
    check_conf,
    check_start,
    check_tables,
    check_lost_rows,
    check_keys,
    check_hosts,
    check_signing_macros,
    check_ignored_mail,
    *_FOR_ANY_SIGNER,
)
"""Checks of this machine only: none of them queries DNS or another host."""

_FOR_OTHERS_ALONE: tuple[Check, ...] = (
    check_conf,
    check_configured_keys,
    check_other_milters,
    check_content_filters,
    check_clock,
)
"""Checks where the opendkim of this host signs nothing and another signer does."""


def diagnose(
    world: World,
    checks: Iterable[Check] = CHECKS,
    *,
    begins: Callable[[str], None] = lambda _: None,
    without_signer: bool = False,
) -> tuple[Diagnosis, ...]:
    """Run the checks and return their findings, the worst first; one `ok` finding when nothing is wrong.

    On a host that was never set up, or without the opendkim that Postfix asks, one finding stands for all that is
    missing on it. `without_signer`: this host is to sign nothing, and of CHECKS only that of its clock is made.
    `begins` is called with the name of each check before it runs.
    """
    found, kept = ([], (check_clock,)) if without_signer else _begun(world)
    made = [check for check in checks if check not in CHECKS or check in kept]
    if not kept:
        made = [check for check in made if check is not check_clock_with_api]
    found += _counted(item for check in made for item in _made(check, world, begins))
    found.sort(key=lambda d: severity_order(d.finding))
    found = [*_one_change_of_each_line(found)]
    if not (without_signer or any(d.finding.severity in (Severity.ERROR, Severity.UNKNOWN) for d in found)):
        found.append(diagnosis(c.RIGHT, "this host", _summary(world)))
    return tuple(found)


def _begun(world: World) -> tuple[list[Diagnosis], tuple[Check, ...]]:
    """Return what is found before any check, and which of CHECKS are made: none where one finding stands for all."""
    if whole := untouched(world) or removed_daemon(world):
        return [whole], ()
    if not signer_of(world.settings).explains:
        return [*_unread(world)], _FOR_ANY_SIGNER
    return [*_unread(world)], _FOR_OTHERS_ALONE if signers_instead(world) else CHECKS


def _one_change_of_each_line(found: Iterable[Diagnosis]) -> Iterator[Diagnosis]:
    """Yield the findings, a fix only where it does not undo that of a graver one by replacing its line."""
    taken: dict[tuple[str, int], Finding] = {}
    for item in found:
        lines = changed_lines(item.finding.fix or "")
        replaced = [place for place, is_whole in lines.items() if is_whole and place in taken]
        undone = [place for place in replaced if taken[place].fix != item.finding.fix]
        if undone:
            (path, line), other = undone[0], taken[undone[0]]
            later = f"# after the fix of {other.code} run dkimctl doctor again: both change line {line} of {path}"
            yield replace(item, finding=replace(item.finding, fix=later))
            continue
        for place in lines:
            taken.setdefault(place, item.finding)
        yield item


def _counted(found: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Return all findings that `--fix` repairs, and up to MAX_PER_CODE others of each code, preceded by counts."""
    kept: list[Diagnosis] = []
    last: dict[str, Finding] = {}
    counts: Counter[str] = Counter()
    for item in found:
        finding = item.finding
        counts[finding.code] += 1
        if item.repair is not None or counts[finding.code] <= MAX_PER_CODE:
            kept.append(item)
        else:
            last[finding.code] = finding
    numbers = (
        replace(
            f, seen=f"{counts[code]} of the same kind, of which {MAX_PER_CODE} are shown; one of the others: {f.seen}"
        )
        for code, f in last.items()
    )
    return [*map(Diagnosis, numbers), *kept]


def with_network(lookup: Lookup) -> tuple[Check, ...]:
    """Return all checks, including the key records in DNS and the clock against OVH's API."""
    local = (check for check in CHECKS if check is not check_clock)

    def check_dns(world: World) -> Iterator[Diagnosis]:
        return check_records(world, lookup)

    return (*local, check_clock_with_api, check_dns)


def findings(diagnoses: Iterable[Diagnosis]) -> tuple[Finding, ...]:
    """Return the findings without their repairs."""
    return tuple(d.finding for d in diagnoses)


def _made(check: Check, world: World, begins: Callable[[str], None]) -> Iterator[Diagnosis]:
    """Run one check; an error in it becomes a finding, so that the other checks still run."""
    begins(check.__name__.removeprefix("check_").replace("_", " "))
    try:
        yield from check(world)
    except DkimctlError as error:
        yield diagnosis(c.UNREAD, "a check", error.message, error.hint)
    except OSError as error:  # a directory above is not accessible
        yield diagnosis(c.UNREAD, str(error.filename), f"{error.filename}: {reason(error)}")


def _unread(world: World) -> Iterable[Diagnosis]:
    for unread in world.unread:
        is_closed = unread.why.startswith("cannot read")
        yield diagnosis(c.UNREAD, unread.what, unread.why, _look_at(world, unread.what) if is_closed else unread.hint)
    for name, data_set in world.data_sets.items():
        if data_set.why:
            yield diagnosis(c.UNREAD, data_set.place, f"{name}: {data_set.why}", _look_at(world, data_set.place))


def _look_at(world: World, path: str) -> str | None:
    """Return the command with which root inspects the path; None for other users, whose advice is to use root."""
    return f"namei -l {shell_word(world.shown(path))}  # shows where it fails" if os.geteuid() == 0 else None


def _summary(world: World) -> str:
    table = world.data_sets.get("KeyTable")
    keys = len(table.rows) if table else int(world.opendkim.find("KeyFile") is not None)
    instances = len(world.postfix)
    return f"{counted(keys, 'key')}, {counted(instances, 'Postfix instance')}"
