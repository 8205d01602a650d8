"""What our rows of the KeyTable are called: as their domain, so that the SigningTable stays when a key is exchanged.

The daemon reads both tables whole at each reload, some 20 ns an octet: with the name of the key record in place of the
domain, which earlier versions wrote, 1,000,000 domains took a quarter longer. Its log names the row where a key cannot
be used (`error loading key 'example.com'`), so the name has to mean something to a person.
"""

from collections.abc import Iterator

from dkimctl.opendkim.managed_block import Foreign
from dkimctl.opendkim.tables import Row
from dkimctl.signers.opendkim.foreign_rows import foreign_rows
from dkimctl.signers.rendered import SigningKey


class RowNames:
    """The names of our rows among other people's lines in the two tables.

    A key whose domain is the name of a row of theirs has the name of its record; so has one that a line of theirs calls
    by that, as it was when our rows had such names.
    """

    def __init__(self, key_table: Foreign, signing_table: Foreign) -> None:
        theirs = {row.key for row in foreign_rows(key_table, patterns=False)}
        self._taken = {name.lower() for name in theirs}
        self._has_patterns = any("*" in name for name in theirs)
        called = {name for row in foreign_rows(signing_table, patterns=False) for name in key_names(row)}
        self._called = called - theirs

    def of(self, key: SigningKey) -> str:
        """Return the name of a key's row."""
        usual = not (self._taken or self._called) or not self._needs_long(key)
        return key.domain if usual else key.name

    def _needs_long(self, key: SigningKey) -> bool:
        return self._has_patterns or key.domain in self._taken or key.name in self._called


def key_names(row: Row) -> Iterator[str]:
    """Yield the rows of the KeyTable that a row of the SigningTable names."""
    for part in row.value.split("|"):
        name = part.strip().partition(":")[0]
        if name and name != "%":
            yield name
