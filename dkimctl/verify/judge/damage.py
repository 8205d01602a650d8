"""What happened to a p= that was damaged on its way into DNS, where that can be seen."""

import base64
import binascii
import re

from dkimctl.keys.public import PublicKey, decode_public_key
from dkimctl.names import counted

_ENDS = ("IDAQAB", "AgMBAAE=", "CAwEAAQ==")
"""How p= ends where the exponent is 65537, at each of the three places in base64: only then is the end there."""
_MOST_DIFFERENT = 3  # characters; a key that differs in more is another one


def damage_in(value: str, kind: str, expected: PublicKey | None, *, is_cut: bool) -> str:
    """Return what is wrong with a p= that holds no whole key, in words; empty when that is not known.

    `value`: as written in the record. `kind`: of the k= tag. `is_cut`: its own length field says that more must
    follow.
    """
    found = "".join(value.split())
    if isinstance(decode_public_key(kind, _with_plus_signs(value)), PublicKey):
        return f"blanks in place of + ({counted(len(re.findall(r'[^ ] +(?=[^ ])', value.strip())), 'time')})"
    if expected is not None and expected.algorithm == kind:
        return difference(found, expected.base64)
    if is_cut and found.endswith(_ENDS):
        return "its end is there, so something is missing inside"
    return ""


def _with_plus_signs(value: str) -> bytes:
    """Return the bytes of a p= with + in place of each blank; nothing when that is no base64 either."""
    try:
        return base64.b64decode(value.strip().replace(" ", "+"), validate=True)
    except (binascii.Error, ValueError):
        return b""


def difference(found: str, right: str) -> str:
    """Return where a p= that is nearly the right one differs from it, in words; empty when it is another or cut."""
    if found != right and (same := _same_characters(found, right)):
        return same
    start = _common(found, right)
    end = _common(found[::-1], right[::-1])
    missing = len(right) - len(found)
    if start == len(found) or start + end == 0:
        return ""  # cut off at its end, or nothing alike
    if missing > 0 and start + end >= len(found):
        return f"{_characters(missing)} missing after the first {start}"
    if missing < 0 and start + end >= len(right):
        return f"{_characters(-missing)} too many after the first {start}"
    different = sum(a != b for a, b in zip(found, right, strict=True)) if not missing else 0
    if 0 < different <= _MOST_DIFFERENT:
        return f"{_characters(different)} not as in the key on this disk, the first is number {start + 1}"
    return ""


def _same_characters(found: str, right: str) -> str:
    """Return what was done to the whole text: letters in another case, every + gone, its parts in another order."""
    if found.lower() == right.lower():
        return "capitals and small letters are not as in the key on this disk"
    if found == right.replace("+", ""):
        return f"every + is missing ({counted(right.count('+'), 'time')})"
    if len(found) == len(right) and found in right + right:
        return (
            f"its parts are in the wrong order: it begins with character {(right + right).index(found) + 1} of the key"
        )
    return ""


def _common(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their start."""
    for count, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return count
    return min(len(one), len(other))


def _characters(count: int) -> str:
    return f"{counted(count, 'character')} {'is' if count == 1 else 'are'}"
