"""Changes of a header in transit, found as in a body: lists tag the subject, filters add a field."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from dkimctl.dkim.canonical import canonical_field, without_signature
from dkimctl.dkim.effort import Effort, header_effort
from dkimctl.dkim.fieldforms import FieldForms, own_forms
from dkimctl.dkim.form import copies_in
from dkimctl.dkim.mail import Field, Mail
from dkimctl.names import printable
from dkimctl.record.taglist import TagList

_FIELDS = 60  # header fields searched for a change
_PAIRS = 150  # single changes that are also tried in pairs
_COST = 2048  # octets that one attempt costs in addition to those it hashes
_COST_OF_NAME = 64
_COST_OF_VERIFYING = 24 << 10  # an Ed25519 signature is verified for each attempt

Accepts = Callable[[bytes], bool]
"""Returns whether the signature was made over this digest."""


@dataclass(frozen=True, slots=True)
class Header:
    """The hashed header, piece by piece."""

    own: Field
    """The DKIM-Signature."""
    relaxed: bool
    hash_name: str
    names: tuple[str, ...]
    """`h=`, in lower case."""
    fields: tuple[Field | None, ...]
    """The field that each name covers."""
    pieces: tuple[bytes, ...]
    """The canonical form of each field, empty for an absent one; the last is the signature's own."""

    def digest(self, change: "Change | None" = None) -> bytes:
        """Return the hash, with a change undone."""
        pieces: Sequence[bytes] = self.pieces
        if change:
            pieces = list(pieces)
            for index, piece in change.pieces.items():
                pieces[index] = piece
        return hashlib.new(self.hash_name, b"".join(pieces)).digest()


@dataclass(frozen=True, slots=True)
class Change:
    """A known change of the header, undone: the earlier pieces."""

    words: str
    pieces: dict[int, bytes]
    is_space: bool = False
    """True when only white space was changed, which c=relaxed tolerates."""


