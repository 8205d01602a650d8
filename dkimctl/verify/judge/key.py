"""The key in a record: decoded, measured, compared."""

import base64
import re

from dkimctl.catalogue import record_form as form
from dkimctl.catalogue import record_keys as keys
from dkimctl.findings import Finding, finding
from dkimctl.keys.pair import LEAST_BITS, MOST_BITS, USUAL_BITS
from dkimctl.keys.public import PublicKey, PublicKeyFault, decode_public_key, subject_public_key
from dkimctl.names import printable
from dkimctl.record.model import KeyRecord
from dkimctl.verify.judge.damage import damage_in, difference
from dkimctl.verify.report import Target

_ONE_STRING = 255
_OVH_LIMITS = (255, 253)  # what a TXT field there keeps: of the text, or of the text with its two quotes
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_OPENSSH = b"\0\0\0\x07ssh-rsa"
_FOREIGN = re.compile(r"[^A-Za-z0-9+/]")


def judge_key(record: KeyRecord, text: str, target: Target, noticed: list[Finding]) -> PublicKey | None:
    """Return the key of a record; None without a usable one. What is wrong with it is added to `noticed`."""
    owner = target.owner
    if record.is_revoked:
        noticed.append(finding(keys.REVOKED, owner, "p= is empty"))
        return None
    kind = record.get("k", "rsa")
    if kind not in ("rsa", "ed25519"):
        noticed.append(finding(keys.UNKNOWN_TYPE, owner, f"k={printable(kind)}"))
        return None
    data, flaws = _decode(record.get("p"), owner)
    expected = target.expected
    if expected is not None and expected.algorithm == kind and expected.data == data:
        key: PublicKey | PublicKeyFault = expected
    else:
        key = decode_public_key(kind, data)
    # a cut record lacks its padding too, which says nothing more; with characters left out of p= it is not called cut
    is_odd = any(flaw.code != form.UNPADDED.code for flaw in flaws)
    if key is not PublicKeyFault.CUT_OFF or is_odd:
        noticed += flaws
    if isinstance(key, PublicKeyFault):
        if published_private(record):
            noticed.append(finding(keys.KNOWN_BAD, owner, "p= holds the private key, for everybody to read"))
        elif key is not PublicKeyFault.CUT_OFF or not is_odd:
            is_whole = subject_public_key(data) is not None  # a key in another form: nothing is lost
            damage = (
                "" if is_whole else damage_in(record.get("p"), kind, expected, is_cut=key is PublicKeyFault.CUT_OFF)
            )
            noticed.append(
                finding(form.DAMAGED, owner, f"p=: {damage}") if damage else _unusable(key, kind, data, text, owner)
            )
        if other := in_other_form(record):
            _judge_size(other, owner, noticed)
        return None
    if expected is not None and key != expected:
        noticed.append(_wrong(key, expected, owner))
    _judge_size(key, owner, noticed)
    return key


def published_private(record: KeyRecord) -> PublicKey | None:
    """Return the public half of a private key that was published as p=; None for anything else."""
    from dkimctl.keys.pem import public_half_of  # only here: it loads the library, which no right record needs

    return public_half_of(_decode(record.get("p"), "")[0])


def in_other_form(record: KeyRecord) -> PublicKey | None:
    """Return the RSA key of a record that holds it in PKCS#1 form; it is short or leaked in either form."""
    if record.is_revoked or record.get("k", "rsa") != "rsa":
        return None
    found = subject_public_key(_decode(record.get("p"), "")[0])
    return found if found and found.algorithm == "rsa" else None


def _decode(value: str, owner: str) -> tuple[bytes, list[Finding]]:
    """Return the bytes of p=, decoded as far as possible, and what a strict decoder would refuse."""
    joined = "".join(value.split())
    letters = _FOREIGN.sub("", joined)
    flaws = []
    if not _BASE64.fullmatch(joined):
        odd = re.sub(r"[A-Za-z0-9+/]", "", joined)[:10]
        entry = form.QUOTED if '"' in joined or "\\" in joined else form.NOT_BASE64
        flaws.append(finding(entry, owner, f"p= contains {printable(odd)}"))
    elif joined.count("=") > -len(letters) % 4:
        flaws.append(finding(form.NOT_BASE64, owner, "p= has more = at its end than belong there"))
    elif len(joined) % 4:
        flaws.append(finding(form.UNPADDED, owner, f"p= has {len(joined)} characters"))
    whole = letters[:-1] if len(letters) % 4 == 1 else letters
    return base64.b64decode(whole + "=" * (-len(whole) % 4)), flaws


def _unusable(fault: PublicKeyFault, kind: str, data: bytes, text: str, owner: str) -> Finding:
    if fault is PublicKeyFault.CUT_OFF:
        return finding(form.TRUNCATED, owner, f"the record ends after {len(text)} octets{_limit_words(len(text))}")
    if kind == "ed25519" and subject_public_key(data) is not None:
        return finding(keys.EDWARDS_FORM, owner, f"p= holds {len(data)} bytes")
    if fault is PublicKeyFault.PKCS1:
        return finding(form.PKCS1, owner, f"p= holds {fault.value}")
    if kind == "rsa" and len(data) == 32:
        return finding(form.NO_KEY, owner, "p= holds 32 bytes: an Ed25519 key? Then k=ed25519 is missing")
    if kind == "ed25519":
        what = "an RSA key: k=rsa" if isinstance(decode_public_key("rsa", data), PublicKey) else "an Ed25519 key has 32"
        return finding(form.NO_KEY, owner, f"p= holds {len(data)} bytes; {what}")
    if data.startswith(_OPENSSH):
        return finding(form.NO_KEY, owner, "p= holds a key in the form of OpenSSH")
    if b"\x06\x03\x55\x04\x03" in data:
        return finding(form.NO_KEY, owner, "p= holds a certificate, not only the public key")
    return finding(form.NO_KEY, owner, f"p= holds {fault.value}")


def _limit_words(length: int) -> str:
    if length in _OVH_LIMITS:
        also = " and one character-string" if length == _ONE_STRING else ""
        return f", which is what OVH keeps of a TXT field{also}"
    return ", which is a whole number of character-strings" if length % _ONE_STRING == 0 else ""


def _wrong(key: PublicKey, expected: PublicKey, owner: str) -> Finding:
    nearly = difference(key.base64, expected.base64) if key.algorithm == expected.algorithm else ""
    seen = f"DNS: {_shown(key)}; on this disk: {_shown(expected)}" + (f"; in p= {nearly}" if nearly else "")
    return finding(keys.WRONG_KEY, owner, seen)


def _shown(key: PublicKey) -> str:
    return f"{'RSA' if key.algorithm == 'rsa' else 'Ed25519'} {key.bits} bits, …{key.base64[-12:]}"


def _judge_size(key: PublicKey, owner: str, noticed: list[Finding]) -> None:
    if key.algorithm == "ed25519":
        noticed.append(finding(keys.EDWARDS, owner, "k=ed25519"))
    elif key.bits < LEAST_BITS:
        noticed.append(finding(keys.TOO_WEAK, owner, f"{key.bits} bits"))
    elif key.bits < USUAL_BITS:
        noticed.append(finding(keys.WEAK, owner, f"{key.bits} bits"))
    elif key.bits > MOST_BITS:
        noticed.append(finding(keys.TOO_LONG, owner, f"{key.bits} bits"))
