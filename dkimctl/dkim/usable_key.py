"""The key of a signature: found in DNS, and whether its record lets a verifier use it (RFC 6376 §6.1.2)."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

from dkimctl.catalogue import presence
from dkimctl.catalogue import record_form as form
from dkimctl.catalogue import record_keys as of_keys
from dkimctl.catalogue import record_tags as of_tags
from dkimctl.dkim.form import unquoted_printable
from dkimctl.dkim.signature import FindRecord
from dkimctl.errors import DkimctlError, shell_word
from dkimctl.findings import Finding, Severity
from dkimctl.keys.public import PublicKey, subject_public_key
from dkimctl.record.model import KeyRecord
from dkimctl.record.taglist import TagList
from dkimctl.verify.judge import judge
from dkimctl.verify.report import Target

FindRecords = Callable[[str], Sequence[str]]
"""Every TXT record at an owner name, each with its strings joined. Raises Unavailable when DNS does not answer."""

_LINT = frozenset(entry.code for entry in (form.TOO_LONG_TEXT, form.PKCS1, form.UNPADDED, form.LATE_VERSION))
"""Errors of a record that most verifiers ignore: reported, but without effect on the verdict."""
_FORGEABLE = of_keys.KNOWN_BAD.code  # verifiers accept it: the signature is valid, and proves nothing
_DECIDED_HERE = of_tags.NO_SHA256.code  # depends on the hash that the signature uses
_MOST = 4  # records at one name that are tried


def every(find: FindRecord) -> FindRecords:
    """Return a finder of all records made from one that finds one."""

    def found(owner: str) -> tuple[str, ...]:
        text = find(owner)
        return () if text is None else (text,)

    return found


@dataclass(frozen=True, slots=True)
class Key:
    """A key that a verifier can use, and the faults that some verifiers refuse."""

    text: str
    """The record."""
    public: PublicKey
    remarks: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    """Faults at its name although this record is usable."""


def find_key(owner: str, tags: TagList, find: FindRecords, fits: Callable[[PublicKey], bool]) -> Key | DkimctlError:
    """Return the key of a signature with these tags, or why there is none.

    Of several records the one that `fits` is used: a verifier may use any (RFC 6376 §3.6.2.2).
    """
    try:
        texts = [*find(owner)]
    except DkimctlError as error:
        return error
    if not texts:
        return DkimctlError(f"there is no key record at {owner}", hint=_see(tags))
    found = [_usable(text, owner, tags) for text in texts[:_MOST]]
    usable = [key for key in found if isinstance(key, Key)]
    best = next((key for key in usable if fits(key.public)), usable[0] if usable else None)
    if len(texts) == 1:
        return found[0]
    several = (
        f"{len(texts)} TXT records are published at {owner}, where only one may be ({presence.SEVERAL.code}): "
        f"{presence.SEVERAL.verifiers}"
    )
    if best:
        return Key(best.text, best.public, best.remarks, (several, *best.wrong))
    halves = next((two for two in permutations(texts[:_MOST], 2) if _is_one_key(two, owner, tags)), None)
    if halves:
        return DkimctlError(
            f"the key record at {owner} is cut in two: its halves are two TXT records, and must be two strings of one",
            hint="publish them as one record",
        )
    why = "; ".join(dict.fromkeys(key.message for key in found if isinstance(key, DkimctlError)))
    return DkimctlError(f"{several}; {why}", hint=_see(tags))


def _is_one_key(two: Sequence[str], owner: str, tags: TagList) -> bool:
    return isinstance(_usable("".join(two), owner, tags), Key)


def _usable(text: str, owner: str, tags: TagList) -> Key | DkimctlError:
    algorithm, _, hash_name = tags.get("a").lower().rpartition("-")
    found = judge(text, Target(tags.get("s").lower(), tags.get("d").lower()))
    errors = [f for f in found.findings if f.severity is Severity.ERROR and f.code != _DECIDED_HERE]
    fatal = [f for f in errors if f.code not in _LINT and f.code != _FORGEABLE]
    public = found.key or (_odd_key(found.record) if found.record and not fatal else None)
    if fatal or public is None or found.record is None:
        return DkimctlError(f"the key record at {owner} is not usable: {_listed(fatal)}", hint=_see(tags))
    if public.algorithm != algorithm:
        return DkimctlError(f"the key at {owner} is {public.algorithm}, the signature is {algorithm}")
    hashes = found.record.get("h")
    if hashes and hash_name not in _items(hashes):
        return DkimctlError(f"the key record allows {hashes} (h=), and not {hash_name}")
    if "s" in _items(found.record.get("t")) and _identity_domain(tags) != tags.get("d").lower():
        return DkimctlError(f"the key record says t=s, and i={tags.get('i')} is below d= (§3.6.1)")
    lint = tuple(f"{f.title} ({f.code}): {f.verifiers}" for f in errors if f.code in _LINT)
    forgeable = tuple(
        f"{f.title} ({f.code}), {f.seen}: anybody may have signed" for f in errors if f.code == _FORGEABLE
    )
    return Key(text, public, lint, forgeable)


def _listed(fatal: Sequence[Finding]) -> str:
    return "; ".join(dict.fromkeys(f"{f.title} ({f.code})" for f in fatal)) or "it holds no key"


def _odd_key(record: KeyRecord) -> PublicKey | None:
    """Return the key in a form that only some verifiers read."""
    value = "".join(record.get("p").split())
    try:
        return subject_public_key(base64.b64decode(value + "=" * (-len(value) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.split(":")]


def _identity_domain(tags: TagList) -> str:
    return unquoted_printable(tags.get("i")).lower().rpartition("@")[2] or tags.get("d").lower()


def _see(tags: TagList) -> str:
    return f"see what is wrong there: dkimctl verify-dns {shell_word(tags.get('d'))} -s {shell_word(tags.get('s'))}"
