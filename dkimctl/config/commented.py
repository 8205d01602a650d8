"""A configuration file in which every key is a comment, to begin with: it says what an empty one says."""

from collections.abc import Iterator
from textwrap import wrap

from dkimctl.config.reference import REFERENCE
from dkimctl.config.reference_table import TableReference

_HEADER = """\
# dkimctl's configuration: man dkimctl.toml
# Every line is a comment, and what it shows is the default, or an example where there is none.
# To change something, take the `#` away from the key and from the header of its table.
"""


def commented_file() -> str:
    """Return the file."""
    return "\n".join([_HEADER, *("\n".join(_table(table)) + "\n" for table in REFERENCE)])


def _table(table: TableReference) -> Iterator[str]:
    if table.header:
        yield f"#[{table.header}]"
    yield from _words(table.meaning)
    for key in table.keys:
        yield from _words(key.meaning)
        yield f"#{key.name} = {key.default}"


def _words(text: str) -> Iterator[str]:
    return (f"# {line}" for line in wrap(text, 110))
