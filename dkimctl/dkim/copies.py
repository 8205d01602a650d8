"""The copies of header fields in `z=` (RFC 6376 §3.5): what the fields were when they were signed."""

import re

from dkimctl.record.taglist import TagList

_HEX = re.compile(r"=([0-9A-F]{2})")


def copies_in(tags: TagList) -> dict[str, list[bytes]]:
    """Return the values in `z=` under their field names in lower case, in their order, white space as it was."""
    found: dict[str, list[bytes]] = {}
    for copy in tags.get("z").split("|") if "z" in tags else ():
        name, _, encoded = copy.partition(":")
        text = _HEX.sub(lambda match: chr(int(match[1], 16)), re.sub(r"[ \t\r\n]+", "", encoded))
        found.setdefault(name.strip().lower(), []).append(text.encode("latin-1", "replace"))
    return found
