"""The keys of `[lifecycle]`, most of which a domain's table may have as well. Rules that cannot work are mistakes."""

import re

from dkimctl.config.schema import Table
from dkimctl.config.settings import Lifecycle

AUTOMATION = ("full", "until-switch", "off")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DEFAULT_TTL = 3600
"""Of a record whose TTL is left to the provider: what most of them choose."""
_HOUR = 3600
_DAY = 24 * _HOUR
_LONGEST = 3650 * _DAY
_PROOF = _HOUR
"""For two looks at every name server, and a timer that comes late."""
_LEAD = _DAY
"""The next key is made so long before it is needed."""
_HOURS = re.compile(r"([012][0-9]):([0-5][0-9])-([012][0-9]):([0-5][0-9])")


def common_rules(table: Table) -> Lifecycle:
    """Return what `[lifecycle]` says."""
    default = Lifecycle()
    rules = rules_of(table, default)._replace(
        canary=table.flag("canary", default.canary),
        most_new_keys=table.number("most_new_keys", default.most_new_keys, 1, 1_000_000),
        signature_ttl=table.duration("signature_ttl", default.signature_ttl, 0, _LONGEST),
    )
    table.finish()
    return rules


def rules_of(table: Table, default: Lifecycle, *, slot_ttl: int | None = None) -> Lifecycle:
    """Return the rules of a table, with `default` for what it leaves out.

    `slot_ttl`: the TTL of the records of a domain whose few selectors are used in turn; None for any other.
    """
    rules = default._replace(
        rotate_after=table.duration("rotate_after", default.rotate_after, _HOUR, _LONGEST),
        publication_margin=table.duration("publication_margin", default.publication_margin, 0, _LONGEST),
        keep_after=table.duration("keep_after", default.keep_after, _HOUR, _LONGEST),
        revoked_for=table.duration("revoked_for", default.revoked_for, 0, _LONGEST),
        private_key_for=table.duration("private_key_for", default.private_key_for, 0, _LONGEST),
        standby=table.flag("standby", default.standby),
        automation=table.choice("automation", default.automation, AUTOMATION),
        hours=_hours(table, default.hours),
        days=_days(table, default.days),
        publish_retired=_directory(table, default.publish_retired),
    )
    if rules != default or slot_ttl is not None:
        _check(table, rules, slot_ttl)
    return rules


def _directory(table: Table, default: str) -> str:
    words = 'an absolute path without spaces, or "off"'
    return table.matching("publish_retired", default or "off", r"off|/\S+", words).removeprefix("off")


def _check(table: Table, rules: Lifecycle, slot_ttl: int | None) -> None:
    """Report rules by which a key would have to be replaced before its predecessor is out of the way."""
    if rules.automation == "off":
        return
    shortest = rules.rotate_after * 9 // 10  # what is left of it for some domains
    steps = _PROOF + rules.publication_margin + _LEAD + rules.keep_after
    if shortest <= steps:
        _too_short(table, rules, "one rotation takes with keep_after and publication_margin", steps)
    elif slot_ttl is not None and shortest <= (steps := rules.keep_after + rules.revoked_for + slot_ttl):
        _too_short(table, rules, "a slot takes to be free again: keep_after, revoked_for and the TTL", steps)


def _too_short(table: Table, rules: Lifecycle, what: str, steps: int) -> None:
    least = -(-steps * 10 // 9 // _HOUR) + 1
    words = f"{-(-least // 24)}d" if least > 48 else f"{least}h"
    table.problem("rotate_after", f"{_words(rules.rotate_after)} is shorter than {what}; {words} would do")


def _words(seconds: int) -> str:
    for unit, letter in ((_DAY, "d"), (_HOUR, "h"), (60, "m")):
        if seconds % unit == 0:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"


def _hours(table: Table, default: tuple[int, int]) -> tuple[int, int]:
    """Return two times of the day in seconds; the second may be 24:00."""
    value = table.text("hours")
    if value is None:
        return default
    found = _HOURS.fullmatch(value)
    times = found.groups() if found else ("0",) * 4
    start, end = (int(hour) * _HOUR + int(minute) * 60 for hour, minute in (times[:2], times[2:]))
    if start == end or start >= _DAY or end > _DAY:
        table.problem("hours", 'two different times such as "02:00-05:00" are wanted')
        return default
    return start, end


def _days(table: Table, default: tuple[int, ...]) -> tuple[int, ...]:
    value = table.texts("days", ())
    if "days" not in table.names():
        return default
    if not value or not set(value) <= set(DAYS):
        table.problem("days", f"must be a list of {', '.join(DAYS)}, with at least one")
        return default
    return tuple(number for number, day in enumerate(DAYS) if day in value)
