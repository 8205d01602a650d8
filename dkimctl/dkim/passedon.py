"""Relays known to change signed header fields: a likely cause where none was proven."""

import re

from dkimctl.dkim.mail import Mail
from dkimctl.record.taglist import TagList, items_in

_RELAYS = (
    (r"@(?:[a-z0-9.-]+\.)?amazonses\.com>", "Amazon SES", "Message-ID and Date"),
    (r"@(?:[a-z0-9.-]+\.)?mandrillapp\.com>", "Mandrill", "Message-ID"),
    (r"@(?:[a-z0-9.-]+\.)?mtasv\.net>", "Postmark", "Message-ID"),
    (r"@(?:[a-z0-9.-]+\.)?(?:mailin\.fr|sendinblue\.com|brevo\.com)>", "Brevo", "Message-ID"),
    (r"@(?:[a-z0-9.-]+\.)?mailjet\.com>", "Mailjet", "Message-ID"),
    (r"SMTPIN_ADDED_(?:MISSING|BROKEN)@mx\.google\.com>", "Gmail", "a Message-ID that is missing or malformed"),
)
"""Pattern of a relay's Message-ID, and the fields that it replaces."""


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
        return "a mailing list passed it on, and lists fold header fields anew: sign with c=relaxed/relaxed"
    return ""
