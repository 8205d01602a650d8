"""Pasted key records: output of `dig` and `nslookup`, zone files, API responses, web pages."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dkimctl.names import printable
from dkimctl.record.parse import UnreadableRecord, parse_record
from dkimctl.record.presentation import strings_in, unescaped

_SPACES = " \t\r\n\ufeff\xa0"
# what precedes the data of a TXT record on its line: name, TTL, class and type, each tool in its own way
_ENTRY = re.compile(
    r"^[ \t]*(?:"
    r"(?!;)(?:[^\s\"=;]+[ \t]+){0,4}?TXT[ \t]+"
    r"|\S+[ \t]+(?:descriptive[ \t]+)?text[ \t]*=?[ \t]*(?=[\"\r\n])"
    r"|Strings[ \t]*:[ \t]*\{"
    r")(?P<data>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_ALIAS = re.compile(
    r"^[ \t]*(?!;)(?:[^\s\"=;]+[ \t]+){0,4}?(?:CNAME[ \t]+|is an alias for[ \t]+|canonical name[ \t]*=[ \t]*)"
    r"(?P<target>[^\s;\"]+)",
    re.IGNORECASE | re.MULTILINE,
)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_LINE_OF_STRINGS = re.compile(r'[ \t]*(?:"(?:[^"\\]|\\.)*+"[ \t]*)++(?:;[^\n]*)?\r?\n?', re.DOTALL)
_CONTINUED = re.compile(r'(?:\s*\n)?[ \t]*"(?:[^"\\\n]|\\.)*+"[ \t"]*[^\n]*')  # the next line of nslookup's strings
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})+\.?")
_STATUS = re.compile(r"status: (?P<dig>[A-Z]+)|\*\* server can't find .*: (?P<nslookup>[A-Z]+)")
_MEANT = re.compile(r"[\W_]*(?:txt[\W_]*)?v[\W_]*[=:][\W_]*d?k?im?\d?", re.IGNORECASE)
_KNOWN_TAG = re.compile(r"(?:^|[;,\s\"'(_])[vhkpstng]\s*=")


@dataclass(frozen=True, slots=True)
class Pasted:
    """The records in a pasted text, each with its strings joined."""

    texts: tuple[str, ...]
    looks: str = ""
    """The recognised format; empty for the bare text of a record."""
    remarks: tuple[str, ...] = ()


def records_in(text: str) -> Pasted | None:
    """Return the key records in `text`, octets above 127 as Latin-1; None when no format is recognised."""
    text = text.strip(_SPACES)
    found = _in_json(text) or _in_entries(text) or _in_lines(text) or _in_strings(text) or _bare(text)
    if found and not all("bh=" in record for record in found.texts):
        return found
    return None


# --- JSON


def _in_json(text: str) -> Pasted | None:
    if text[:1] not in "{[":
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    answers = data.get("Answer") if isinstance(data, dict) else None
    looks = "the answer of DNS over HTTPS" if answers is not None or "Status" in data else "JSON of a program"
    found, aliases = [], []
    for value in _strings(answers if answers is not None else data):
        record = _joined(value) if '"' in value else value
        if _MEANT.match(record) or re.search(r"(?:^|;)\s*p\s*=", record):
            found.append(record)
        elif _HOST.fullmatch(value) and value.endswith("."):
            aliases.append(value)
    return Pasted(tuple(found), looks, _of_aliases(aliases if answers is not None else [])) if found else None


def _strings(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield every text in a JSON value, down to the depth of DNS responses."""
    if isinstance(value, str):
        yield value
    elif depth < 8 and isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item, depth + 1)


# --- lines of tools and of zone files


def _in_entries(text: str) -> Pasted | None:
    """Find records after the word TXT, or as nslookup, host and PowerShell show them."""
    found, remarks, end = [], [], 0
    while match := _ENTRY.search(text, end):
        record, is_bare, end = _data(text, match)
        if record:
            found.append(record)
        if is_bare and ";" in record and "\\;" not in match["data"]:
            remarks.append("without quotes a name server takes all that follows the first ; for a comment")
    aliases = [match["target"] for match in _ALIAS.finditer(text)]
    if not found:
        return None
    looks = _looks_of(text) if len(text.splitlines()) > 1 or found else ""
    return Pasted(tuple(found), looks, (*dict.fromkeys(remarks), *_of_aliases(aliases)))


