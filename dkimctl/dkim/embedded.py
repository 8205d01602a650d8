"""Key records within other text: configuration of programs, forms of DNS panels, lists of names and values."""

import re
from collections.abc import Iterator

from dkimctl.record.presentation import unescaped

_START = re.compile(r"(?<![\w-])(?:v\s*=\s*DKIM1\b|k\s*=\s*(?:rsa|ed25519)\s*;|p\s*=\s*[A-Za-z0-9+/]{40})")
_OPENS = "\"'`([{:=|,\t\n"
_QUOTED = {quote: re.compile(rf"{quote}((?:[^{quote}\\]|\\.)*+){quote}", re.DOTALL) for quote in "\"'`"}
_ESCAPED = re.compile(r'\\"((?:[^"\\]|\\(?!"))*+)\\"', re.DOTALL)
# strings in a row; some languages write a + between them, and dnsmasq a comma before more of the key
_BETWEEN = re.compile(r"\s*,\s*(?=[\"'][A-Za-z0-9+/]{16,}={0,2}[\"'])|[\s+]*")
_MORE = re.compile(
    r"\r?\n[ \t]*((?:[ktsnhgp]\s*=[^\n]*|[A-Za-z0-9+/]{20,}=*;?|[A-Za-z0-9+/]*(?:AB|=);?))[ \t]*(?=\r?\n|$)"
)
_ENDS = re.compile(r"[\t\n|`)}\]]|\s--\s")
_OWNER = re.compile(r"[\w*.-]{0,255}_domainkey[\w.-]{0,255}")


def embedded_records(text: str) -> list[tuple[str, str]]:
    """Return owner and text of each key record that is within other words; none where the text is a record.

    A record begins after a quote, a bracket, a separator or a line's end, and words come before it. An owner is empty
    where no name of a key record precedes.
    """
    return list(_each(text))


def _each(text: str) -> Iterator[tuple[str, str]]:
    end = 0
    while match := _START.search(text, end):
        before = text[end : match.start()]
        if not _is_introduced(before if end == 0 else f"x{before}"):
            return
        record, end = _record(text, match.start())
        yield _owner(before), record


def _owner(before: str) -> str:
    """Return the last name of a key record in these words, or nothing."""
    names = _OWNER.findall(before[max(before.rfind("_domainkey") - 255, 0) :])
    return names[-1].lower().rstrip(".") if names else ""


def _is_introduced(before: str) -> bool:
    """Return whether a record may begin after this: not after its own quotes only, nor after its own earlier tags."""
    opened = before.rstrip(" ")
    if not re.search(r"\w", before) or opened[-1] not in f"{_OPENS}-":
        return False
    line = opened[:-1].rpartition("\n")[2]
    if opened[-1] == "-":
        return not line.strip()  # an item of a list in YAML
    return opened[-1] in "\"'`({=\n" or not re.search(r"[a-z]\s*=", line)


def _record(text: str, start: int) -> tuple[str, int]:
    """Return the record that begins at `start`, and where it ends."""
    quote = text[:start].rstrip(" ")[-1:]
    if text[:start].endswith('\\"'):
        return _strings(text, start - 2, _ESCAPED)
    if quote in _QUOTED and text[start - 1] == quote:
        return _strings(text, start - 1, _QUOTED[quote])
    line_end = text.find("\n", start)
    stop = _ENDS.search(text, start, line_end if line_end >= 0 else len(text))
    end = stop.start() if stop else line_end if line_end >= 0 else len(text)
    while not stop and (more := _MORE.match(text, end)):
        end = more.end()
    record = text[start:end].strip()
    return (record.replace("\\;", ";") if "\\;" in record else record), end


def _strings(text: str, position: int, string: re.Pattern[str]) -> tuple[str, int]:
    pieces: list[str] = []
    while match := string.match(text, position):
        pieces.append(unescaped(match[1]))
        end = match.end()
        between = _BETWEEN.match(text, end)
        position = between.end() if between else end
    return "".join(pieces), end if pieces else len(text)
