"""The form of a DMARC record (RFC 7489 §6.3)."""

import re
from collections.abc import Iterator

from dkimctl.record.taglist import TagList, parse_tags, shown

_BEGIN = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(;|$)")
_POLICIES = ("none", "quarantine", "reject")
_VALUES = {
    "p": re.compile("|".join(_POLICIES), re.IGNORECASE),
    "sp": re.compile("|".join(_POLICIES), re.IGNORECASE),
    "adkim": re.compile("[rs]", re.IGNORECASE),
    "aspf": re.compile("[rs]", re.IGNORECASE),
    "pct": re.compile(r"\d{1,2}|100"),
    "ri": re.compile(r"\d{1,10}"),
    "rua": re.compile(r"\s*[a-z][a-z0-9+.-]*:[!-~]+(\s*,\s*[a-z][a-z0-9+.-]*:[!-~]+)*\s*", re.IGNORECASE),
}
_VALUES["ruf"] = _VALUES["rua"]


def is_dmarc(text: str) -> bool:
    """Return True for a TXT record that is a DMARC record: others at the name are passed over (RFC 7489 §6.6.3)."""
    return _BEGIN.match(text) is not None


def dmarc_problems(text: str) -> Iterator[str]:
    """Yield what is wrong with a DMARC record, in words; nothing when it parses."""
    tags = parse_tags(text)
    yield from (problem.why for problem in tags.problems)
    if "p" not in tags:
        yield "p= is missing"
    for name, value in tags.tags:
        if name in _VALUES and not _VALUES[name].fullmatch(value):
            yield f"{name}= may not be {shown(value)}"


def is_strict(text: str) -> bool:
    """Return True when d= of a signature must be the very domain of the From address (`adkim=s`)."""
    tags: TagList = parse_tags(text)
    return tags.get("adkim").lower() == "s"
