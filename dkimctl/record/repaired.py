"""Guesses which record a broken one was meant to be: undoes what pasting and DNS panels do to a record."""

import base64
import binascii
import re

from dkimctl.keys.public import PublicKey, decode_public_key, subject_public_key
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import parse_record
from dkimctl.record.taglist import SPACE

_PASTED = r"[\"'\\\x00-\x1f\x7f-\uffff]|&nbsp;|-----[A-Z ]+-----"  # compiled on first use: it takes 2 ms
_ESCAPED = r"\\u(?P<json>00[0-7][0-9A-Fa-f])|=(?P<quoted>3[BDbd]|2[BFbf])|\\(?P<decimal>0[34][0-9]|061)"
"""One character as JSON, quoted-printable or a zone file writes it."""
_SOFT_BREAK = r"=[ \t]*\r?\n|(?<=[A-Za-z0-9+/]{20})= (?=[A-Za-z0-9+/=]{20})"
"""The end of a line in quoted-printable: before a line feed, or before the blank that a panel made of it."""
_MARKUP = r"</?[A-Za-z][^<>]{0,100}>|\\[rnt]|[\"'][ \t]*[.+&][ \t]*[\"']"
"""An HTML tag, an escaped line end, and the operator between two strings of a program."""
_KNOWN = ("v", "h", "k", "s", "t", "n", "p")
_HASHES = ("sha1", "sha256")


def repaired(text: str) -> KeyRecord | None:
    """Return a correct record with the key of this broken one; None when no key can be read from it.

    Quotes, backslashes and other characters that do not belong in a record are removed, a repeated tag is kept once,
    RSA in PKCS#1 form becomes a SubjectPublicKeyInfo. Where that yields no key, the encodings of forms, web pages, JSON
    and mail are undone as well. Values that no verifier knows are left out, and so is the flag `y`, which says that the
    domain is only testing.
    """
    return _cleaned(text) or _cleaned(_without_encoding(text))


def _cleaned(text: str) -> KeyRecord | None:
    tags = _tags(re.sub(_PASTED, "", text.strip(" ()")))
    public = _key(tags.get("k", "rsa").lower(), tags.get("p", ""))
    return _record(tags, public) if public else None


def _without_encoding(text: str) -> str:
    """Return the text as it was before a form, a web page, JSON or mail encoded it: %2B, &#43;, <br>, \\u002b, =3D.

    Decoded twice, because `%252B` and `&amp;#43;` were encoded twice.
    """
    from html import unescape
    from urllib.parse import unquote

    for _ in range(2):
        text = re.sub(_ESCAPED, _character, unescape(unquote(text, "latin-1")))
    return re.sub(_MARKUP, "", re.sub(_SOFT_BREAK, "", text))


def _character(found: "re.Match[str]") -> str:
    return chr(int(found["decimal"])) if found["decimal"] else chr(int(found["json"] or found["quoted"], 16))


def _record(tags: dict[str, str], public: PublicKey) -> KeyRecord | None:
    """Return the record with these tags, as far as verifiers know them."""
    hashes = [h for h in re.split(r"[:,\s]+", tags.get("h", "").lower().replace("rsa-", "")) if h in _HASHES]
    services = [s for s in re.split(r"[:,\s]+", tags.get("s", "").lower()) if s in ("*", "email")]
    flags = [f for f in re.split(r"[:,\s]+", tags.get("t", "").lower()) if f == "s"]
    chosen = {
        "v": "DKIM1",
        "h": ":".join(dict.fromkeys([*hashes, "sha256"])) if hashes or tags.get("h") else "",
        "k": public.algorithm,
        "s": ":".join(dict.fromkeys(services)),
        "t": ":".join(dict.fromkeys(flags)),
        "n": tags.get("n", "") if tags.get("n", "").isprintable() else "",
        "p": public.base64,
    }
    record = parse_record(KeyRecord(tuple((name, chosen[name]) for name in _KNOWN if chosen[name])).text)
    return record if isinstance(record, KeyRecord) else None


def _tags(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for spec in re.split(r"[;,]|\s(?=[a-z]\s*=)", text):
        name, _, value = re.sub(r"^\s*([A-Za-z])\s*:", r"\1=", spec).partition("=")
        found.setdefault(name.strip(SPACE).lower()[-1:], value.strip(SPACE))
    return found


def _key(kind: str, value: str) -> PublicKey | None:
    value = value.translate(str.maketrans("-_", "+/")).removeprefix("p=")
    return _decoded(kind, value) or _decoded(kind, value.strip().replace(" ", "+"))


def _decoded(kind: str, value: str) -> PublicKey | None:
    letters = re.sub(r"[^A-Za-z0-9+/]", "", value)
    if not letters or len(letters) % 4 == 1:
        return None
    try:
        data = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    key = decode_public_key("ed25519" if "ed25519" in kind or len(data) == 32 else "rsa", data)
    return key if isinstance(key, PublicKey) else subject_public_key(data)
