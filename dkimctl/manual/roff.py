"""Text as man(7) macros."""

import re
from collections.abc import Iterable, Iterator

from dkimctl.version import VERSION


def title(name: str, section: int) -> str:
    """The first line of a page."""
    return f'.TH {name.upper()} {section} "" "dkimctl {VERSION}" "System administration"'


def section(heading: str, lines: Iterable[str]) -> list[str]:
    """A section with its heading."""
    return [f".SH {heading}", *lines]


def definitions(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Terms in bold, each with its text indented below."""
    for term, text in pairs:
        yield from (".TP", f"\\fB{escape(term)}\\fR", escape(text))


def prose(text: str) -> Iterator[str]:
    """Click's help text: paragraphs, of which those after a line `\\b` keep their line ends."""
    for paragraph in filter(None, re.split(r"\n\s*\n", text.strip())):
        lines = [line.rstrip() for line in paragraph.splitlines()]
        if lines[0].strip() == "\b":
            yield from (".PP", ".nf", *map(escape, lines[1:]), ".fi")
        else:
            yield from (".PP", escape(" ".join(line.strip() for line in lines)))


def example(text: str) -> Iterator[str]:
    """Lines as they are typed."""
    yield from (".PP", ".nf", ".RS", *map(escape, text.splitlines()), ".RE", ".fi")


def see_also(pages: Iterable[str]) -> list[str]:
    """The last section: `opendkim (8)` and so on, separated by commas."""
    listed = list(pages)
    ends = [","] * (len(listed) - 1) + [""]
    return section("SEE ALSO", (f".BR {escape(page)}{end}" for page, end in zip(listed, ends, strict=True)))


def escape(text: str) -> str:
    """`text` with everything escaped that roff would interpret."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("`", "\\(ga")
    return re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE)
