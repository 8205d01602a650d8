"""Pasted key records: output of `dig` and `nslookup`, zone files, API responses, configuration, web pages."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote_plus

from dkimctl.dkim.embedded import embedded_records
from dkimctl.dkim.pastedlines import Entries, aliases_in, entries_in, is_dnssec, joined, tinydns_entries
from dkimctl.dkim.wrappings import unwrapped
from dkimctl.names import printable
from dkimctl.record.parse import UnreadableRecord, parse_record
from dkimctl.record.presentation import unescaped

_SPACES = " \t\r\n\ufeff\xa0"
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_LINE_OF_STRINGS = re.compile(r'[ \t]*(?:"(?:[^"\\]|\\.)*+"[ \t]*)++(?:;[^\n]*)?\r?\n?', re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})+\.?")
_STATUS = re.compile(r"status: (?P<dig>[A-Z]+)|\*\* server can't find .*: (?P<nslookup>[A-Z]+)")
_HAS_KEY = re.compile(r"(?:^|;)\s*p\s*=\s*[A-Za-z0-9+/\s]{40}")
_MEANT = re.compile(r"[\W_]*(?:txt[\W_]*)?v[\W_]*[=:][\W_]*d?k?im?\d?", re.IGNORECASE)
_START = re.compile(r"[a-z]\s*=\s*\w+\s*;|v=")
_AROUND = "what surrounds the record was left out: in DNS it makes the record unreadable"
_TAGS = frozenset("vhkpstng")
_MOST_TAGS = 50
_OTHER_RECORD = re.compile(r"[A-Za-z][\w.-]*=[^\r\n]*")  # one line, such as the token of a service
_RCODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}
_KNOWN_TAG = re.compile(r"(?:^|[;,\s\"'(_])[vhkpstng]\s*=")


@dataclass(frozen=True, slots=True)
class Pasted:
    """The records in a pasted text, each with its strings joined."""

    texts: tuple[str, ...]
    looks: str = ""
    """The recognised format; empty for the bare text of a record."""
    remarks: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    """The name of each, as far as the text says; an empty one is unknown. Empty where no name is known."""


def records_in(text: str) -> Pasted | None:
    """Return the key records in `text`, octets above 127 as Latin-1; None when no format is recognised."""
    plain, around = unwrapped(text.strip(_SPACES))
    found = (
        _in_json(plain)
        or _in_tinydns(plain)
        or _in_entries(plain)
        or _in_lines(plain)
        or _in_text(plain)
        or _in_strings(plain)
        or _bare(plain)
    )
    if found is None or all("bh=" in record for record in found.texts):
        return None
    return replace(found, looks=around, remarks=(_AROUND, *found.remarks)) if around else found


# --- JSON


def _in_json(text: str) -> Pasted | None:
    data = _json(text)
    if data is None:
        return None
    answers = data.get("Answer") if isinstance(data, dict) else None
    looks = "the answer of DNS over HTTPS" if answers is not None or "Status" in data else "JSON of a program"
    values = (joined(value) if '"' in value else value for value in _strings(data if answers is None else answers))
    found = tuple(value for value in values if _MEANT.match(value) or re.search(r"(?:^|;)\s*p\s*=", value))
    return Pasted(found, looks, _of_aliases([*_targets(answers)])) if found else None


def _json(text: str) -> Any:
    """Return the object or list that the text is; None when it is none."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _targets(answers: Any) -> Iterator[str]:
    """Yield the targets of the CNAMEs (type 5) in the answer of DNS over HTTPS."""
    for answer in answers if isinstance(answers, list) else ():
        if isinstance(answer, dict) and answer.get("type") in (5, "CNAME"):
            yield str(answer.get("data", ""))


def _is_cut(values: list[Any]) -> bool:
    """Return whether these are the strings of one record."""
    is_text = len(values) > 1 and all(isinstance(value, str) for value in values)
    return is_text and _MEANT.match(values[0]) is not None and not any('"' in v or _START.match(v) for v in values[1:])


def _strings(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield every text in a JSON value, down to the depth of DNS responses."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and _is_cut(value):
        yield "".join(value)
    elif depth < 8 and isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item, depth + 1)


# --- lines of tools and of zone files


def _in_entries(text: str) -> Pasted | None:
    """Find records after the word TXT, or as nslookup, host and PowerShell show them."""
    found = entries_in(text)
    if not found.records:
        return None
    records, others = _of_keys(found)
    remarks = (*found.remarks, *others, *_of_aliases(aliases_in(text)))
    return Pasted(tuple(r for _, r in records), _looks_of(text), remarks, tuple(owner for owner, _ in records))


def _in_tinydns(text: str) -> Pasted | None:
    found = tinydns_entries(text)
    looks = "a line of tinydns-data" if len(found) == 1 else "lines of tinydns-data"
    return Pasted(tuple(r for _, r in found), looks, (), tuple(owner for owner, _ in found)) if found else None


