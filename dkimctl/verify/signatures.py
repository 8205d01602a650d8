"""Which key records a message's signatures refer to."""

from collections.abc import Callable, Iterator
from email.parser import BytesHeaderParser

from dkimctl.errors import CheckFailed, UsageError
from dkimctl.names import domain_name, foreign_selector, owner_name
from dkimctl.record.taglist import parse_signature_tags


def signed_names(message: bytes, bad_signature: Callable[[int, UsageError], None]) -> list[tuple[str, str]]:
    """Selector and domain of each DKIM-Signature field, from the top, without repeats (RFC 6376 §3.5).

    `bad_signature` gets the number of each signature that names none, and the rest goes on. Raises CheckFailed when
    the message has no signature.
    """
    fields = list(_fields(message))
    if not fields:
        raise CheckFailed("the message has no DKIM-Signature", hint="give the whole message as it was received")
    found = []
    for number, value in enumerate(fields, 1):
        tags = parse_signature_tags(value)
        try:
            selector, domain = foreign_selector(tags.get("s")), domain_name(tags.get("d"))
            owner_name(selector, domain)
        except UsageError as error:
            bad_signature(number, error)
        else:
            found.append((selector, domain))
    return list(dict.fromkeys(found))


def _fields(message: bytes) -> Iterator[str]:
    """Every DKIM-Signature with its octets as they came: a domain may be UTF-8 (RFC 8616 §3)."""
    for name, value in BytesHeaderParser().parsebytes(message).raw_items():
        if name.lower() == "dkim-signature":
            yield value.encode("ascii", "surrogateescape").decode("utf-8", "replace")