@dataclass(slots=True)
class HeaderSearch:
    """The search in one message, shared by its signatures."""

    mail: Mail
    effort: Effort = field(default_factory=header_effort)
    forms: FieldForms = field(default_factory=FieldForms)

    def change(self, header: Header, tags: TagList, accepts: Accepts) -> Change | None:
        """Return the change that makes the signature valid when undone, or None when no known one does."""
        cost = _COST if tags.get("a").lower().startswith("rsa") else _COST_OF_VERIFYING
        singles: list[Change] = []
        for change in self._changes(header, tags):
            if not self._may_try(header, cost):
                return None
            if accepts(header.digest(change)):
                return change
            singles.append(change)
        few = singles[:_PAIRS]
        for number, first in enumerate(few):
            for second in few[number + 1 :]:
                if first.pieces.keys() & second.pieces.keys():
                    continue
                if not self._may_try(header, cost):
                    return None
                both = Change(
                    f"{first.words}; and {second.words}",
                    first.pieces | second.pieces,
                    first.is_space and second.is_space,
                )
                if accepts(header.digest(both)):
                    return both
        return None

    def _may_try(self, header: Header, cost: int) -> bool:
        return self.effort.take(sum(map(len, header.pieces)) + _COST_OF_NAME * len(header.pieces) + cost)

    def _changes(self, header: Header, tags: TagList) -> Iterator[Change]:
        """Yield the known changes, likely ones first, and white space before changes of content."""
        yield from self._in_own_field(header, tags)
        yield from self._additions(header)
        yield from self._by_copies(header, tags)
        if not header.relaxed:
            yield from self._all_at_once(header)
        slots = [*enumerate(header.fields)][:_FIELDS]
        yield from chain.from_iterable(self._in_field(header, index, one) for index, one in slots if one)
        yield from chain.from_iterable(self._lost(header, index) for index, one in slots if one is None)
        yield from self._other_order(header)

    def _in_own_field(self, header: Header, tags: TagList) -> Iterator[Change]:
        last = len(header.pieces) - 1
        for words, raw, is_space in own_forms(header.own, tags, relaxed=header.relaxed):
            yield Change(
                f"the field DKIM-Signature itself was changed: {words}",
                {last: without_signature(raw, relaxed=header.relaxed)},
                is_space,
            )

    def _additions(self, header: Header) -> Iterator[Change]:
        """Yield the header without one of the fields whose names are signed."""
        slots: dict[str, list[int]] = {}
        for index, name in enumerate(header.names):
            slots.setdefault(name, []).append(index)
        same: dict[str, list[Field]] = {}
        for one in self.mail.fields:
            if one is not header.own and one.name.lower() in slots:
                same.setdefault(one.name.lower(), []).append(one)
        for one in [f for f in self.mail.fields if f is not header.own and f.name.lower() in slots][:_FIELDS]:
            name = one.name.lower()
            if not self.effort.take(_COST_OF_NAME * len(slots[name])):  # of equal fields none is a change to try
                return
            pieces = self._covering([f for f in same[name] if f is not one], slots[name], header.relaxed)
            if any(header.pieces[index] != piece for index, piece in pieces.items()):
                words = f"a field {one.name} was added after it was signed (line {one.line}): {_value(one)}"
                yield Change(words, pieces)

    def _by_copies(self, header: Header, tags: TagList) -> Iterator[Change]:
        """Yield the header with the copies in `z=` instead of the fields that differ from them, each and all."""
        copies = copies_in(tags)
        everything: list[Change] = []
        for index, one in [*enumerate(header.fields)][:_FIELDS]:
            for value in copies.get(header.names[index], ()) if one else ():
                if one and b"".join(value.split()) != b"".join(one.value.split()):
                    raw = one.raw.partition(b":")[0] + b":" + value + b"\r\n"
                    words = f"{one.name} was {_quoted(value)}, as its copy in z= shows"
                    everything.append(Change(words, {index: canonical_field(raw, relaxed=header.relaxed)}))
        yield from everything
        if len(everything) > 1:
            pieces = {index: piece for change in everything for index, piece in change.pieces.items()}
            yield Change("; ".join(change.words for change in everything), pieces)

    def _covering(self, fields: Sequence[Field], slots: Sequence[int], relaxed: bool) -> dict[int, bytes]:
        """Return the pieces that `slots` of one name cover in these fields, from the bottom (§5.4.2)."""
        found = [canonical_field(f.raw, relaxed=relaxed) for f in reversed(fields[-len(slots) :])]
        return dict(zip(slots, [*found, *[b""] * (len(slots) - len(found))], strict=True))

    def _other_order(self, header: Header) -> Iterator[Change]:
        slots: dict[str, list[int]] = {}
        for index, (name, one) in enumerate(zip(header.names, header.fields, strict=True)):
            if one:
                slots.setdefault(name, []).append(index)
        pieces = {
            index: header.pieces[other]
            for indexes in slots.values()
            for index, other in zip(indexes, reversed(indexes), strict=True)
            if index != other
        }
        if pieces:
            yield Change("fields of one name were put in another order", pieces)

    def _all_at_once(self, header: Header) -> Iterator[Change]:
        """Yield the change of a program that refolds fields, with and without the signature's own."""
        every = (raw_forms(f.raw) for f in (*header.fields, header.own) if f)
        for raws in zip(*every, strict=True):
            left = iter(raws)
            pieces = {index: next(left) for index, one in enumerate(header.fields) if one}
            own = without_signature(next(left), relaxed=False)
            words = f"{_folded(header, pieces)} folded differently; c=relaxed tolerates that"
            yield Change(words, pieces | {len(header.fields): own}, is_space=True)
            yield Change(words, pieces, is_space=True)

    def _in_field(self, header: Header, index: int, one: Field) -> Iterator[Change]:
        here = f"{one.name} was changed after it was signed (line {one.line})"
        for words, raw, is_space in self.forms.of(one, relaxed=header.relaxed, effort=self.effort):
            yield Change(f"{here}: {words}", {index: canonical_field(raw, relaxed=header.relaxed)}, is_space)

    def _lost(self, header: Header, index: int) -> Iterator[Change]:
        name = header.names[index]
        for value in lost_values(name):
            raw = b"%s: %s\r\n" % (_capitalized(name), value)
            words = f"{name} was lost: it was {value.decode()}"
            yield Change(words, {index: canonical_field(raw, relaxed=header.relaxed)})


def _folded(header: Header, pieces: Mapping[int, bytes]) -> str:
    """Return which of the signed fields differ from these pieces, as the subject of a sentence."""
    other = [one.name for index, one in enumerate(header.fields) if one and pieces[index] != header.pieces[index]]
    if len(other) == len(pieces):
        return "every signed header field was"
    return f"{' and '.join(dict.fromkeys(other)) or 'the field DKIM-Signature'} {'were' if len(other) > 1 else 'was'}"


def raw_forms(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Yield the field in each folding: none, with a tab, with a blank."""
    return unfolded(raw), raw.replace(b"\r\n ", b"\r\n\t"), raw.replace(b"\r\n\t", b"\r\n ")


def unfolded(raw: bytes) -> bytes:
    """Return the field on one line."""
    return re.sub(rb"\r\n[ \t]+", b" ", raw.removesuffix(b"\r\n")) + b"\r\n"


ENCODINGS = (b"7bit", b"8bit", b"quoted-printable", b"base64", b"binary")


def lost_values(name: str) -> tuple[bytes, ...]:
    """Return the usual values of a field that gateways remove or set."""
    values: dict[str, tuple[bytes, ...]] = {
        "mime-version": (b"1.0",),
        "content-transfer-encoding": ENCODINGS,
        "content-type": (b"text/plain", b"text/plain; charset=utf-8", b'text/plain; charset="utf-8"'),
    }
    return values.get(name, ())


def _capitalized(name: str) -> bytes:
    return b"MIME-Version" if name == "mime-version" else name.title().encode("latin-1")


def _value(one: Field) -> str:
    return _quoted(one.raw[:1000].partition(b":")[2])


def _quoted(value: bytes) -> str:
    return f"“{printable(value[:1000].decode('utf-8', 'replace').strip(), 60)}”"