def _of_keys(found: Entries) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Return the records without those of other kinds at other names, such as the SPF and DMARC of a zone."""
    owners = {owner for owner, record in found.records if _MEANT.match(record) or _HAS_KEY.search(record)}
    kept = [(owner, record) for owner, record in found.records if owner in owners] or [*found.records]
    more = len(found.records) - len(kept)
    return kept, (f"TXT records at other names were left out: {more}",) if more else ()


def _looks_of(text: str) -> str:
    if re.search(r"^;; (?:->>|Got |QUESTION|ANSWER|global|flags)|^; <<>>", text, re.MULTILINE | re.IGNORECASE):
        return "the answer of dig"
    if re.search(r"\btext[ \t]*=|Non-authoritative answer", text):
        return "the answer of nslookup"
    if "descriptive text" in text:
        return "the answer of host"
    if re.search(r"^Strings[ \t]*:|\bSection[ \t]+Strings\b", text, re.MULTILINE):
        return "the answer of Resolve-DnsName"
    return "a line of a zone file" if len(text.splitlines()) == 1 else "lines of a zone file"


def _of_aliases(aliases: list[str]) -> tuple[str, ...]:
    return tuple(f"the name is a CNAME to {printable(alias)}" for alias in dict.fromkeys(aliases[:5]))


# --- single strings, and records within other words


def _in_text(text: str) -> Pasted | None:
    found = embedded_records(text)
    looks = "a record within other text" if len(found) == 1 else f"{len(found)} records within other text"
    return Pasted(tuple(r for _, r in found), looks, (), tuple(owner for owner, _ in found)) if found else None


def _in_lines(text: str) -> Pasted | None:
    """Find records in the output of `dig +short`: each line one record of strings in quotes, CNAMEs as bare names."""
    found, aliases, position = [], [], 0
    while position < len(text):
        line = _LINE_OF_STRINGS.match(text, position)
        if line:
            found.append(joined(line[0]))
            position = line.end()
            continue
        end = text.find("\n", position) + 1 or len(text)
        other = text[position:end].strip()
        if _HOST.fullmatch(other) and other.endswith("."):
            aliases.append(other)
        elif other and not other.startswith(";") and not is_dnssec(other):
            return None
        position = end
    looks = f"{len(found)} records, as dig +short shows them" if len(found) > 1 else ""
    return Pasted(tuple(found), looks, _of_aliases(aliases)) if found else None


def _in_strings(text: str) -> Pasted | None:
    """Find a record in strings between other words, such as parentheses."""
    strings = _STRING.findall(text)
    record = "".join(unescaped(part) for part in strings).strip()
    if not record or text.startswith(("v", "p", "k")):
        return None
    return Pasted((record,)) if _is_meant(record) else None


# --- the text itself


def _bare(text: str) -> Pasted | None:
    rows = [row.strip(_SPACES) for row in text.splitlines() if row.strip(_SPACES)]
    if 1 < len(rows) <= 10 and all(re.match(r"v\s*=\s*DKIM", row, re.IGNORECASE) for row in rows):
        return Pasted(tuple(rows), f"{len(rows)} records, a line each")
    if _HOST.fullmatch(text.strip('"')) and ("_domainkey" in text.lower() or text.count(".") > 1):
        return Pasted(
            (text.strip('"'),), "the name of a host: a CNAME's target, which belongs in a CNAME and not in a TXT"
        )
    if _is_meant(text):
        return Pasted((text,))
    if "%3" in text and _is_meant(unquote_plus(text)):
        return Pasted((text,), "a record encoded for a web address: %3D stands for =, and %3B for ;")
    return None


def _is_meant(text: str) -> bool:
    """Return whether this is a key record, a broken one included, or another policy record that starts with v=."""
    if not isinstance(parse_record(text), UnreadableRecord):
        return True
    if _MEANT.match(text) or re.match(r"[\"'(]*v\s*=", text, re.IGNORECASE) or _HAS_KEY.match(text.lstrip("; ")):
        return True
    if _is_tag_list(text) or _OTHER_RECORD.fullmatch(text):
        return True
    # curly quotes and the like in front; a message has a line that starts with a field's name
    return len(_KNOWN_TAG.findall(text)) > 1 and re.search(r"\bp\s*=\s*[\"']?[A-Za-z0-9+/]{40}", text) is not None


def _is_tag_list(text: str) -> bool:
    """Return whether it is nothing but tags of a key record, whatever their values are."""
    names = [part.partition("=")[0].strip() for part in text.split(";", _MOST_TAGS) if part.strip()]
    return "p" in names and len(names) > 1 and all(name in _TAGS for name in names)


def nothing_found(text: str) -> str:
    """Return the status of a DNS tool's output without a TXT record; empty for other text."""
    code = _status(text)
    if code:
        return f"the answer says {code}" + (
            ": there is no such name" if code == "NXDOMAIN" else " and has no TXT record"
        )
    if _json(text) is not None:
        return "this is JSON, and no text in it is one"
    aliases = aliases_in(text) if len(text.splitlines()) < 5 else []
    if aliases and _HOST.fullmatch(aliases[0]):
        return f"the name is a CNAME to {printable(aliases[0])}; the key record at its target is not in it"
    return ""


def _status(text: str) -> str:
    """Return the response code in the output of a DNS tool, or in an answer of DNS over HTTPS; empty for none."""
    status = _STATUS.search(text)
    if status:
        return status["dig"] or status["nslookup"]
    data = _json(text)
    number = data.get("Status") if isinstance(data, dict) else None
    return _RCODES.get(number, f"RCODE {number}") if isinstance(number, int) else ""
