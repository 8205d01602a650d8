"""The copies of header fields in `z=` (RFC 6376 §3.5): the fields at the time of signing."""

import re

from dkimctl.record.taglist import TagList

_HEX = re.compile(r"=([0-9A-F]{2})")


def copies_in(tags: TagList) -> dict[str, list[bytes]]:
    """Return the values in `z=` under their field names in lower case, in order, with their original white space."""
    found: dict[str, list[bytes]] = {}
    for copy in tags.get("z").split("|") if "z" in tags else ():
        name, _, encoded = copy.partition(":")
        text = _HEX.sub(lambda match: chr(int(match[1], 16)), re.sub(r"[ \t\r\n]+", "", encoded))
        found.setdefault(name.strip().lower(), []).append(text.encode("latin-1", "replace"))
    return found
