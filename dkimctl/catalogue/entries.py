"""The constructor of catalogue entries, and all entries by code."""

from dkimctl.findings import Entry, Severity

CATALOGUE: dict[str, Entry] = {}
"""Entries by code; complete once `dkimctl.catalogue` is imported."""

OK, INFO, WARNING, UNKNOWN, ERROR = (
    Severity.OK,
    Severity.INFO,
    Severity.WARNING,
    Severity.UNKNOWN,
    Severity.ERROR,
)


def entry(
    code: int,
    severity: Severity,
    title: str,
    meaning: str,
    fix: str = "",
    *,
    verifiers: str = "",
    stops_daemon: bool = False,
    about_dns: bool = False,
) -> Entry:
    """Return a new entry, and add it to the catalogue. Each code is used once."""
    made = Entry(f"DKIM{code}", severity, title, meaning, fix, verifiers, stops_daemon, about_dns)
    assert made.code not in CATALOGUE
    CATALOGUE[made.code] = made
    return made
