"""Domains, selectors and owner names: checked and converted to A-labels before anything else uses them.

A *domain* here is always lower-case, without final dot, with IDNs as A-labels (RFC 5890). A *selector* is one or
more labels (RFC 6376 §3.1). The *owner name* of a key record is `<selector>._domainkey.<domain>` (RFC 6376 §3.6.2.1).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from dkimctl.errors import UsageError
from dkimctl.secrets import masked

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
MAXIMUM_NAME = 253  # octets in presentation form, without the final dot: RFC 1035 §2.3.4
DOMAINKEY = "_domainkey"
DEFAULT_SELECTOR = "dk%Y%m"
SLOTS = ("dk1", "dk2", "dk3")
"""The selectors of a delegated domain: fixed, so that its CNAMEs stay valid at every rotation. Three: one signs, one is
the standby, one is retiring. A customer with two CNAMEs, as version 0.1 asked for, rotates without a standby."""


def domain_name(text: str) -> str:
    """Return the domain as A-labels, lower-case, no final dot.

    Raises UsageError when it is not a host name of at least two labels (RFC 1123 §2.1).
    """
    name = _a_labels(text.strip().removesuffix("."))
    problem = _domain_problem(name)
    if problem:
        raise UsageError(f"not a domain name: {printable(text)} ({problem})", hint=_domain_hint(name))
    return name


_PASTED = re.compile(r"(?:^|//|@)([a-z0-9][a-z0-9.-]*\.[a-z0-9-]*[a-z][a-z0-9-]*)(?:[:/?#]|$)")

_LONGEST_PASTED = 1000  # characters: the time of the search grows with their square, and a message may hold any number


def _domain_hint(name: str) -> str:
    """Return a hint with the domain that was probably meant by what was pasted."""
    selector, is_record, domain = name.partition(f".{DOMAINKEY}.")
    if is_record:
        return f"the domain in it is {printable(domain)}, the selector {printable(selector)}"
    found = _PASTED.search(name) if len(name) <= _LONGEST_PASTED else None
    is_domain = found is not None and found[1] != name and not _domain_problem(found[1])
    return f"did you mean {found[1]}?" if found and is_domain else "a domain looks like example.com"


def _a_labels(text: str) -> str:
    if text.isascii():
        return text.lower()
    import idna  # only for Unicode names: it costs several milliseconds

    try:
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except idna.IDNAError as error:
        raise UsageError(
            f"not a domain name: {printable(text)} (not a valid internationalised name: {error})",
            hint="type it as Unicode or as its xn-- form, such as xn--bcher-kva.example",
        ) from error


def _domain_problem(name: str) -> str:
    if not name:
        return "it is empty"
    if len(name) > MAXIMUM_NAME:
        return f"longer than {MAXIMUM_NAME} characters"
    if "/" in name:
        return "a URL, not a domain"
    if "@" in name:
        return "an address, not a domain"
    if f".{DOMAINKEY}." in name:
        return "the name of a key record, not a domain"
    labels = name.split(".")
    if len(labels) < 2:
        return "only one label"
    if labels[-1].isdigit():
        return "an IP address, not a domain"
    return _labels_problem(labels)


def _labels_problem(labels: list[str]) -> str:
    for label in labels:
        if not label:
            return "an empty label: two dots in a row, or one at an end"
        if len(label) > 63:
            return f"a label of {len(label)} characters; 63 is the most"
        if not _LABEL.fullmatch(label):
            return f"label {printable(label)}: only letters, digits and inner hyphens are allowed"
    return ""


_HOST = re.compile(r"[\w:%-]{1,63}(?:\.[\w:%-]{1,63})*\.?", re.ASCII)


def is_host(text: str) -> bool:
    """Return True for an address, and for a name that a resolver can be asked for; it may be none that exists."""
    if not text.isascii():
        try:
            text = text.encode("idna").decode()
        except UnicodeError:
            return False
    return len(text) <= MAXIMUM_NAME and _HOST.fullmatch(text) is not None


def port_number(text: str) -> int:
    """Return the TCP or UDP port, 1 to 65535; 0 when the text is none."""
    return int(text) if text.isdecimal() and len(text) < 6 and int(text) < 65536 else 0


def selector_name(text: str) -> str:
    """Return the selector in lower case. Raises UsageError when it is not labels with dots between (RFC 6376 §3.1)."""
    name = text.strip().lower()
    problem = "it is empty" if not name else _labels_problem(name.split("."))
    if problem:
        alone, is_record, _ = name.partition(f".{DOMAINKEY}")
        usual = "a selector looks like mail or dk202611: letters, digits and inner hyphens, at most 63"
        raise UsageError(
            f"not a selector: {printable(text)} ({problem})",
            hint=f"the selector in it is {printable(alone)}" if is_record else usual,
        )
    return name


def foreign_selector(text: str) -> str:
    """Return the selector of a record that another program made: as `selector_name`, but underscores are allowed."""
    name = text.strip().lower()
    is_record = f".{DOMAINKEY}." in f".{name}."
    try:
        selector_name(name if is_record else name.replace("_", "x"))
    except UsageError:
        return selector_name(text)  # raises the error, with the selector as it was typed
    return name


def selector_from_template(template: str, now: datetime) -> str:
    """Return the selector for a key made now: `template` is a strftime pattern such as `dk%Y%m`. Raises UsageError."""
    return selector_name(now.strftime(template))


def owner_name(selector: str, domain: str) -> str:
    """Return `<selector>._domainkey.<domain>`, without final dot. Raises UsageError when it is too long for DNS."""
    name = f"{selector}.{DOMAINKEY}.{domain}"
    if len(name) > MAXIMUM_NAME:
        raise UsageError(
            f"the key record's name would have {len(name)} characters; DNS allows {MAXIMUM_NAME}: {name}",
            hint="use a shorter selector (-s)",
        )
    return name


def delegated_name(selector: str, domain: str, delegate: str) -> str:
    """`<selector>.<domain>._domainkey.<delegate>`: where the CNAME at the owner name leads, in the operator's zone.

    It has the form of a key record's name, so that the same checks work for it.
    """
    return owner_name(f"{selector}.{domain}", delegate)


def split_owner_name(name: str, check: Callable[[str], str] = selector_name) -> tuple[str, str]:
    """Return (selector, domain) of a key record's owner name; `check`: for the selector. Raises UsageError."""
    selector, found, domain = name.strip().removesuffix(".").lower().partition(f".{DOMAINKEY}.")
    if not found:
        raise UsageError(
            f"not the name of a key record: {printable(name)}",
            hint=f"it looks like mail.{DOMAINKEY}.example.com",
        )
    return check(selector), domain_name(domain)


