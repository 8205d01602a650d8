"""The form of an SPF record (RFC 7208 §12). No mechanism is evaluated: which hosts it allows is not judged."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

_DIRECTIVE = re.compile(r"[+?~-]?(?P<name>[a-z][a-z0-9-]*)(?P<rest>[:/].*)?", re.IGNORECASE)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9_.-]*)=(?P<value>[!-~]*)", re.IGNORECASE)
_LENGTHS = re.compile(r"(/(?P<v4>\d{1,2}))?(//(?P<v6>\d{1,3}))?")
_NAME = re.compile(r"[!-.0-~/]+")
_NEEDS_NAME = ("include", "exists")
_MAY_HAVE_NAME = ("a", "mx", "ptr")
_NETWORKS = {"ip4": IPv4Network, "ip6": IPv6Network}


def is_spf(text: str) -> bool:
    """Return True for a TXT record that is an SPF record (RFC 7208 §4.5)."""
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def spf_problems(text: str) -> Iterator[str]:
    """Yield what is wrong with the terms of an SPF record, in words; nothing when it parses."""
    seen: set[str] = set()
    for term in text.split(" ")[1:]:
        if modifier := _MODIFIER.fullmatch(term):
            name = modifier["name"].lower()
            if name in seen and name in ("redirect", "exp"):
                yield f"{name}= occurs twice"
            if name in ("redirect", "exp") and not modifier["value"]:
                yield f"{name}= names no domain"
            seen.add(name)
        elif term and (why := _wrong_directive(term)):
            yield f"{term}: {why}"


def _wrong_directive(term: str) -> str:
    """Return what is wrong with a mechanism; empty when nothing is."""
    found = _DIRECTIVE.fullmatch(term)
    if found is None:
        return "not a mechanism"
    name, rest = found["name"].lower(), found["rest"] or ""
    if name == "all":
        return "nothing may follow all" if rest else ""
    if name in _NETWORKS:
        return _wrong_network(name, rest)
    if name not in (*_NEEDS_NAME, *_MAY_HAVE_NAME):
        return "no such mechanism"
    return _wrong_name(name, rest)


def _wrong_network(name: str, rest: str) -> str:
    try:
        _NETWORKS[name](rest.removeprefix(":"), strict=False)
    except ValueError:
        return "not an address or a network"
    return "" if rest.startswith(":") else "a colon is missing"


def _wrong_name(name: str, rest: str) -> str:
    domain, slash, lengths = rest.partition("/") if name in ("a", "mx") else (rest, "", "")
    if domain and (not domain.startswith(":") or not _NAME.fullmatch(domain[1:])):
        return "not a domain name"
    if name in _NEEDS_NAME and not domain:
        return "no domain is named"
    sizes = _LENGTHS.fullmatch(slash + lengths)
    if sizes is None or int(sizes["v4"] or 0) > 32 or int(sizes["v6"] or 0) > 128:
        return "not a prefix length"
    return ""
