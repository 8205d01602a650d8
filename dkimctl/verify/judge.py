"""One record's text, judged: what it says, and everything that is wrong with it. Needs no network."""

import base64
import binascii
from dataclasses import dataclass

from dkimctl.findings import Finding, finding
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import LEAST_BITS, MOST_BITS, USUAL_BITS
from dkimctl.keys.public import PublicKey, PublicKeyFault, decode_public_key
from dkimctl.names import printable
from dkimctl.record.model import KeyRecord, record_for
from dkimctl.record.parse import RecordFault, UnreadableRecord, parse_record
from dkimctl.verify import catalogue as c
from dkimctl.verify.report import Target

_ONE_STRING = 255
_OVH_LIMITS = (255, 253)  # what a TXT field there keeps: of the text, or of the text with its two quotes


_MENDED_BY_PUBLISHING = {
    entry.code
    for entry in (c.TRUNCATED, c.NOT_BASE64, c.PKCS1, c.NO_KEY, c.WRONG_KEY, c.UNKNOWN_TYPE, c.TESTING, c.STRICT)
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """One text: the record in it, its key, what was noticed, and the right text where it is known."""

    record: KeyRecord | None
    key: PublicKey | None
    findings: tuple[Finding, ...]
    publish: str | None


def judge(text: str, target: Target) -> Judgement:
    """Everything that can be said about a record from its text and from the key that is expected."""
    record = parse_record(text)
    if isinstance(record, UnreadableRecord):
        entry = c.NOT_DKIM if record.fault is RecordFault.NOT_DKIM else c.BROKEN
        noticed = [finding(entry, target.owner, f"{record.why}: {printable(text)}")]
        return Judgement(None, None, tuple(noticed), right_text(target, None))
    noticed = []
    key = _judge_key(record, text, target, noticed)
    if key is not None:
        _judge_size(key, target, noticed)
    _judge_tags(record, target, noticed)
    is_mendable = any(f.code in _MENDED_BY_PUBLISHING for f in noticed)
    return Judgement(record, key, tuple(noticed), right_text(target, record) if is_mendable else None)


def right_text(target: Target, found: KeyRecord | None) -> str | None:
    """The text to publish for the expected key: with the tags it was made with, else with those that were found."""
    if target.expected is None:
        return None
    if target.tags is None and found is not None:
        kept = tuple((name, value) for name, value in found.tags if name in ("s", "n"))
        wanted = record_for(target.expected, target.expected.algorithm, Tags())
        return KeyRecord((*wanted.tags[:-1], *kept, wanted.tags[-1])).text
    return record_for(target.expected, target.expected.algorithm, target.tags or Tags()).text


def _judge_key(record: KeyRecord, text: str, target: Target, noticed: list[Finding]) -> PublicKey | None:
    owner = target.owner
    if record.is_revoked:
        noticed.append(finding(c.REVOKED, owner, "p= is empty"))
        return None
    kind = record.get("k", "rsa")
    if kind not in ("rsa", "ed25519"):
        noticed.append(finding(c.UNKNOWN_TYPE, owner, f"k={printable(kind)}"))
        return None
    data = _decoded("".join(record.get("p").split()))
    if data is None:
        noticed.append(finding(c.NOT_BASE64, owner, f"p={printable(record.get('p'))}"))
        return None
    expected = target.expected
    if expected is not None and expected.algorithm == kind and expected.data == data:
        return expected
    key = decode_public_key(kind, data)
    if isinstance(key, PublicKeyFault):
        noticed.append(_unusable(key, text, owner))
        return None
    if expected is not None:
        noticed.append(finding(c.WRONG_KEY, owner, f"{_shown(key)} stands there; on this disk: {_shown(expected)}"))
    return key


def _decoded(value: str) -> bytes | None:
    """The bytes of a base64 text; one that was cut in the middle of a group is read as far as it goes."""
    whole = value if value.endswith("=") else value[: len(value) - len(value) % 4]
    try:
        return base64.b64decode(whole, validate=True)
    except (binascii.Error, ValueError):
        return None


def _unusable(fault: PublicKeyFault, text: str, owner: str) -> Finding:
    if fault is PublicKeyFault.CUT_OFF:
        return finding(c.TRUNCATED, owner, f"the record ends after {len(text)} octets{_limit_words(len(text))}")
    return finding(c.PKCS1 if fault is PublicKeyFault.PKCS1 else c.NO_KEY, owner, f"p= holds {fault.value}")


def _limit_words(length: int) -> str:
    if length in _OVH_LIMITS:
        return ", which is what OVH keeps of a TXT field" + (
            " and one character-string" if length == _ONE_STRING else ""
        )
    return ", which is a whole number of character-strings" if length % _ONE_STRING == 0 else ""


def _shown(key: PublicKey) -> str:
    return f"{key.algorithm.upper() if key.algorithm == 'rsa' else 'Ed25519'} {key.bits} bits, …{key.base64[-12:]}"


def _judge_size(key: PublicKey, target: Target, noticed: list[Finding]) -> None:
    if key.algorithm != "rsa":
        return
    seen = f"{key.bits} bits"
    if key.bits < LEAST_BITS:
        noticed.append(finding(c.TOO_WEAK, target.owner, seen))
    elif key.bits < USUAL_BITS:
        noticed.append(finding(c.WEAK, target.owner, seen))
    elif key.bits > MOST_BITS:
        noticed.append(finding(c.TOO_LONG, target.owner, seen))


def _judge_tags(record: KeyRecord, target: Target, noticed: list[Finding]) -> None:
    flags = [flag.strip() for flag in record.get("t").split(":")]
    if "y" in flags:
        noticed.append(finding(c.TESTING, target.owner, f"t={record.get('t')}"))
    if "s" in flags and target.subdomains:
        noticed.append(finding(c.STRICT, target.owner, f"t={record.get('t')}"))
