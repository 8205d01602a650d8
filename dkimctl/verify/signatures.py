"""Which key records a message's signatures refer to."""

import re
from email.parser import BytesHeaderParser

from dkimctl.errors import CheckFailed
from dkimctl.names import domain_name, selector_name
from dkimctl.record.parse import SPACE
from dkimctl.verify.report import Target
from dkimctl.verify.targets import target_of


def signed_targets(message: bytes) -> list[Target]:
    """A target for each d= and s= in the DKIM-Signature fields, from the top (RFC 6376 §3.5).

    Raises CheckFailed when there is no signature, UsageError when one names no domain or selector.
    """
    fields = BytesHeaderParser().parsebytes(message).get_all("DKIM-Signature", [])
    if not fields:
        raise CheckFailed("the message has no DKIM-Signature", hint="give the whole message as it was received")
    targets = {}
    for value in fields:
        tags = dict(_tag(spec) for spec in str(value).split(";"))
        target = target_of(domain_name(tags.get("d", "")), selector_name(tags.get("s", "")))
        targets[target.owner] = target
    return list(targets.values())


def _tag(spec: str) -> tuple[str, str]:
    name, _, value = spec.partition("=")
    return name.strip(SPACE), re.sub(rf"[{SPACE}]", "", value)