def relative_name(name: str, zone: str) -> str:
    """Return `name` relative to `zone`: empty at the apex. Raises UsageError when it is outside the zone."""
    if name == zone:
        return ""
    if not is_within(name, zone):
        raise UsageError(f"{name} is not in the zone {zone}", hint="name the zone that holds it")
    return name[: -len(zone) - 1]


def is_within(name: str, domain: str) -> bool:
    """Return whether a name is the domain or below it; both in lower case, without final dot."""
    return name == domain or name.endswith(f".{domain}")


def is_aligned(sender: str, signing: str) -> bool:
    """Return True for relaxed alignment, as far as it is known without the public suffix list: one is below the other.

    Two siblings such as a.example.com and b.example.com count as aligned when they share two labels or more.
    """
    if is_within(sender, signing) or is_within(signing, sender):
        return True
    ours, theirs = sender.split(".")[::-1], signing.split(".")[::-1]
    shared = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), 0)
    return shared >= (3 if len(ours[0]) == 2 and len(ours) > 1 and len(ours[1]) <= 3 else 2)


def first_few(names: Sequence[str], limit: int = 3) -> str:
    """Return at most so many names, and the number of the others: `a, b and 3 more`."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def printable(text: str, limit: int = 70) -> str:
    """Return `text` fit for an error line: control characters escaped, cut after `limit` characters."""
    text = masked(text)  # before it is cut
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= limit else shown[:limit] + "…"


def merged(sorted_names: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return all these names once, sorted. A set of the first, of which there may be a million, is not made."""
    found = list(sorted_names)
    if missing := set(others).difference(found):
        found = sorted([*found, *missing])
    return found


def counted(number: int, noun: str, plural: str = "", *, grouped: bool = False) -> str:
    """Return a number with its noun: `1 key`, `2 keys`; `grouped`: `2,000 keys`. `plural`: where an s is not enough."""
    return f"{number:{',' if grouped else ''}} {noun if number == 1 else plural or f'{noun}s'}"
