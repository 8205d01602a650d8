"""A signature's tag-list (RFC 6376 §3.2) read as far as it goes, mistakes noted."""

import re
from dataclasses import dataclass

from dkimctl.names import printable
from dkimctl.record.parse import SPACE

_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SPACES = re.compile(rf"[{SPACE}]+")
_WITHOUT_SPACE = frozenset({"b", "bh", "h", "a", "c", "d", "s", "q", "t", "x", "l", "i", "v", "cv"})
"""Tags in which white space means nothing."""


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags in their order, values unfolded."""

    tags: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    """What is wrong with its form, a line each."""

    def get(self, name: str, default: str = "") -> str:
        """The value of a tag (of the first, when it stands twice), or the default."""
        return next((value for other, value in self.tags if other == name), default)

    def __contains__(self, name: str) -> bool:
        return any(other == name for other, _ in self.tags)


def parse_tags(text: str) -> TagList:
    """The tag-list in the value of a header field."""
    tags: list[tuple[str, str]] = []
    problems = []
    specs = text.split(";")
    if not specs[-1].strip(SPACE):
        specs.pop()
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(SPACE)
        if not equals or not _TAG_NAME.fullmatch(name):
            problems.append(f"not of the form tag=value: {printable(spec.strip(SPACE), 40) or '(empty)'}")
            continue
        if any(name == other for other, _ in tags):
            problems.append(f"the tag {name}= stands twice")
        tags.append((name, _SPACES.sub("" if name in _WITHOUT_SPACE else " ", value).strip(" ")))
    return TagList(tuple(tags), tuple(problems))


def names_in(value: str) -> list[str]:
    """The field names of `h=`."""
    return [name.strip(SPACE) for name in value.split(":")]
