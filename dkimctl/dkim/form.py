"""The form of one signature: what makes it invalid or doubtful whatever the message is (RFC 6376 §6.1.1)."""

import base64
import binascii
from datetime import datetime

from dkimctl.dkim.canonical import BodyHash
from dkimctl.dkim.words import moment, span
from dkimctl.errors import UsageError
from dkimctl.names import domain_name, selector_name
from dkimctl.record.taglist import TagList, items_in

_REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")
_ALGORITHMS = ("rsa-sha256", "rsa-sha1", "ed25519-sha256")


def form_problems(tags: TagList) -> list[str]:
    """What makes a signature invalid whatever the message is (§6.1.1)."""
    problems = [problem.why for problem in tags.problems]
    problems += [f"the tag {name}= is missing" for name in _REQUIRED if name not in tags]
    if problems:
        return problems
    if tags.get("v") != "1":
        problems.append(f"v={tags.get('v')} is not 1")
    if tags.get("a").lower() not in _ALGORITHMS:
        problems.append(f"a={tags.get('a')} is no algorithm that DKIM knows")
    if any(part not in ("simple", "relaxed") for part in tags.get("c", "simple").lower().split("/")):
        problems.append(f"c={tags.get('c')} is no canonicalization")
    problems += [f"{name}= is not base64" for name in ("b", "bh") if decoded(tags.get(name)) is None]
    if "from" not in (name.lower() for name in items_in(tags.get("h"))):
        problems.append("h= does not name From, which must be signed (§5.4)")
    if "dns/txt" not in tags.get("q", "dns/txt").split(":"):
        problems.append(f"q={tags.get('q')}: keys are found by dns/txt and by nothing else")
    problems += [
        f"{n}={tags.get(n)} is not a number" for n in ("t", "x", "l") if n in tags and not _number(tags.get(n))
    ]
    return problems + _name_problems(tags)


def _name_problems(tags: TagList) -> list[str]:
    problems = []
    for check, name in ((domain_name, "d"), (selector_name, "s")):
        try:
            check(tags.get(name))
        except UsageError as error:
            problems.append(f"{name}=: {error.message}")
    domain = tags.get("d").lower()
    identity = tags.get("i", f"@{domain}").lower().rpartition("@")[2]
    if identity != domain and not identity.endswith(f".{domain}"):
        problems.append(f"i={tags.get('i')} is not at or below d={domain} (§3.5)")
    return problems


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 76  # §3.5 on l=


def expired(tags: TagList, now: datetime) -> list[str]:
    """Why it holds no more by its own `x=`; empty when it does."""
    until, since = moment(tags.get("x")), moment(tags.get("t"))
    if until is None:
        return []
    if since is not None and until < since:
        return ["x= lies before t=: it was never valid"]
    return [f"it expired {span(now - until)} ago (x=)"] if until < now else []


def remarks_on(tags: TagList, body: BodyHash, now: datetime) -> tuple[str, ...]:
    """What does not make it invalid but should be known."""
    remarks = []
    since = moment(tags.get("t"))
    if since is not None and since > now:
        remarks.append(f"t= lies {span(since - now)} in the future: some receivers refuse that; set the signer's clock")
    if tags.get("a").lower() == "rsa-sha1":
        remarks.append("receivers do not accept rsa-sha1 any more (RFC 8301)")
    if body.hashed < body.total:
        remarks.append(f"the last {body.total - body.hashed} octets of the body are not signed (l=)")
    return tuple(remarks)


def decoded(value: str) -> bytes | None:
    """The octets of a tag in base64, or None when it is none."""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
