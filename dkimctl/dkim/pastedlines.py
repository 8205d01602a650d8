"""Lines with a TXT record: of zone files, and of the programs that ask DNS."""

import re
from dataclasses import dataclass

from dkimctl.record.presentation import MOST_OCTETS, strings_in, unescaped

# what precedes the data of a TXT record on its line: name, TTL, class and type, each tool in its own way
_ENTRY = re.compile(
    r"^(?P<blank>[ \t]*)(?:"
    r"(?!;)(?P<before>(?:[^\s\"=;]+[ \t]+){0,6}?)(?:TXT|TYPE16)[ \t]+(?:\d+[ \t]+)?(?:\w+[ \t]+(?=\{))?"
    r"(?=[\"({]|\\#|[ \t]*\r?$|(?![\w ]*:)[^\r\n]*=)"
    r"|(?P<named>\S+)[ \t]+(?:descriptive[ \t]+)?text[ \t]*=?[ \t]*(?=[\"\r\n])"
    r"|Strings[ \t]*:[ \t]*(?=\{)"
    r")(?P<data>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_ALIAS = re.compile(
    r"^[ \t]*(?!;)(?:[^\s\"=;]+[ \t]+){0,4}?(?:CNAME[ \t]+|is an alias for[ \t]+|canonical name[ \t]*=[ \t]*)"
    r"(?P<target>[^\s;\"]+)",
    re.IGNORECASE | re.MULTILINE,
)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_CONTINUED = re.compile(r'(?:\s*\n)?[ \t]*"(?:[^"\\\n]|\\.)*+"[ \t"]*[^\n]*')  # the next line of nslookup's strings
_GENERIC = re.compile(r"\\#[ \t]+\d+[ \t]+((?:[0-9a-f]{2}[ \t]*)+)", re.IGNORECASE)  # RFC 3597 §5
_DNSSEC = re.compile(r"(?:^|[ \t])TXT(?:[ \t]+\d+){3}(?:[ \t]+\d{10,14}){2}[ \t]", re.IGNORECASE)  # RFC 4034 §3.2
_TINYDNS = re.compile(r"^'(?P<name>[^:\n]+_domainkey[^:\n]*):(?P<data>[^:\n]*)(?::[^\n]*)?$", re.MULTILINE)
_OCTAL = re.compile(r"\\([0-3][0-7]{2})")
_UNQUOTED = "without quotes a name server takes all that follows the first ; for a comment"
_TOO_LONG = (
    f"name servers refuse a zone file with more than {MOST_OCTETS} in one, so cut it into several (RFC 1035 §3.3)"
)
_CUT = "PowerShell cut it to the width of its window; the whole one: (Resolve-DnsName -Type TXT NAME).Strings -join ''"


@dataclass(frozen=True, slots=True)
class Entries:
    """Owner and text of each TXT record."""

    records: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...] = ()


def entries_in(text: str) -> Entries:
    """Return the TXT records after the word TXT, or as nslookup, host and PowerShell show them."""
    found, remarks, end, owner = [], [], 0, ""
    while match := _ENTRY.search(text, end):
        if is_dnssec(match[0]):
            end = match.end()
            continue
        record, remark, end = _data(text, match)
        owner = _owner(match, owner)
        if record:
            found.append((owner, record))
            remarks.append(remark)
    return Entries(tuple(found), tuple(dict.fromkeys(remark for remark in remarks if remark)))


def is_dnssec(line: str) -> bool:
    """Return whether a line is the DNSSEC signature of a TXT record, which dig and delv show with it."""
    return _DNSSEC.search(line) is not None


def tinydns_entries(text: str) -> list[tuple[str, str]]:
    """Return name and text of each TXT line of tinydns-data, in which a colon is an octal escape."""
    return [
        (match["name"].lower(), _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), match["data"]))
        for match in _TINYDNS.finditer(text)
    ]


def aliases_in(text: str) -> list[str]:
    """Return the targets of the CNAMEs."""
    return [match["target"] for match in _ALIAS.finditer(text)]


def joined(text: str) -> str:
    """Return the strings in quotes as one, without escapes."""
    return "".join(unescaped(part) for part in _STRING.findall(text))


def _owner(match: re.Match[str], last: str) -> str:
    """Return the name of the record; a line that begins with blanks has that of the one before."""
    words = (match["before"] or match["named"] or "").split()
    named = next((word for word in words if "_domainkey" in word.lower()), "")
    return (named or (words[0] if words and not match["blank"] else last)).lower().rstrip(".")


def _data(text: str, match: re.Match[str]) -> tuple[str, str, int]:
    """Return the data of one entry with its strings joined, a remark on it, and where it ends."""
    start, line_end = match.start("data"), match.end("data")
    line = text[start:line_end]
    if line.startswith("{"):
        return _in_braces(text, start, line_end)
    if "(" in line.partition('"')[0]:
        end = _closing(text, start)
        return strings_in(text[start:end]), "", end
    generic = _GENERIC.match(line)
    if generic:
        return _counted(bytes.fromhex(generic[1])), "", line_end
    end = line_end
    while (more := _CONTINUED.match(text, end)) and (line.strip() == "" or more[0].startswith(("\n ", "\n\t"))):
        end = more.end()
    whole = text[start:end]
    if '"' in whole:
        longest = max((len(unescaped(part)) for part in _STRING.findall(whole)), default=0)
        is_zone = line.startswith('"') and longest > MOST_OCTETS
        return joined(whole), f"a string of {longest} octets: {_TOO_LONG}" if is_zone else "", end
    return unescaped(line.strip()), _UNQUOTED if ";" in line and "\\;" not in line else "", end


def _in_braces(text: str, start: int, line_end: int) -> tuple[str, str, int]:
    """Return the strings that PowerShell shows as `{one, two}`, folded or cut to the width of its window."""
    close = text.find("}", start)
    if close < 0:
        return text[start + 1 : line_end].strip().rstrip(".\u2026"), _CUT, line_end
    inner = re.sub(r"\r?\n[ \t]*", "", text[start + 1 : close])
    return re.sub(r"(?<=[A-Za-z0-9+/=]), (?=[A-Za-z0-9+/]{8})", "", inner), "", close


def _counted(data: bytes) -> str:
    """Return the joined character-strings of TXT data as DNS carries it (RFC 1035 §3.3.14)."""
    pieces, position = [], 0
    while position < len(data):
        size = data[position]
        pieces.append(data[position + 1 : position + 1 + size])
        position += 1 + size
    return b"".join(pieces).decode("latin-1")


def _closing(text: str, start: int) -> int:
    """Return where the parentheses that open at `start` end, strings and comments passed over."""
    for match in re.compile(r'"(?:[^"\\]|\\.)*+"|;[^\n]*|\)', re.DOTALL).finditer(text, start):
        if match[0] == ")":
            return match.end()
    return len(text)
