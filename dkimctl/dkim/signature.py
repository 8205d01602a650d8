"""DKIM signatures made and verified: the only importer of dkimpy."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dkimctl.errors import CheckFailed, Unavailable
from dkimctl.keys.pair import Algorithm, KeyPair
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import parse_record

FIELD = "DKIM-Signature"

FindRecord = Callable[[str], str | None]
"""The key record at an owner name, or None when there is none. Raises Unavailable when DNS does not answer."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature of a message, and whether it is valid."""

    domain: str
    """`d=`, the signing domain."""
    selector: str
    """`s=`."""
    algorithm: str
    """`a=`, such as `rsa-sha256`."""
    fields: tuple[str, ...]
    """`h=`, the header fields it covers, as written."""
    valid: bool
    why: str
    """Why it is not valid; empty when it is."""


def verify(message: bytes, find_record: FindRecord) -> tuple[Signature, ...]:
    """Return every DKIM-Signature of `message`, from the top, verified by RFC 6376 §6.1; empty when there is none.

    Raises CheckFailed when it is not a message, Unavailable when a record or an algorithm is not available.
    """
    import dkim

    try:
        count = sum(name.lower() == FIELD.lower().encode() for name, _ in dkim.rfc822_parse(message)[0])
    except dkim.DKIMException as error:
        raise CheckFailed(f"not a mail message: {_words(error)}", hint="a message starts with its header") from error
    return tuple(_verify_one(message, index, find_record) for index in range(count))


def _verify_one(message: bytes, index: int, find_record: FindRecord) -> Signature:
    import dkim

    found: list[str | None] = []

    def text_of(name: bytes, timeout: float = 0) -> bytes | None:
        found.append(find_record(name.decode("ascii", "replace").rstrip(".")))
        return found[0].encode("utf-8") if found[0] is not None else None

    said = _LogCollector()
    verifier = dkim.DKIM(message, logger=said.logger)
    try:
        holds = verifier.verify(idx=index, dnsfunc=text_of)
        why = "" if holds else _reason(found, said.last)
    except dkim.NaClNotFoundError as error:
        raise Unavailable("an Ed25519 signature cannot be verified here: PyNaCl is missing", hint=_NACL) from error
    except dkim.DKIMException as error:
        why = _words(error)
    tags = {name.decode("ascii", "replace"): _flat(value) for name, value in verifier.signature_fields.items()}
    why = _not_allowed(found, tags.get("a", "")) or why
    fields = tuple(field.strip() for field in tags.get("h", "").split(":"))
    return Signature(tags.get("d", ""), tags.get("s", ""), tags.get("a", ""), fields, not why, why)


_NACL = "install it where dkimctl is: pip install 'dkimctl[ed25519]'"


class _LogCollector(logging.Handler):
    """Collects dkimpy's log, which has the reason why a key is unusable."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last = ""
        self.logger = logging.Logger("dkimctl.probe", logging.ERROR)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def _reason(found: list[str | None], said: str) -> str:
    if found and found[0] is None:
        return "no key record at its name"
    if said:
        return f"the key record is not usable: {said.splitlines()[0][:100]}"
    return "the signature does not match this key and these header fields"


def _not_allowed(found: list[str | None], algorithm: str) -> str:
    """Return a restriction of the record that dkimpy does not check (RFC 6376 §3.6.1, §6.1.2 steps 6 and 7)."""
    record = parse_record(found[0]) if found and found[0] is not None else None
    if not isinstance(record, KeyRecord):
        return ""
    hashes = _list(record.get("h"))
    used = algorithm.rpartition("-")[2]
    if hashes and used not in hashes:
        return f"the key record allows {':'.join(hashes)} in h=, and not {used}"
    services = _list(record.get("s"))
    if services and not {"*", "email"} & set(services):
        return f"the key record is for {':'.join(services)} (s=), not for email"
    return ""


def _list(value: str) -> list[str]:
    return [item.strip() for item in value.split(":") if item.strip()]


def _words(error: Exception) -> str:
    text = str(error)
    if text.startswith("body hash mismatch"):
        return "the body was changed after it was signed"
    return text.splitlines()[0][:100] if text else type(error).__name__


def _flat(value: Any) -> str:
    return "".join(value.decode("ascii", "replace").split())


def sign(message: bytes, domain: str, selector: str, pair: KeyPair) -> str:
    """Return the value of a DKIM-Signature for `message`, made without a daemon: relaxed/simple, From signed twice.

    For places where no opendkim is installed. Raises CheckFailed when the key cannot sign here.
    """
    import dkim

    if pair.algorithm is not Algorithm.RSA:
        raise CheckFailed("only RSA keys sign without a daemon", hint="install opendkim: apt-get install opendkim")
    signer = dkim.DKIM(message, logger=_LogCollector().logger)
    field: bytes = signer.sign(selector.encode("ascii"), domain.encode("ascii"), pair.private_pem)
    return field.decode("ascii").partition(":")[2].strip().replace("\r\n", "\n")
