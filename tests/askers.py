"""The two ways to ask: one test over both, and their reports compared."""

from dataclasses import replace

import pytest

from dkimctl.dns import asking
from dkimctl.verify.report import Report

ASKERS = ("dnspython", "engine")
"""Who asks: the library for a few names, our own engine for long lists."""


def use_asker(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all names, however few or many, asked for by one of ASKERS."""
    monkeypatch.setattr(asking, "FEW", 0 if name == "engine" else 1_000_000)


def timeless(report: Report) -> Report:
    """The same report without the time that answers took."""
    answers, resolvers = (
        tuple(replace(answer, milliseconds=0) for answer in some) for some in (report.answers, report.resolvers)
    )
    return replace(report, answers=answers, resolvers=resolvers)
