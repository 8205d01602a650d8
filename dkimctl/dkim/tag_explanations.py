"""Explanations of every tag of signatures and key records (RFC 6376 §3.5, §3.6.1; RFC 8617 §4 for ARC)."""

import base64
import binascii
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dkimctl.names import counted
from dkimctl.record.taglist import TagList, items_in


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag and its explanation."""

    name: str
    value: str
    words: str


def signature_tags(tags: TagList, now: datetime) -> tuple[Tag, ...]:
    """Return the tags of a DKIM-Signature, each explained."""
    return tuple(Tag(name, value, _signature(name, value, now)) for name, value in tags.tags)


def arc_tags(tags: TagList, now: datetime) -> tuple[Tag, ...]:
    """Return the tags of an ARC field, each explained: as in DKIM, but `i=` counts the hops, and `cv=` is ARC's own."""
    return tuple(Tag(name, value, _arc(name, value, now)) for name, value in tags.tags)


def key_tags(tags: tuple[tuple[str, str], ...]) -> tuple[Tag, ...]:
    """Return the tags of a key record, each explained."""
    return tuple(Tag(name, "".join(value.split()) if name == "p" else value, _key(name, value)) for name, value in tags)


def moment(seconds: str) -> datetime | None:
    """Return the time in `t=` or `x=`, or None when it is not a number."""
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 12:
        return None
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def span(time: timedelta) -> str:
    """Return a time span in its largest unit: `19 seconds`, `3 days`."""
    seconds = int(abs(time).total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}s"
    return counted(seconds, "second")


# --- signatures


def _signature(name: str, value: str, now: datetime) -> str:
    explain = _SIGNATURE.get(name)
    if explain is None:
        return "a tag that RFC 6376 does not know: verifiers ignore it"
    return explain(value) if name not in ("t", "x") else _time(name, value, now)


def _version(value: str) -> str:
    return "version of the signature; 1 is the only one" + ("" if value == "1" else ": verifiers refuse this")


def _algorithm(value: str) -> str:
    known = {
        "rsa-sha256": "RSA over a SHA-256 hash, which every verifier supports",
        "rsa-sha1": "RSA over a SHA-1 hash: verifiers must refuse it (RFC 8301)",
        "ed25519-sha256": "Ed25519 over a SHA-256 hash (RFC 8463): not every receiver verifies it yet",
    }
    return "how it was signed: " + known.get(value.lower(), "not a DKIM algorithm")


def _canonicalization(value: str) -> str:
    header, _, body = value.partition("/")
    of_header = {
        "simple": "the header may not change by a single octet",
        "relaxed": "in the header, changed white space, folding and capitals of names do no harm",
    }
    of_body = {
        "simple": "in the body only empty lines at its end are ignored",
        "relaxed": "in the body, changed runs of blanks and blanks at line ends are ignored",
    }
    unknown = "no such canonicalization"
    return f"what may change on the way: {of_header.get(header, unknown)}; {of_body.get(body or 'simple', unknown)}"


def _domain(_: str) -> str:
    return "the signing domain (SDID): it vouches for the message; its DNS has the key, and DMARC compares it with From"


def _selector(_: str) -> str:
    return "the selector: which of the domain's keys; the key record is at <s>._domainkey.<d>"


def _fields(value: str) -> str:
    if value.count(":") >= 10_000:
        return f"{value.count(':') + 1} header fields: too many to be mail"
    names = [name.lower() for name in items_in(value)]
    counts = Counter(names)
    twice = [name for name, count in counts.items() if count > 1]
    words = (
        "the one header field that is signed" if len(names) == 1 else f"the {len(names)} header fields that are signed"
    )
    if twice:
        words += f"; one named more often than the header has it cannot be added: {', '.join(twice)}"
    if "from" not in counts:
        words += "; From is missing, which verifiers refuse"
    return words


def _digest(value: str) -> str:
    size = _octets(value)
    return "hash of the canonical body" + (f", {size} octets" if size is not None else ": not base64")


def _data(value: str) -> str:
    size = _octets(value)
    if size is None:
        return "the signature over the header fields and bh=: not base64"
    kind = "an Ed25519 key makes them" if size == 64 else f"an RSA key of {size * 8} bits makes them"
    maker = f", as {kind}" if size >= 64 else ": too short for any key"
    return f"the signature over the header fields and bh=: {size} octets{maker}"


def _identity(_: str) -> str:
    return "for whom it was signed (AUID): an address or domain at or below d=; rarely used"


def _length(value: str) -> str:
    return f"only the first {value} octets of the body are signed: anyone can append to it, so do not use it"


def _query(_: str) -> str:
    return "how the key is found: dns/txt is the only way"


def _copies(_: str) -> str:
    return "copies of header fields as they were when it was signed, to find out what changed"


def _time(name: str, value: str, now: datetime) -> str:
    when = moment(value)
    if when is None:
        return "not a time: it counts the seconds since 1970"
    shown = f"{when:%Y-%m-%d %H:%M:%S} UTC"
    if name == "x":
        return f"valid until {shown}: " + (f"expired {span(now - when)} ago" if when < now else "not expired")
    if when > now:
        return f"signed {shown}: {span(when - now)} in the future, one of the clocks is wrong"
    return f"signed {shown}, {span(now - when)} ago"


def _octets(value: str) -> int | None:
    try:
        return len(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return None


def _nothing(_: str) -> str:
    return ""


_SIGNATURE: dict[str, Callable[[str], str]] = {
    "v": _version,
    "a": _algorithm,
    "b": _data,
    "bh": _digest,
    "c": _canonicalization,
    "d": _domain,
    "h": _fields,
    "i": _identity,
    "l": _length,
    "q": _query,
    "s": _selector,
    "t": _nothing,
    "x": _nothing,
    "z": _copies,
}


def _arc(name: str, value: str, now: datetime) -> str:
    if name == "i":
        return "which hop of the chain, counted from 1"
    if name == "cv":
        known = {
            "none": "the first hop: no chain before it",
            "pass": "the chain before it held",
            "fail": "it was broken",
        }
        return "state of the chain as this hop found it: " + known.get(value, "no such state")
    return _signature(name, value, now)


# --- key records


def _key(name: str, value: str) -> str:
    items = [item.strip() for item in value.split(":")]
    if name == "v":
        return "version of the record: DKIM1 is the only one"
    if name == "k":
        return {"rsa": "an RSA key", "ed25519": "an Ed25519 key (RFC 8463)"}.get(value, "no key type that DKIM knows")
    if name == "h":
        return f"signatures may use {' and '.join(items)} and no other hash"
    if name == "p":
        return "the public key" if value.strip() else "empty: this key is revoked"
    if name == "s":
        return "for every service" if "*" in items else f"for {' and '.join(items)} only"
    if name == "t":
        known = {"y": "testing: verifiers treat signed mail like unsigned", "s": "i= may not be a sub-domain of d="}
        return "; ".join(known.get(item, f"{item}: no flag that DKIM knows") for item in items)
    if name == "n":
        return "a note for people"
    if name == "g":
        return "which local parts may use it: of RFC 4871, obsolete"
    return "a tag that RFC 6376 does not know: verifiers ignore it"
