"""Key records in the forms that people and programs paste: for a zone file, and on one line."""

from dkimctl.record.model import KeyRecord
from dkimctl.record.presentation import quoted, quoted_strings

_CHUNK = 250  # octets of a string, as opendkim-genkey cuts it: leaves room for panels that count the quotes


def one_line(owner: str, record: KeyRecord) -> str:
    """Return `owner. IN TXT "…" "…"`: one line that every name server reads in a zone file."""
    return f"{owner}. IN TXT {quoted_strings(record.text)}"


def cname_line(owner: str, target: str) -> str:
    """Return `owner. IN CNAME target.`: what the customer of a delegated domain adds."""
    return f"{owner}. IN CNAME {target}."


def zone_lines(owner: str, record: KeyRecord, comment: str = "") -> str:
    """Return the record as short lines in parentheses, laid out as by opendkim-genkey. Ends with a line feed."""
    *head, (_, key) = record.tags
    rest = "p=" + key
    parts = ["; ".join(f"{name}={value}" for name, value in head) + "; ", rest[: _CHUNK + 2]]
    parts += [rest[i : i + _CHUNK] for i in range(_CHUNK + 2, len(rest), _CHUNK)]
    body = "\n\t  ".join(quoted(part) for part in parts)
    end = f"  ; ----- {comment}" if comment else ""
    return f"{owner}\tIN\tTXT\t( {body} ){end}\n"


def genkey_text(selector: str, domain: str, record: KeyRecord, *, absolute: bool = False) -> bytes:
    """Return the `.txt` file of opendkim-genkey: the owner name relative to the domain, or absolute with its `-a`."""
    owner = f"{selector}._domainkey" + (f".{domain}." if absolute else "")
    return zone_lines(owner, record, f"DKIM key {selector} for {domain}").encode("ascii")


def quoted_printable(text: str) -> str:
    """Return `text` as the value of an `n=` tag: what could end the tag or is not ASCII as `=XX` (RFC 6376 §2.11)."""
    octets = text.strip().encode()
    return "".join(chr(o) if 0x20 <= o <= 0x7E and o not in b";=" else f"={o:02X}" for o in octets)
