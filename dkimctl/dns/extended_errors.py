"""Extended DNS errors: what a server adds to say why it failed (RFC 8914)."""

import struct

from dkimctl.names import printable

_OPTION = 15  # RFC 8914 §2
_LONGEST = 400  # characters; unbound names every step of a chain of trust

_NAMES = {
    0: "other error",
    1: "unsupported DNSKEY algorithm",
    2: "unsupported DS digest type",
    3: "stale answer",
    4: "forged answer",
    5: "DNSSEC indeterminate",
    6: "DNSSEC bogus",
    7: "signature expired",
    8: "signature not yet valid",
    9: "DNSKEY missing",
    10: "RRSIGs missing",
    11: "no zone key bit set",
    12: "NSEC missing",
    13: "cached error",
    14: "not ready",
    15: "blocked",
    16: "censored",
    17: "filtered",
    18: "prohibited",
    19: "stale NXDOMAIN answer",
    20: "not authoritative",
    21: "not supported",
    22: "no reachable authority",
    23: "network error",
    24: "invalid data",
}
"""RFC 8914 §5.2."""

_MAY_PASS = frozenset({0, 14, 18})  # what a server says that has too much to do, if it says anything

Errors = tuple[tuple[int, str], ...]
"""Code and text; the text is often empty."""


def read_errors(options: bytes) -> list[tuple[int, str]]:
    """The extended errors among the options of an OPT record. Raises struct.error when they are cut."""
    found = []
    offset = 0
    while offset + 4 <= len(options):
        code, length = struct.unpack_from("!HH", options, offset)
        value = options[offset + 4 : offset + 4 + length]
        if code == _OPTION and len(value) >= 2:
            text = value[2:].decode("utf-8", "replace").strip("\0")
            found.append((int.from_bytes(value[:2], "big"), shown_text(text)))
        offset += 4 + length
    return found


def shown_text(text: str) -> str:
    """Return a server's own words, fit to be shown."""
    return printable(text, _LONGEST)


def gives_a_reason(errors: Errors) -> bool:
    """Return whether asking again would get the same answer: broken signature, no reachable server, blocked name."""
    return any(code not in _MAY_PASS for code, _ in errors)


def in_words(errors: Errors) -> str:
    """` (DNSSEC bogus: validation failure …)` for each error; empty when there is none."""
    return "".join(f" ({_named(code)}{': ' if text else ''}{text})" for code, text in errors)


def _named(code: int) -> str:
    return _NAMES.get(code, f"extended error {code}")
