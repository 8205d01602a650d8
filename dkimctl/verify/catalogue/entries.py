"""How an entry of the catalogue of DNS findings is made."""

from dkimctl.findings import Entry, Severity

CATALOGUE: dict[str, Entry] = {}
OK, INFO, WARNING, UNKNOWN, ERROR = (
    Severity.OK,
    Severity.INFO,
    Severity.WARNING,
    Severity.UNKNOWN,
    Severity.ERROR,
)


def entry(code: int, severity: Severity, title: str, meaning: str, fix: str = "", *, verifiers: str = "") -> Entry:
    """A new entry; a code is given once."""
    made = Entry(f"DKIM{code}", severity, title, meaning, fix, verifiers)
    assert made.code not in CATALOGUE
    CATALOGUE[made.code] = made
    return made
