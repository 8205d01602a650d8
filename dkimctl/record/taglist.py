"""Tag lists (RFC 6376 §3.2), the form of key records and of signatures: read as far as possible, mistakes noted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

SPACE = " \t\r\n"  # folding white space (RFC 6376 §2.8); a bare CR or LF is accepted, as every verifier does
_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SPACES = re.compile(rf"[{SPACE}]+")
_WITHOUT_SPACE = frozenset({"b", "bh", "h", "a", "c", "d", "s", "q", "t", "x", "l", "i", "v", "cv"})
"""Tags of a signature in which white space means nothing."""

MOST_TAGS = 50_000
"""The tags of a list that are read: more than fit into any DNS record."""
MOST_PROBLEMS = 1_000
"""The mistakes of a list that are noted."""


class TagProblem(NamedTuple):
    """A mistake in the form of a tag list."""

    why: str
    """The mistake, for people."""
    is_repeated: bool = False
    """True for a tag that occurs twice, which makes the whole list invalid."""


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags in their order, repeated ones included."""

    tags: tuple[tuple[str, str], ...]
    problems: tuple[TagProblem, ...] = ()
    _values: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_values", dict(reversed(self.tags)))

    def get(self, name: str, default: str = "") -> str:
        """Return the value of a tag (of the first, when it occurs twice), or the default."""
        return self._values.get(name, default)

    def __contains__(self, name: str) -> bool:
        return name in self._values


def parse_tags(text: str) -> TagList:
    """Return the tags in `text`, without the white space around names and values. The last `;` may be left out."""
    tags: list[tuple[str, str]] = []
    problems: list[TagProblem] = []
    seen: set[str] = set()
    specs = text.split(";", MOST_TAGS)
    if len(specs) > MOST_TAGS:
        problems.append(TagProblem(f"more than {MOST_TAGS} tags: the rest was not read"))
        specs.pop()
    if not specs[-1].strip(SPACE):
        specs.pop()
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(SPACE)
        if not equals or not _TAG_NAME.fullmatch(name):
            why = f"{shown(spec)} is not of the form tag=value" if spec.strip(SPACE) else "a tag is empty (;;)"
            if len(problems) < MOST_PROBLEMS:
                problems.append(TagProblem(why))
            continue
        if name in seen and len(problems) < MOST_PROBLEMS:
            problems.append(TagProblem(f"the tag {name}= occurs twice", is_repeated=True))
        seen.add(name)
        tags.append((name, value.strip(SPACE)))
    return TagList(tuple(tags), tuple(problems))


def parse_signature_tags(text: str) -> TagList:
    """Return the tags in the value of a signature's header field, unfolded."""
    found = parse_tags(text)
    return replace(found, tags=tuple(_unfolded(found.tags)))


def _unfolded(tags: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    for name, value in tags:
        yield name, _SPACES.sub("" if name in _WITHOUT_SPACE else " ", value)


def items_in(value: str) -> list[str]:
    """Return the items of a list with colons between them: `h=`, and `s=` and `t=` of a key record."""
    return [item.strip(SPACE) for item in value.split(":")]


def shown(text: str) -> str:
    """Return a part of a tag list in quotation marks, fit for one line: what is not printable ASCII as `\\xNN`."""
    text = text.strip(SPACE)
    escaped = "".join(c if c.isascii() and c.isprintable() else f"\\x{ord(c):02x}" for c in text[:40])
    return f"“{escaped}{'…' if len(text) > 40 else ''}”"
