"""How an entry of the host's catalogue is made."""

from dkimctl.findings import Entry, Severity

CATALOGUE: dict[str, Entry] = {}
ERROR, WARNING, INFO, UNKNOWN, OK = (
    Severity.ERROR,
    Severity.WARNING,
    Severity.INFO,
    Severity.UNKNOWN,
    Severity.OK,
)


def entry(code: int, severity: Severity, title: str, meaning: str, fix: str = "") -> Entry:
    """A new entry; a code is given once."""
    made = Entry(f"DKIM{code}", severity, title, meaning, fix)
    assert made.code not in CATALOGUE
    CATALOGUE[made.code] = made
    return made
