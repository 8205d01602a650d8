"""Verification of the signatures of one message (RFC 6376 §6.1): key, body and header separately."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from dkimctl.dkim.bodychange import BodySearch
from dkimctl.dkim.canonical import BodyForm, BodyHash, body_hashes, canonical_field, selected, without_signature
from dkimctl.dkim.form import body_form, decoded, expired, form_problems, hash_name, is_relaxed, refused, remarks_on
from dkimctl.dkim.headerchange import Header, HeaderSearch
from dkimctl.dkim.mail import Field, Mail
from dkimctl.dkim.unsigned_fields import never_signed, signs_itself, unsigned_doubles
from dkimctl.dkim.usable_key import FindRecords, Key, find_key
from dkimctl.dkim.whynot import why_not
from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.keys.public import PublicKey
from dkimctl.keys.signatures import fits
from dkimctl.record.taglist import TagList, items_in

KEPT = 65536
"""Octets of a hashed header and body that are kept for output."""


class SignatureVerdict(StrEnum):
    """The result of verifying a signature."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "not verified"


@dataclass(frozen=True, slots=True)
class Hashed:
    """The input of the two hashes."""

    header: str
    """The canonical header fields in the order of `h=`, then the signature's own; octets above 127 as Latin-1."""
    header_size: int
    """Octets that were hashed of it; more than are in `header` for a very large one."""
    absent: tuple[str, ...]
    """Names in `h=` for which there was no (further) field; the first 100."""
    body: str
    """The beginning of the canonical body."""
    body_size: int
    """Octets that were hashed."""
    body_total: int
    """Octets of the canonical body: more than `body_size` when `l=` excludes some."""
    body_hash: str
    """Hash of the current body, base64: equal to `bh=` when unchanged."""


@dataclass(frozen=True, slots=True)
class SignatureOutcome:
    """The verdict with its reasons."""

    verdict: SignatureVerdict
    reasons: tuple[str, ...] = ()
    """Why it is invalid or could not be verified; empty for a valid one."""
    hint: str = ""
    remarks: tuple[str, ...] = ()
    """Remarks that do not make it invalid."""
    owner: str = ""
    """The name of the key record."""
    record: str = ""
    """Text of the key record; empty when there is none."""
    key: str = ""
    """`RSA 2048 bits`; empty when there is none."""
    wrong: tuple[str, ...] = ()
    """Faults of the message or its key although the signature is valid."""
    body_fits: bool | None = None
    header_fits: bool | None = None
    hashed: Hashed | None = None


def check_signatures(
    mail: Mail, signatures: Sequence[tuple[Field, TagList]], find_records: FindRecords, now: datetime
) -> list[SignatureOutcome]:
    """Verify these signatures of the message, each by itself. One whose key could not be queried is "not verified"."""
    run = _Run(mail, find_records, now)
    well_formed = [body_form(tags) for _, tags in signatures if not form_problems(tags)]
    run.bodies.update(body_hashes(mail, well_formed, keep=KEPT))
    return [run.check(one, tags) for one, tags in signatures]


