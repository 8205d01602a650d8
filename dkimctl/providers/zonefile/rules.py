"""What makes a name server refuse a zone file whose syntax is right."""

import re

from dkimctl.record.presentation import MOST_OCTETS

_ESCAPE = re.compile(r"\\([0-9]{1,3}|.)", re.DOTALL)
_BESIDE_CNAME = ("RRSIG", "NSEC", "KEY")


def wrong_escape(word: str) -> str:
    """Return what is wrong with the `\\DDD` in a word as it is written; empty when nothing is."""
    for escape in _ESCAPE.findall(word):
        if escape.isdigit() and (len(escape) < 3 or escape > "255"):
            return f"\\{escape} is not an octet: three digits, at most 255"
    return ""


def wrong_name(name: str) -> str:
    """Return why DNS cannot carry this name, without its final dot; empty when it can (RFC 1035 §2.3.4)."""
    labels = [len(re.sub(r"\\(.)", r"\1", label)) for label in re.split(r"(?<!\\)\.", name)] if name else []
    if sum(labels) + len(labels) > 254 or any(not 1 <= size <= 63 for size in labels):
        return "no name that DNS can carry: labels have 1 to 63 octets, names 255"
    return ""


def wrong_string(value: str) -> str:
    """Return why this is no character-string; empty when it is one."""
    if len(value) > MOST_OCTETS:
        return f"a character-string of {len(value)} octets; a name server allows {MOST_OCTETS} and refuses this file"
    return ""


def is_allowed_beside_cname(kind: str, target: str, cname: str) -> bool:
    """Return whether a record of this type is allowed at a name with a CNAME (RFC 1034 §3.6.2, RFC 4034 §2.5)."""
    return kind in _BESIDE_CNAME or (kind == "CNAME" and target == cname)
