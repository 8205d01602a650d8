"""The text format of Prometheus, as every command prints it for the textfile collector of node_exporter."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from dkimctl.findings import Severity
from dkimctl.output.escapes import OF_LABELS


def head(name: str, text: str) -> str:
    """Return the lines that come before the samples of a gauge. `text`: what it means."""
    return f"# HELP {name} {text}\n# TYPE {name} gauge\n"


def labels(**values: str) -> str:
    """Return the labels of a sample in their braces; what would end one of them is escaped."""
    return "{" + ",".join(f'{name}="{value.translate(OF_LABELS)}"' for name, value in values.items()) + "}"


def unix_time(text: str | None) -> int | None:
    """Return the Unix time; None when the moment is not known, or not written as one with its offset."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return None if moment.tzinfo is None else int(moment.timestamp())


def finding_counts(name: str, text: str, counts: Mapping[tuple[str, Severity], int]) -> Iterator[str]:
    """Yield how often each code was found with each severity; OK is no finding."""
    yield head(name, text)
    for (code, severity), count in sorted(counts.items()):
        if severity is not Severity.OK:
            yield f"{name}{labels(code=code, severity=severity.value)} {count}\n"


def last_check(name: str, now: datetime) -> str:
    """Return the metric that says how old the others are."""
    return head(name, "Time of this check.") + f"{name} {now.timestamp():.0f}\n"
