"""A signature's tags: faults that do not depend on the message (RFC 6376 §6.1.1), and the values decoded."""

import base64
import binascii
import re
from datetime import datetime, timedelta

from dkimctl.dkim.canonical import BodyForm, BodyHash
from dkimctl.dkim.tag_explanations import moment, span
from dkimctl.errors import UsageError
from dkimctl.names import domain_name, foreign_selector, is_within
from dkimctl.record.taglist import TagList, items_in

_MOST_PROBLEMS = 20
MOST_NAMES = 10_000
"""Limit of header fields in `h=`."""
_REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")
_ALGORITHMS = ("rsa-sha256", "rsa-sha1", "ed25519-sha256")
_HEX = re.compile(r"=([0-9A-F]{2})")


def form_problems(tags: TagList) -> list[str]:
    """Return the faults that make a signature invalid for any message (§6.1.1)."""
    problems = [problem.why for problem in tags.problems[:_MOST_PROBLEMS]]
    if len(tags.problems) > _MOST_PROBLEMS:
        problems.append(f"and {len(tags.problems) - _MOST_PROBLEMS} more mistakes of this kind")
    problems += [f"the tag {name}= is missing" for name in _REQUIRED if name not in tags]
    if problems:
        return problems
    if tags.get("v") != "1":
        problems.append(f"v={tags.get('v')} is not 1")
    if tags.get("a").lower() not in _ALGORITHMS:
        problems.append(f"a={tags.get('a')} is not a DKIM algorithm")
    parts = tags.get("c", "simple").lower().split("/")
    if len(parts) > 2 or any(part not in ("simple", "relaxed") for part in parts):
        problems.append(f"c={tags.get('c')} is not a canonicalization")
    problems += _data_problems(tags)
    if tags.get("h").count(":") >= MOST_NAMES:
        problems.append(f"h= names {tags.get('h').count(':') + 1} fields, more than any message has")
    elif "from" not in (name.lower() for name in items_in(tags.get("h"))):
        problems.append("h= does not name From, which must be signed (§5.4)")
    if "dns/txt" not in tags.get("q", "dns/txt").split(":"):
        problems.append(f"q={tags.get('q')}: keys are found by dns/txt and by nothing else")
    problems += [
        f"{n}={tags.get(n)} is not a number" for n in ("t", "x", "l") if n in tags and not _number(tags.get(n))
    ]
    return problems + _name_problems(tags)


def _data_problems(tags: TagList) -> list[str]:
    """Return the faults of `b=` and `bh=` themselves; these end the verification."""
    algorithm, _, hash_name = tags.get("a").lower().rpartition("-")
    size = {"sha256": 32, "sha1": 20}.get(hash_name)
    problems = []
    for name in ("b", "bh"):
        octets = decoded(tags.get(name))
        if octets is None:
            problems.append(f"{name}= is not base64")
        elif not octets:
            problems.append(f"{name}= is empty: the signer did not finish, or it was emptied on the way")
        elif name == "bh" and size and len(octets) != size:
            problems.append(f"bh= has {len(octets)} octets, and a hash with {hash_name} has {size}: it was changed")
        elif name == "b" and algorithm == "ed25519" and len(octets) != 64:
            problems.append(f"b= has {len(octets)} octets, and an Ed25519 signature has 64: it was changed")
    return problems


def _name_problems(tags: TagList) -> list[str]:
    problems = []
    for check, name in ((foreign_domain, "d"), (foreign_selector, "s")):
        try:
            check(tags.get(name))
        except UsageError as error:
            problems.append(f"{name}=: {error.message}")
    domain = tags.get("d").lower()
    _, at, identity = unquoted_printable(tags.get("i", f"@{domain}")).lower().rpartition("@")
    if not at:
        problems.append(f"i={tags.get('i')} has no @ (§3.5)")
    elif not is_within(identity, domain):
        problems.append(f"i={tags.get('i')} is not at or below d={domain} (§3.5)")
    return problems


def foreign_domain(text: str) -> str:
    """Return a foreign signing domain, where underscores are allowed: DNS has them, and some signers use them."""
    return domain_name(text.replace("_", "x")) if "_" in text else domain_name(text)


def unquoted_printable(text: str) -> str:
    """Return the text of a value in dkim-quoted-printable (§2.11)."""
    return re.sub(r"=([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text)


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 76  # §3.5 on l=


def body_form(tags: TagList) -> BodyForm:
    """Return how a well-formed signature hashes the body."""
    limit = int(tags.get("l")) if "l" in tags else None
    return BodyForm(is_relaxed(tags)[1], hash_name(tags), limit)


def is_relaxed(tags: TagList) -> tuple[bool, bool]:
    """Return whether header and body are canonicalized relaxed (§3.5)."""
    header, _, body = tags.get("c", "simple/simple").lower().partition("/")
    return header == "relaxed", body == "relaxed"


def hash_name(tags: TagList) -> str:
    """Return the hash of `a=`: sha256 or sha1."""
    return tags.get("a").lower().rpartition("-")[2]


def refused(tags: TagList) -> list[str]:
    """Return why verifiers refuse the signature even if it is correct."""
    if hash_name(tags) == "sha1":
        return ["it is made with rsa-sha1, which verifiers must not accept (RFC 8301 §3.1)"]
    return []


def expired(tags: TagList, now: datetime) -> list[str]:
    """Return why the signature has expired by its `x=`; empty when it has not."""
    until, since = moment(tags.get("x")), moment(tags.get("t"))
    if until is None:
        return []
    if since is not None and until < since:
        return ["x= is before t=: it was never valid"]
    return [f"it expired {span(now - until)} ago (x=)"] if until < now else []


def remarks_on(tags: TagList, body: BodyHash, now: datetime) -> tuple[str, ...]:
    """Return remarks that do not make the signature invalid."""
    remarks = []
    since = moment(tags.get("t", "0"))
    if since is None:
        remarks.append("t= is thousands of years in the future: some receivers refuse that; set the signer's clock")
    elif since >= now + timedelta(seconds=1):
        remarks.append(f"t= is {span(since - now)} in the future: some receivers refuse that; set the signer's clock")
    remarks += [
        f"{n}={tags.get(n)} has capitals: dkimpy refuses that" for n in ("a", "c") if tags.get(n) != tags.get(n).lower()
    ]
    if tags.get("q", "dns/txt") != "dns/txt":
        remarks.append(f"q={tags.get('q')} is more than dns/txt: dkimpy refuses that")
    if body.hashed < body.total:
        remarks.append(f"the last {body.total - body.hashed} octets of the body are not signed (l=)")
    return tuple(remarks)


def decoded(value: str) -> bytes | None:
    """Return the decoded base64 of a tag, or None when it is invalid."""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def copies_in(tags: TagList) -> dict[str, list[bytes]]:
    """Return the values in `z=` under their field names in lower case, in order, with their original white space."""
    found: dict[str, list[bytes]] = {}
    for copy in tags.get("z").split("|") if "z" in tags else ():
        name, _, encoded = copy.partition(":")
        text = _HEX.sub(lambda match: chr(int(match[1], 16)), re.sub(r"[ \t\r\n]+", "", encoded))
        found.setdefault(name.strip().lower(), []).append(text.encode("latin-1", "replace"))
    return found
