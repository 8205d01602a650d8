"""Checks of pasted key records: each of them, and all together where only one is allowed."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

from dkimctl.catalogue import presence
from dkimctl.dkim.inspection import Inspection, Record
from dkimctl.dkim.pasted import Pasted
from dkimctl.dkim.recognise import Kind
from dkimctl.dkim.tag_explanations import key_tags
from dkimctl.findings import Finding, finding
from dkimctl.keys.knownbad import not_checked
from dkimctl.names import counted
from dkimctl.record.parse import parse_record
from dkimctl.verify.judge import judge
from dkimctl.verify.report import Target

_TARGET = Target("selector", "example.com")
_MOST = 10
_SHOWN = 100  # tags and findings
_OCTETS = 65_535  # of one TXT record: RFC 1035 §3.2.1


def explain_records(pasted: Pasted) -> Inspection:
    """Check every record; several are an error of their own (RFC 6376 §3.6.2.2)."""
    texts = tuple(text.strip()[:_OCTETS] for text in pasted.texts[:_MOST])
    records = tuple(_record(text, f"record {n}" if len(texts) > 1 else "the record") for n, text in enumerate(texts, 1))
    findings = tuple(found for record in records for found in record.findings)
    together = tuple(_several(same) for same in _at_one_name(texts, pasted.owners) if len(same) > 1)
    return Inspection(
        Kind.RECORD,
        tags=records[0].tags,
        findings=(*together, *findings[:_SHOWN]),
        looks=pasted.looks,
        remarks=pasted.remarks,
        left_out=tuple(_left_out(pasted, len(findings))),
        records=records if len(records) > 1 else (),
    )


def _left_out(pasted: Pasted, findings: int) -> Iterator[str]:
    if max(map(len, pasted.texts)) > _OCTETS:
        yield f"what follows the first {_OCTETS} octets of a record: DNS carries no more"
    if len(pasted.texts) > _MOST:
        yield counted(len(pasted.texts) - _MOST, "more record")
    if findings > _SHOWN:
        yield f"{counted(findings - _SHOWN, 'more finding')}, and tags after the first {_SHOWN}"
    if not_checked() and any(judge(text, _TARGET).key for text in pasted.texts[:_MOST]):
        yield not_checked()


def _record(text: str, subject: str) -> Record:
    found = judge(text, _TARGET)
    findings = tuple(replace(f, subject=subject) for f in found.findings)
    return Record(text, key_tags(parse_record(text).tags[:_SHOWN]), findings)


def _at_one_name(texts: tuple[str, ...], owners: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the records of each name."""
    names = owners[: len(texts)] or ("",) * len(texts)
    pairs = [*zip(names, texts, strict=True)]
    return [tuple(text for owner, text in pairs if owner == name) for name in dict.fromkeys(names)]


def _several(texts: tuple[str, ...]) -> Finding:
    halves = next((two for two in permutations(texts[:4], 2) if judge("".join(two), _TARGET).is_usable), None)
    if halves and not any(judge(text, _TARGET).is_usable for text in texts):
        seen = "the two halves of one key, as two TXT records"
        fix = f'publish them as one record of two strings: "{halves[0].strip()}" "{halves[1].strip()}"'
        return finding(presence.SEVERAL, "all records", seen, fix=fix)
    return finding(presence.SEVERAL, "all records", f"{len(texts)} TXT records")