def _data(text: str, match: re.Match[str]) -> tuple[str, bool, int]:
    """Return the data of one entry with its strings joined, whether it is unquoted, and where it ends."""
    start, line_end = match.start("data"), match.end("data")
    line = text[start:line_end]
    if "(" in line.partition('"')[0]:
        end = _closing(text, start)
        return strings_in(text[start:end]), False, end
    if match[0].lstrip()[:7].lower() == "strings":
        return line.rpartition("}")[0] or line, True, line_end
    end = line_end
    while (more := _CONTINUED.match(text, end)) and (line.strip() == "" or more[0].startswith(("\n ", "\n\t"))):
        end = more.end()
    whole = text[start:end]
    if '"' in whole:
        return _joined(whole), False, end
    return unescaped(line.strip()), True, end


def _closing(text: str, start: int) -> int:
    """Return where the parentheses that open at `start` end, strings and comments passed over."""
    for match in re.compile(r'"(?:[^"\\]|\\.)*+"|;[^\n]*|\)', re.DOTALL).finditer(text, start):
        if match[0] == ")":
            return match.end()
    return len(text)


def _looks_of(text: str) -> str:
    if re.search(r"^;; |^; <<>>", text, re.MULTILINE):
        return "the answer of dig"
    if re.search(r"\btext[ \t]*=|Non-authoritative answer", text):
        return "the answer of nslookup"
    if "descriptive text" in text:
        return "the answer of host"
    if re.search(r"^Strings[ \t]*:", text, re.MULTILINE):
        return "the answer of Resolve-DnsName"
    return "a line of a zone file" if len(text.splitlines()) == 1 else "lines of a zone file"


def _of_aliases(aliases: list[str]) -> tuple[str, ...]:
    return tuple(f"the name is a CNAME to {printable(alias)}" for alias in dict.fromkeys(aliases[:5]))


# --- strings alone


def _in_lines(text: str) -> Pasted | None:
    """Find records in the output of `dig +short`: each line one record of strings in quotes, CNAMEs as bare names."""
    found, aliases, position = [], [], 0
    while position < len(text):
        line = _LINE_OF_STRINGS.match(text, position)
        if line:
            found.append(_joined(line[0]))
            position = line.end()
            continue
        end = text.find("\n", position) + 1 or len(text)
        other = text[position:end].strip()
        if _HOST.fullmatch(other) and other.endswith("."):
            aliases.append(other)
        elif other and not other.startswith(";"):
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


def _joined(text: str) -> str:
    return "".join(unescaped(part) for part in _STRING.findall(text))


# --- the text itself


def _bare(text: str) -> Pasted | None:
    rows = [row.strip(_SPACES) for row in text.splitlines() if row.strip(_SPACES)]
    if 1 < len(rows) <= 10 and all(re.match(r"v\s*=\s*DKIM", row, re.IGNORECASE) for row in rows):
        return Pasted(tuple(rows), f"{len(rows)} records, a line each")
    if _HOST.fullmatch(text.strip('"')) and ("_domainkey" in text.lower() or text.count(".") > 1):
        return Pasted(
            (text.strip('"'),), "the name of a host: a CNAME's target, which belongs in a CNAME and not in a TXT"
        )
    return Pasted((text,)) if _is_meant(text) else None


def _is_meant(text: str) -> bool:
    """Return whether this is a key record, a broken one included, or another policy record that starts with v=."""
    if not isinstance(parse_record(text), UnreadableRecord):
        return True
    if _MEANT.match(text) or re.match(r"[\"'(]*v\s*=", text, re.IGNORECASE):
        return True
    # curly quotes and the like in front; a message has a line that starts with a field's name
    return len(_KNOWN_TAG.findall(text)) > 1 and re.search(r"\bp\s*=\s*[\"']?[A-Za-z0-9+/]{40}", text) is not None


def nothing_found(text: str) -> str:
    """Return the status of a DNS tool's output without a TXT record; empty for other text."""
    status = _STATUS.search(text)
    if status:
        code = status["dig"] or status["nslookup"]
        return f"the answer says {code}" + (
            ": there is no such name" if code == "NXDOMAIN" else " and has no TXT record"
        )
    alias = _ALIAS.search(text) if len(text.splitlines()) < 5 else None
    if alias and _HOST.fullmatch(alias["target"]):
        return f"the name is a CNAME to {printable(alias['target'])}; the key record at its target is not in it"
    return ""
