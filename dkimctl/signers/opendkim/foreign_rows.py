"""The rows of a table that are not ours."""

from dkimctl.opendkim.managed_block import Foreign
from dkimctl.opendkim.tables import Row, rows


def foreign_rows(foreign: Foreign, *, patterns: bool) -> tuple[Row, ...]:
    """The rows on a person's lines, with the line numbers of the file."""
    return tuple(
        Row(row.key, row.value, line.number) for line in foreign.lines for row in rows([line.text], patterns=patterns)
    )
