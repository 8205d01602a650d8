"""The language of the project: plain technical English. Words that only this code base used do not come back.

Every string, comment, docstring, identifier and file name is read, and so are README and the completions.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

WORDS = {
    r"mend(s|ed|ing)?": "fix, repair",
    r"whoever": "who, anyone who, a user who",
    r"bears?|bearing|bore|borne": "handle, tolerate, accept",
    r"stand|stands|standing|stood": "be, lie, occur, be written",
    r"behind": "after; at the end of",
    r"(take|takes|taken|took|taking) up": "reload, read, start to use",
    r"told (off|late)": "report",
    r"(give|gives|gave|given|giving) up its place": "be replaced",
    r"(is|are|be|was) content": "accept, be satisfied by",
    r"goe?s? without saying": "default",
    r"crews?": "worker pool",
    r"homeless|misfits?": "outside every zone, not matched",
    r"strangers?": "another user, a user without rights",
    r"praises?": "a finding that confirms",
    r"unsettled": "in an intermediate state",
    r"unsaid": "missing",
    r"come(s)? to (its|their|an) end": "end, finish",
    r"hear(s|d)? of": "is told, is called with, notices; heard from",
    r"looked after": "handled, rotated",
    r"forgiv(e|es|en|ing)": "tolerate, ignore",
    r"looked into": "read",
    r"data bases?": "database",
    r"nobody listens": "nothing listens",
    r"is no (regular file|option|algorithm|header field|octet)": "is not a",
    r"comes? to lie": "be, move",
    r"anew": "again",
    r"lest": "so that … not",
    r"seldom": "rarely",
    r"somebody": "a person, a user, another program; someone",
    r"sign(s|ed)? on with": "keep signing with",
    r"(told|tells?) apart": "distinguish",
    r"left alone": "not touched; ignored",
}
"""Pattern of a stock word → what to write instead. In identifiers a word is what `_` or a capital begins."""

_NUMBERED = re.compile(
    r"\{[^{}]*\} (?:more |private )?("
    r"(?:domains|keys|relays|generations|messages|records|findings|switches|days|minutes|rows)\b[^\"{]*)"
)
ALWAYS_SEVERAL = {
    "keys were compared with those known to be bad",
    "records within other text",
    "records, as dig +short shows them",
    "records, a line each",
    "records (",
    "messages",
    "keys",
    "domains",
    "rows fit: the daemon signs only by the first and the last",
    "records",
    "records: ",
    "days old mail keeps it",
}
"""What follows a number that is never one, or was asked for that."""

_ORDINARY = re.compile(
    r"\b(?:stand(?:s|ing)?[\s#]+(?:for|alone)|(?:left|leaves?|leaving|negative|lags?)(?:[\s#]+\w+)?[\s#]+behind"
    r"|behind[\s#]+(?:an?[\s#]+|the[\s#]+)?(?:proxy|firewall|NAT)|sealed anew)\b",
    re.IGNORECASE,
)
"""Uses of these words that are everybody's, and a key of a JSON document, which stays."""

_FORBIDDEN = re.compile(
    "|".join(rf"(?P<w{n}>\b(?:{pattern})\b)" for n, pattern in enumerate(WORDS)).replace(" ", r"[\s#]+"), re.IGNORECASE
)


def stock_words(text: str) -> Iterator[tuple[int, str, str]]:
    """The line, the word and what to write instead, of each stock word in a text."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text.replace("_", " "))
    plain = _ORDINARY.sub(lambda found: "\n" * found[0].count("\n"), words)
    for found in _FORBIDDEN.finditer(plain):
        number = plain.count("\n", 0, found.start()) + 1
        yield number, found[0], list(WORDS.values())[int(str(found.lastgroup)[1:])]


def texts() -> Iterator[Path]:
    """Every file that people read as text of this project, relative to its top."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "dkimctl", "tests", "completions", "README.md"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=True,
    ).stdout.splitlines()
    return (Path(name) for name in listed if (REPOSITORY / name).is_file() and name != "tests/test_words.py")


def test_a_number_has_its_noun_in_the_right_form() -> None:
    """`1 domains` is printed nowhere: `names.counted` writes a number that may be one."""
    sources = sorted((REPOSITORY / "dkimctl").rglob("*.py"))
    found = [f"{path.name}: {said}" for path in sources for said in _NUMBERED.findall(path.read_text())]
    assert [one for one in found if one.partition(": ")[2] not in ALWAYS_SEVERAL] == []


def test_the_project_has_no_words_of_its_own() -> None:
    """Each hit is listed with its place and a plain word for it."""
    found = []
    for path in texts():
        hits = [*stock_words(str(path)), *stock_words((REPOSITORY / path).read_text("utf-8", "replace"))]
        found += [f"{path}:{line} “{word}”: {better}" for line, word, better in hits]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "text", ["mended = 1", "class NotTakenUp:", "# takes\n    # up", "it stands in a file", "Whoever", "is_content"]
)
def test_stock_words_are_seen_wherever_they_are(text: str) -> None:
    """In identifiers, in comments, across lines, in capitals."""
    assert list(stock_words(text))


@pytest.mark.parametrize(
    "text", ["recommended", "bearer", "it stands for", "a standard", "behind a proxy", "leaves nothing behind"]
)
def test_ordinary_words_pass(text: str) -> None:
    """What only contains such a word, or means something else, passes."""
    assert not list(stock_words(text))
