"""The tags of a record other than its key."""

from dkimctl.catalogue import record_form as form
from dkimctl.catalogue import record_tags as tags
from dkimctl.findings import Entry, Finding, finding
from dkimctl.names import printable
from dkimctl.record.model import KeyRecord
from dkimctl.record.taglist import items_in
from dkimctl.verify.report import Target

_KNOWN = frozenset("vghknpst")


def judge_tags(record: KeyRecord, target: Target, noticed: list[Finding]) -> None:
    """Add what is to be said about every tag but p= and k= to `noticed`."""
    names = [name for name, _ in record.tags]
    if len(record.tags) == 1:
        return
    if "v" in names and names[0] != "v":
        _add(form.LATE_VERSION, f"{'; '.join(f'{name}=' for name in names)}", target, noticed)
    if "h" in names:
        _hashes(record.get("h"), target, noticed)
    if "s" in names:
        _services(record.get("s"), target, noticed)
    if "t" in names:
        _flags(record.get("t"), target, noticed)
    if "g" in names and record.get("g") != "*":
        _add(tags.GRANULARITY, f"g={record.get('g')}", target, noticed)
    for name in names:
        if name not in _KNOWN:
            is_capital = name.lower() in _KNOWN and name.lower() not in names
            _add(tags.CAPITAL_TAG if is_capital else tags.UNKNOWN_TAG, f"{name}={record.get(name)}", target, noticed)


def _add(entry: Entry, seen: str, target: Target, noticed: list[Finding]) -> None:
    noticed.append(finding(entry, target.owner, printable(seen)))


def _hashes(value: str, target: Target, noticed: list[Finding]) -> None:
    items = items_in(value)
    if "sha256" not in items:
        _add(tags.NO_SHA256, f"h={value}", target, noticed)
    elif any(item not in ("sha1", "sha256") for item in items):
        _add(tags.ODD_HASH, f"h={value}", target, noticed)


def _services(value: str, target: Target, noticed: list[Finding]) -> None:
    items = items_in(value)
    if "*" not in items and "email" not in items:
        _add(tags.NOT_FOR_MAIL, f"s={value}", target, noticed)
    elif len(items) > 1:
        _add(tags.SERVICE_LIST, f"s={value}", target, noticed)


def _flags(value: str, target: Target, noticed: list[Finding]) -> None:
    items = items_in(value)
    if "y" in items:
        _add(tags.TESTING, f"t={value}", target, noticed)
    if "s" in items and target.subdomains:
        _add(tags.STRICT, f"t={value}", target, noticed)
    if any(item not in ("y", "s") for item in items):
        _add(tags.ODD_FLAG, f"t={value}", target, noticed)