@dataclass(slots=True)
class _Run:
    """State shared by the signatures of one message, so that their number costs little."""

    mail: Mail
    find_records: FindRecords
    now: datetime
    bodies: dict[BodyForm, BodyHash] = field(default_factory=dict)
    body_search: BodySearch = field(init=False)
    header_search: HeaderSearch = field(init=False)
    records: dict[str, Sequence[str] | DkimctlError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.body_search, self.header_search = BodySearch(self.mail), HeaderSearch(self.mail)

    def check(self, own: Field, tags: TagList) -> SignatureOutcome:
        problems = form_problems(tags)
        if problems:
            return SignatureOutcome(SignatureVerdict.INVALID, tuple(problems))
        body, header = self.bodies[body_form(tags)], header_of(self.mail, own, tags)
        hashed = _hashed(header, body)
        reasons = [*expired(tags, self.now), *refused(tags)]
        body_fits = self._body_fits(tags, body)
        if body_fits is False:
            reasons.append(self.body_search.difference(body_form(tags), decoded(tags.get("bh")) or b"", body))
        owner, remarks = f"{tags.get('s')}._domainkey.{tags.get('d')}".lower(), remarks_on(tags, body, self.now)
        signature, now = decoded(tags.get("b")) or b"", header.digest()

        def made_it(public: PublicKey, digest: bytes = now) -> bool:
            return fits(public, signature, digest, hash_name(tags))

        key = find_key(owner, tags, self._records, made_it)
        if isinstance(key, DkimctlError):
            verdict = (
                SignatureVerdict.UNKNOWN if isinstance(key, Unavailable) and not reasons else SignatureVerdict.INVALID
            )
            why = (*reasons, key.message)
            return SignatureOutcome(verdict, why, key.hint, remarks, owner, "", "", (), body_fits, None, hashed)
        header_fits, hint = made_it(key.public), ""
        if not header_fits and body_fits is False and made_it(key.public, _with_hash(header, tags, body).digest()):
            reasons[-1] = "bh= was changed after it was signed, and the body was not"
        elif not header_fits:
            reason, hint = why_not(self.header_search, header, tags, key.public)
            reasons.append(reason)
        return self._outcome(header, tags, key, reasons, hint, remarks, body_fits, header_fits, hashed)

    def _outcome(
        self,
        header: Header,
        tags: TagList,
        key: Key,
        reasons: Sequence[str],
        hint: str,
        remarks: Sequence[str],
        body_fits: bool | None,
        header_fits: bool,
        hashed: Hashed,
    ) -> SignatureOutcome:
        # of a header that does not fit, nobody knows which of two fields is the signed one
        doubles = unsigned_doubles(self.mail, header.names) if header_fits else {}
        forged = (doubles.pop("from"),) if "from" in doubles else ()
        unsigned = never_signed(self.mail, header.names)
        remarks = (*remarks, *key.remarks, *doubles.values(), *signs_itself(self.mail, header.names, header.fields))
        if unsigned:
            remarks = (*remarks, f"not signed, though people see it: {', '.join(unsigned)}")
        verdict = SignatureVerdict.INVALID if reasons else SignatureVerdict.VALID
        if not reasons and body_fits is None:
            verdict, reasons = (
                SignatureVerdict.UNKNOWN,
                ["the end of the message was not read, so its body cannot be verified"],
            )
        return SignatureOutcome(
            verdict,
            tuple(reasons),
            hint,
            remarks,
            f"{tags.get('s')}._domainkey.{tags.get('d')}".lower(),
            key.text,
            f"{'RSA' if key.public.algorithm == 'rsa' else 'Ed25519'} {key.public.bits} bits",
            (*key.wrong, *forged),
            body_fits,
            header_fits,
            hashed,
        )

    def _body_fits(self, tags: TagList, body: BodyHash) -> bool | None:
        """Return whether the body is unchanged since signing, or None where unknown."""
        limit = body_form(tags).limit
        if not self.mail.is_whole and (limit is None or body.hashed < limit):
            return None
        return body.digest == decoded(tags.get("bh")) and (limit is None or body.hashed == limit)

    def _records(self, owner: str) -> Sequence[str]:
        """Query the records at a name once for all signatures."""
        if owner not in self.records:
            try:
                self.records[owner] = tuple(self.find_records(owner))
            except DkimctlError as error:
                self.records[owner] = error
        found = self.records[owner]
        if isinstance(found, DkimctlError):
            raise found
        return found


def header_of(mail: Mail, own: Field, tags: TagList) -> Header:
    """Return the header as hashed for the signature in the field `own`."""
    relaxed = is_relaxed(tags)[0]
    names = tuple(name.lower() for name in items_in(tags.get("h")))
    others = [f for f in mail.fields if f is not own]  # a signature covers itself only with b= empty
    fields = tuple(selected(others, names))
    pieces = [canonical_field(f.raw, relaxed=relaxed) if f else b"" for f in fields]
    return Header(own, relaxed, hash_name(tags), names, fields, (*pieces, without_signature(own.raw, relaxed=relaxed)))


def _with_hash(header: Header, tags: TagList, body: BodyHash) -> Header:
    """Return the header with the hash of the body as it is now in `bh=`."""
    own, written = header.own.raw, tags.get("bh").encode()
    raw = own.replace(b"bh=" + written, b"bh=" + base64.b64encode(body.digest), 1)
    return replace(header, pieces=(*header.pieces[:-1], without_signature(raw, relaxed=header.relaxed)))


def _hashed(header: Header, body: BodyHash) -> Hashed:
    absent = tuple(name for name, found in zip(header.names, header.fields, strict=True) if found is None)
    shown = base64.b64encode(body.digest).decode("ascii")
    whole = b"".join(header.pieces)
    text = whole[:KEPT].decode("latin-1")
    return Hashed(text, len(whole), absent[:100], body.head.decode("latin-1"), body.hashed, body.total, shown)
