"""Keys of other programs, such as opendkim-genkey: without metadata, or flat in the store's own directory."""

import re
import time
from collections.abc import Mapping
from types import MappingProxyType

from dkimctl.keys import pair as pairs
from dkimctl.keys.metadata import Metadata
from dkimctl.keys.public import PublicKey

_MADE_FOR = re.compile(rb";\s*-+\s*DKIM key (\S+) for (\S+)")  # the comment that ends opendkim-genkey's .txt
_PARSED: Mapping[str, object] = MappingProxyType({})
"""The facts of a key without metadata: this object says that all that is known of it was read from its file."""


def domain_in_record(record: bytes | None) -> str:
    """Return the domain that the comment in opendkim-genkey's `.txt` names; empty without one."""
    made_for = _MADE_FOR.search(record or b"")
    return made_for[2].decode("ascii", "replace").lower().rstrip(".") if made_for else ""


def parsed_metadata(content: bytes, source: str, modified: float) -> Metadata:
    """Return what a private key file says of itself; `modified`: seconds since 1970. Raises as `parse_public`.

    With its public half, so that `KeyReader.public` need not parse the same file again.
    """
    public = pairs.parse_public(content, source)
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(modified))  # a fifth of the time that a datetime takes
    return Metadata(public.algorithm, public.bits, made, facts=_PARSED).with_public(public, content)


def just_parsed(known: Metadata) -> PublicKey | None:
    """Return the public half of a key without metadata, whose private key file was parsed for want of them."""
    return PublicKey(known.algorithm, known.bits, known.public) if known.facts is _PARSED else None
