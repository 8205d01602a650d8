"""One signature of a message verified (RFC 6376 §6.1), each part by itself: the key, the body, the header."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dkimctl.dkim.bodychange import body_difference
from dkimctl.dkim.canonical import BodyHash, body_hash, canonical_field, selected, without_signature
from dkimctl.dkim.form import decoded, expired, form_problems, remarks_on
from dkimctl.dkim.headerchange import header_difference
from dkimctl.dkim.mail import Field, Mail
from dkimctl.dkim.signature import FindRecord
from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.findings import Severity
from dkimctl.keys.public import PublicKey
from dkimctl.keys.signatures import fits, signed_digest
from dkimctl.record.taglist import TagList, items_in
from dkimctl.verify.judge import judge
from dkimctl.verify.report import Target

KEPT = 65536
"""Octets of a hashed body that are kept to be shown."""


class Verdict(StrEnum):
    """What became of one signature."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "not verified"


@dataclass(frozen=True, slots=True)
class Hashed:
    """What went into the two hashes."""

    header: str
    """The canonical header fields in the order of `h=`, then the signature's own; octets above 127 as Latin-1."""
    absent: tuple[str, ...]
    """Names in `h=` for which there was no (further) field."""
    body: str
    """The beginning of the canonical body."""
    body_size: int
    """Octets that were hashed."""
    body_total: int
    """Octets of the canonical body: more, when `l=` leaves out some."""
    body_hash: str
    """Of the body as it is now, base64: `bh=` when it was not changed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict with its reasons."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Why it is invalid or could not be verified; empty for a valid one."""
    hint: str = ""
    remarks: tuple[str, ...] = ()
    """What does not make it invalid but should be known."""
    owner: str = ""
    """The name of the key record."""
    record: str = ""
    """Its text; empty when there is none."""
    key: str = ""
    """`RSA 2048 bits`; empty when there is none."""
    body_fits: bool | None = None
    header_fits: bool | None = None
    hashed: Hashed | None = None


def check_signature(mail: Mail, field: Field, tags: TagList, find_record: FindRecord, now: datetime) -> Outcome:
    """Verify the signature that stands in `field`. What could not be asked makes it "not verified"."""
    problems = form_problems(tags)
    if problems:
        return Outcome(Verdict.INVALID, tuple(problems))
    body = _body(mail, tags)
    parts = _header_parts(mail, field, tags)
    hashed = _hashed(parts, body)
    reasons = expired(tags, now)
    body_fits = body.digest == decoded(tags.get("bh"))
    if not body_fits:
        reasons.append(body_difference(mail, tags))
    owner, remarks = f"{tags.get('s')}._domainkey.{tags.get('d')}".lower(), remarks_on(tags, body, now)
    key = _find_key(owner, tags, find_record)
    if isinstance(key, DkimctlError):
        verdict = Verdict.UNKNOWN if isinstance(key, Unavailable) and not reasons else Verdict.INVALID
        why = (*reasons, key.message)
        return Outcome(verdict, why, key.hint, remarks, owner, "", "", body_fits, None, hashed)
    text, public = key
    header_fits = fits(public, decoded(tags.get("b")) or b"", _digest(tags, b"".join(parts.hashed)), _hash_name(tags))
    if not header_fits:
        reasons.append(_why_not(mail, field, tags, parts, public))
    verdict = Verdict.INVALID if reasons else Verdict.VALID
    shown = f"{'RSA' if public.algorithm == 'rsa' else 'Ed25519'} {public.bits} bits"
    return Outcome(verdict, tuple(reasons), "", remarks, owner, text, shown, body_fits, header_fits, hashed)


# --- the key


