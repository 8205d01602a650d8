"""The reason why a header does not match its signature: only a proven cause is reported."""

import re
from collections.abc import Callable

from dkimctl.dkim.form import decoded, hash_name
from dkimctl.dkim.headerchange import Header, HeaderSearch
from dkimctl.dkim.mail import Mail
from dkimctl.keys.public import PublicKey
from dkimctl.keys.signatures import fits, signed_digest
from dkimctl.names import first_few
from dkimctl.record.taglist import TagList, items_in

_NAMES = 20  # names of h= in the output
_RELAYS = (
    (r"@(?:[a-z0-9.-]+\.)?amazonses\.com>", "Amazon SES", "Message-ID and Date"),
    (r"@(?:[a-z0-9.-]+\.)?mandrillapp\.com>", "Mandrill", "Message-ID"),
    (r"@(?:[a-z0-9.-]+\.)?mtasv\.net>", "Postmark", "Message-ID"),
    (r"@(?:[a-z0-9.-]+\.)?(?:mailin\.fr|sendinblue\.com|brevo\.com)>", "Brevo", "Message-ID"),
    (r"@(?:[a-z0-9.-]+\.)?mailjet\.com>", "Mailjet", "Message-ID"),
    (r"SMTPIN_ADDED_(?:MISSING|BROKEN)@mx\.google\.com>", "Gmail", "a Message-ID that is missing or malformed"),
)
"""Pattern of a relay's Message-ID, and the fields that it replaces."""


def why_not(search: HeaderSearch, header: Header, tags: TagList, key: PublicKey) -> tuple[str, str]:
    """Return why the signature does not match this header and key, with a hint."""
    signature = decoded(tags.get("b")) or b""
    accepts: Callable[[bytes], bool]
    if key.algorithm == "rsa":
        digest = signed_digest(key, signature, hash_name(tags))
        if digest is None:
            return _made_otherwise(tags, key, signature), ""
        accepts = digest.__eq__
    else:
        # an Ed25519 signature does not show what was signed: each older header is verified
        def accepts(candidate: bytes) -> bool:
            return fits(key, signature, candidate, hash_name(tags))

    change = search.change(header, tags, accepts)
    if change:
        return change.words, "sign with c=relaxed/relaxed (opendkim: Canonicalization)" if change.is_space else ""
    why = _unproven(header)
    if key.algorithm != "rsa":
        why += "; or another key made it"
    if search.effort.is_exhausted:
        why += "; not every known change was tried, the header is too large for that"
    return why, likely_cause(search.mail, tags, relaxed=header.relaxed)


def _made_otherwise(tags: TagList, key: PublicKey, signature: bytes) -> str:
    size = (key.bits + 7) // 8
    if len(signature) != size:
        return f"b= has {len(signature)} octets, and a key of {key.bits} bits makes {size}: another key, or b= was cut"
    other = "sha1" if hash_name(tags) == "sha256" else "sha256"
    if signed_digest(key, signature, other) is not None:
        return f"it was made with {other}, and a= says {hash_name(tags)}: a= was changed"
    owner = f"{tags.get('s')}._domainkey.{tags.get('d')}"
    return f"it was not made with the key that is published at {owner}, or b= was changed"


def _unproven(header: Header) -> str:
    there = [*dict.fromkeys(name for name, one in zip(header.names, header.fields, strict=True) if one)]
    missing = sorted({name for name, one in zip(header.names, header.fields, strict=True) if not one} - {*there})
    shown = first_few(there, _NAMES)
    lost = f", or one was lost ({', '.join(missing[:_NAMES])})" if missing else ""
    return (
        f"one of the signed header fields was changed after it was signed: {shown}, or the field DKIM-Signature "
        f"itself{lost}"
    )


def likely_cause(mail: Mail, tags: TagList, *, relaxed: bool) -> str:
    """Return the relay that probably changed the header, as a hint; empty without evidence."""
    signed = {name.lower() for name in items_in(tags.get("h"))}
    number = next((field.text for field in mail.named("Message-ID")), "")
    for pattern, relay, replaced in _RELAYS:
        if "message-id" in signed and re.search(pattern, number[:1000], re.IGNORECASE):
            return (
                f"the Message-ID is one of {relay}, which replaces {replaced}: let it sign as well, or sign without "
                "these fields"
            )
    if not relaxed and any(next(mail.named(name), None) for name in ("List-Id", "List-Post", "List-Unsubscribe")):
        return "a mailing list passed it on, and lists fold header fields differently: sign with c=relaxed/relaxed"
    return ""
