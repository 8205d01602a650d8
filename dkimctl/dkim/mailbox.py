"""A mailbox in the mbox format (RFC 4155): several messages in one file."""

from collections.abc import Iterator

MOST_MESSAGES = 20


def messages_in(content: bytes) -> tuple[list[bytes], int]:
    """Return the first messages, and how many more there are; each begins with its line "From "."""
    starts = [*_starts(content)]
    ends = [*starts[1:], len(content)]
    parts = [content[start:end] for start, end in zip(starts[:MOST_MESSAGES], ends, strict=False)]
    return parts, max(len(starts) - MOST_MESSAGES, 0)


def _starts(content: bytes) -> Iterator[int]:
    yield 0
    position = content.find(b"\nFrom ")
    while position >= 0:
        follows_empty_line = content[max(position - 2, 0) : position].endswith((b"\n", b"\n\r"))
        if follows_empty_line and _is_header(content, content.find(b"\n", position + 1) + 1):
            yield position + 1
        position = content.find(b"\nFrom ", position + 1)


def _is_header(content: bytes, start: int) -> bool:
    name, colon, _ = content[start : start + 80].partition(b":") if start else (b"", b"", b"")
    return bool(colon) and name.strip(b" \t").replace(b"-", b"").isalnum()