def _find_key(owner: str, tags: TagList, find_record: FindRecord) -> tuple[str, PublicKey] | DkimctlError:
    """The record's text and its key, or why there is none."""
    try:
        text = find_record(owner)
    except DkimctlError as error:
        return error
    if text is None:
        return DkimctlError(f"there is no key record at {owner}", hint=_see(tags))
    algorithm, _, hash_name = tags.get("a").lower().rpartition("-")
    found = judge(text, Target(tags.get("s").lower(), tags.get("d").lower()))
    worst = next((f for f in found.findings if f.severity is Severity.ERROR), None)
    if found.key is None or worst:
        why = f"{worst.title} ({worst.code})" if worst else "it holds no key"
        return DkimctlError(f"the key record at {owner} is not usable: {why}", hint=_see(tags))
    if found.key.algorithm != algorithm:
        return DkimctlError(f"the key at {owner} is {found.key.algorithm}, the signature is {algorithm}")
    hashes = found.record.get("h") if found.record else ""
    if hashes and hash_name not in [item.strip() for item in hashes.split(":")]:
        return DkimctlError(f"the key record allows {hashes} (h=), and not {hash_name}")
    flags = found.record.get("t").split(":") if found.record else []
    if "s" in (flag.strip() for flag in flags) and _identity_domain(tags) != tags.get("d").lower():
        return DkimctlError(f"the key record says t=s, and i={tags.get('i')} is below d= (§3.6.1)")
    return text, found.key


def _identity_domain(tags: TagList) -> str:
    return tags.get("i").lower().rpartition("@")[2] or tags.get("d").lower()


def _see(tags: TagList) -> str:
    return f"see what is wrong there: dkimctl verify-dns {tags.get('d')} -s {tags.get('s')}"


# --- the hashes


@dataclass(frozen=True, slots=True)
class HeaderParts:
    """What is hashed of the header, piece by piece."""

    names: tuple[str, ...]
    fields: tuple[Field | None, ...]
    hashed: tuple[bytes, ...]
    """The canonical form of each field, empty for an absent one; the last is the signature's own."""


def _header_parts(mail: Mail, field: Field, tags: TagList) -> HeaderParts:
    relaxed = is_relaxed(tags)[0]
    names = tuple(items_in(tags.get("h")))
    others = [f for f in mail.fields if f is not field]  # a signature never covers itself but with b= empty
    fields = tuple(selected(others, names))
    pieces = [canonical_field(f.raw, relaxed=relaxed) if f else b"" for f in fields]
    return HeaderParts(names, fields, (*pieces, without_signature(field.raw, relaxed=relaxed)))


def is_relaxed(tags: TagList) -> tuple[bool, bool]:
    """Whether header and body are canonicalized relaxed."""
    header, _, body = tags.get("c", "simple/simple").lower().partition("/")
    return header == "relaxed", body == "relaxed"


def _body(mail: Mail, tags: TagList) -> BodyHash:
    limit = int(tags.get("l")) if "l" in tags else None
    return body_hash(mail, relaxed=is_relaxed(tags)[1], hash_name=_hash_name(tags), limit=limit, keep=KEPT)


def _hashed(parts: HeaderParts, body: BodyHash) -> Hashed:
    absent = tuple(name for name, found in zip(parts.names, parts.fields, strict=True) if found is None)
    shown = base64.b64encode(body.digest).decode("ascii")
    header = b"".join(parts.hashed).decode("latin-1")
    return Hashed(header, absent, body.head.decode("latin-1"), body.hashed, body.total, shown)


def _hash_name(tags: TagList) -> str:
    return tags.get("a").lower().rpartition("-")[2]


def _digest(tags: TagList, data: bytes) -> bytes:
    return hashlib.new(_hash_name(tags), data).digest()


def _why_not(mail: Mail, field: Field, tags: TagList, parts: HeaderParts, key: PublicKey) -> str:
    signature = decoded(tags.get("b")) or b""
    if key.algorithm != "rsa":
        return "the signature does not fit this key and these header fields"
    digest = signed_digest(key, signature, _hash_name(tags))
    if digest is None:
        return f"it was not made with the key that stands at {tags.get('s')}._domainkey.{tags.get('d')}"
    return header_difference(mail, field, tags, parts.hashed, parts.fields, digest)
