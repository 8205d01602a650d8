"""dkimctl-findings(7): every finding that the checks report."""

from collections.abc import Iterator

from dkimctl.catalogue import CATALOGUE
from dkimctl.findings import Entry
from dkimctl.manual.roff import escape, prose, section, see_also, title

_DESCRIPTION = """\
A finding has a code that never changes, a severity, what was seen, and what to do. `error` makes a check
exit with 1, `unknown` (it could not be checked) with 3; `warning`, `info` and `ok` with 0.
dkimctl inspect CODE prints one of these entries.
"""


def findings_page() -> str:
    """The page: the catalogue in the order of the codes."""
    lines = [
        title("dkimctl-findings", 7),
        *section("NAME", ["dkimctl\\-findings \\- what dkimctl's checks report"]),
        *section("DESCRIPTION", prose(_DESCRIPTION)),
        *section("FINDINGS", (line for _, entry in sorted(CATALOGUE.items()) for line in _entry(entry))),
        *see_also(("dkimctl-verify-dns (1)", "dkimctl-doctor (1)", "dkimctl-inspect (1)")),
    ]
    return "\n".join(lines) + "\n"


def _entry(entry: Entry) -> Iterator[str]:
    yield from (".TP", f"\\fB{entry.code}\\fR ({entry.severity.value}): {escape(entry.title)}", escape(entry.meaning))
    for label, text in (("Verifiers: ", entry.verifiers), ("Fix: ", entry.fix)):
        if text:
            yield from (".br", escape(label + text))
