"""One record's text, judged: what it says, and everything that is wrong with it. Needs no network."""

import re
from collections.abc import Callable
from typing import NamedTuple

from dkimctl.catalogue import record_form as form
from dkimctl.catalogue import record_keys as keys
from dkimctl.catalogue import record_tags as tags
from dkimctl.findings import Entry, Finding, Severity, finding
from dkimctl.keys.knownbad import not_looked_for, weakness
from dkimctl.keys.metadata import Tags
from dkimctl.keys.public import PublicKey
from dkimctl.names import printable
from dkimctl.record.model import KeyRecord, record_for
from dkimctl.record.parse import RecordFault, UnreadableRecord, parse_record
from dkimctl.record.repaired import repaired
from dkimctl.verify.judge.damage import difference
from dkimctl.verify.judge.key import in_other_form, judge_key, published_private
from dkimctl.verify.judge.tags import judge_tags
from dkimctl.verify.report import Target

_HIDDEN_KEY = re.compile(r"[^A-Za-z0-9]p\s*=")
_OPENDKIM_LIMIT = 1023  # octets it reads of a record (BUFRSZ in opendkim 2.11, and measured)

_FORM: dict[RecordFault, Entry] = {
    RecordFault.NOT_DKIM: form.NOT_DKIM,
    RecordFault.MALFORMED: form.MALFORMED,
    RecordFault.ODD_OCTET: form.ODD_OCTET,
    RecordFault.DUPLICATE_TAG: form.DUPLICATE_TAG,
    RecordFault.VERSION: form.VERSION,
    RecordFault.NO_KEY: form.NO_P,
}
_NOT_FIXED_BY_PUBLISHING = {
    entry.code
    for entry in (
        keys.REVOKED,
        keys.TOO_WEAK,
        keys.WEAK,
        keys.TOO_LONG,
        keys.EDWARDS,
        keys.KNOWN_BAD,
        tags.UNKNOWN_TAG,
        tags.ODD_FLAG,
        form.TOO_LONG_TEXT,
    )
}


class Judgement(NamedTuple):
    """One text: the record in it, its key, what was noticed, and the right text where it is known."""

    record: KeyRecord | None
    key: PublicKey | None
    findings: tuple[Finding, ...]
    publish: str | None

    @property
    def is_usable(self) -> bool:
        """Return whether nothing in the text itself keeps a signature from being verified."""
        return all(f.severity is not Severity.ERROR for f in self.findings)


Weakness = Callable[[PublicKey], str]
"""Why others can sign with a key, in words; empty when nothing is known."""


def judge(text: str, target: Target, weak: Weakness = weakness) -> Judgement:
    """Return everything that can be said about a record from its text and the expected key."""
    record = parse_record(text)
    if isinstance(record, UnreadableRecord):
        found = _mistakes(record, text, target, weak)
        return Judgement(None, None, tuple(found), _to_publish(text, None, target, found, weak))
    key, noticed = _judge_record(record, text, target)
    weighed = key or in_other_form(record)
    why = weak(weighed) if weighed and not _is_damaged(weighed, target.expected) else ""
    if why:
        noticed.append(finding(keys.KNOWN_BAD, target.owner, why))
    return Judgement(record, key, tuple(noticed), _to_publish(text, record, target, noticed, weak))


def _is_damaged(key: PublicKey, expected: PublicKey | None) -> bool:
    """Return whether a key is nearly the expected one: damaged numbers are random, and mostly have small factors."""
    return expected is not None and key != expected and bool(difference(key.base64, expected.base64))


def _judge_record(record: KeyRecord, text: str, target: Target) -> tuple[PublicKey | None, list[Finding]]:
    noticed: list[Finding] = []
    key = judge_key(record, text, target, noticed)
    judge_tags(record, target, noticed)
    if len(text) > _OPENDKIM_LIMIT:
        noticed.append(finding(form.TOO_LONG_TEXT, target.owner, f"{len(text)} octets"))
    return key, noticed


def _mistakes(record: UnreadableRecord, text: str, target: Target, weak: Weakness) -> list[Finding]:
    """Return a finding for each kind of mistake in an unreadable record: in its form, then in what could be read."""
    kinds: dict[Entry, list[str]] = {_form_entry(record.fault, text): [record.why]}
    for fault, why in record.others:
        kinds.setdefault(_form_entry(fault, text), []).append(why)
    # a missing semicolon hides the tags after it as well, and so does what is no space before p=
    if len(kinds) > 1 and (form.QUOTED in kinds or form.VERSION in kinds or _HIDDEN_KEY.search(text)):
        kinds.pop(form.NO_P, None)
    whole = f": {printable(text)}" if text else ""
    found = [finding(entry, target.owner, "; ".join(dict.fromkeys(whys)) + whole) for entry, whys in kinds.items()]
    known = {f.code for f in found}
    if form.ODD_OCTET.code in known:
        known.add(form.NOT_BASE64.code)  # the same octet, inside p=
    if record.fault is not RecordFault.NOT_DKIM and form.QUOTED.code not in known and "p" in dict(record.tags):
        readable, noticed = KeyRecord(record.tags), list[Finding]()
        key = judge_key(readable, text, target, noticed) or in_other_form(readable)
        if why := weak(key) if key and not _is_damaged(key, target.expected) else "":
            noticed.append(finding(keys.KNOWN_BAD, target.owner, why))
        judge_tags(readable, target, noticed)
        found += [f for f in noticed if f.severity is Severity.ERROR and f.code not in known]
        if len(text) > _OPENDKIM_LIMIT:
            found.append(finding(form.TOO_LONG_TEXT, target.owner, f"{len(text)} octets"))
    return found


def _form_entry(fault: RecordFault, text: str) -> Entry:
    is_quoted = '"' in text or "\\" in text
    if is_quoted and fault in (RecordFault.MALFORMED, RecordFault.VERSION, RecordFault.NO_KEY):
        return form.QUOTED
    return _FORM[fault]


def _to_publish(
    text: str, record: KeyRecord | None, target: Target, noticed: list[Finding], weak: Weakness
) -> str | None:
    """Return the exact text that fixes what was noticed, where a change of the text can fix it."""
    if all(f.code in _NOT_FIXED_BY_PUBLISHING for f in noticed):
        return None
    if target.expected is not None:
        is_lost = weak(target.expected) or (record and published_private(record) == target.expected)
        return None if is_lost else right_text(target, record)
    better = repaired(text)
    return better.text if better and better.text != text and is_fit_to_publish(better.text, target, weak) else None


def is_fit_to_publish(text: str, target: Target, weak: Weakness = weakness) -> bool:
    """Return whether the text has no error itself: nothing is proposed that would be refused afterwards."""
    record = parse_record(text)
    if isinstance(record, UnreadableRecord):
        return False
    key, noticed = _judge_record(record, text, target)
    return all(one.severity is not Severity.ERROR for one in noticed) and not (key and weak(key))


def right_text(target: Target, found: KeyRecord | None) -> str | None:
    """Return the text to publish for the expected key: with the tags it was made with, else with those found.

    None without an expected key, or where that text has an error itself.
    """
    if target.expected is None:
        return None
    tags = target.tags
    if tags is None:
        services = found.get("s") if found and found.get("s") in ("email", "*") else ""
        tags = Tags(service_types=services)
    text = record_for(target.expected, target.expected.algorithm, tags).text
    return text if is_fit_to_publish(text, target, not_looked_for) else None
