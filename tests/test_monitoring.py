"""What is shipped for monitoring: every metric and command that it names is one of the program's."""

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dkimctl.fleet.overview import FleetStatus, RelayStatus
from dkimctl.output.fleet_relays import prometheus_lines
from tests.conftest import REPOSITORY, DkimctlInside
from tests.test_status_next_step import dkimctl as dkimctl  # a domain at rest

PLACE = REPOSITORY / "dkimctl/monitoring"
RULES, DASHBOARD = PLACE / "dkimctl-alerts.yml", PLACE / "dkimctl-grafana.json"


def metrics(text: str) -> set[str]:
    """The metrics that a text names."""
    return set(re.findall(r"\bdkimctl_[a-z_]+", text))


def a_fleet() -> FleetStatus:
    """A fleet with one relay, of which everything is known."""
    at = "2026-11-23T10:00:00Z"
    relay = RelayStatus("mx1", "approved", "words", "host", 1, 0, at, True, at, "reloaded", "", 0)
    return FleetStatus("id", 1, 1, 0, (), (), 1, (relay,))


def expressions() -> list[str]:
    """The expressions of the dashboard."""
    document: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in document["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("text", [RULES.read_text(), "\n".join(expressions())], ids=["rules", "dashboard"])
def test_every_metric_is_one_of_the_program(dkimctl: DkimctlInside, text: str) -> None:
    """A rule about a metric that nobody writes would never fire."""
    written = metrics(dkimctl("status", "--format", "prometheus").out)
    written |= metrics("".join(prometheus_lines(a_fleet(), datetime.now(UTC))))  # of a control host, by either command
    assert metrics(text)
    assert metrics(text) <= written


@pytest.mark.parametrize("name", ["dkimctl-icinga2.conf", "dkimctl-nagios.cfg"])
def test_every_check_is_one_of_the_program(dkimctl: DkimctlInside, name: str) -> None:
    """Each takes --format nagios and answers with one status line."""
    text = (PLACE / name).read_text()
    assert "--format" in text and "nagios" in text
    assert {"status", "verify-dns", "doctor"} <= set(re.findall(r"[a-z-]+", text))
    assert dkimctl("status", "--format", "nagios").out.startswith("DKIM KEYS ")


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    """Each has a place and a number of its own."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))


def test_they_are_installed() -> None:
    """README names the directory; the wheel puts them there."""
    settings = (REPOSITORY / "pyproject.toml").read_text()
    assert '"dkimctl/monitoring" = "share/dkimctl"' in settings
    assert "/share/dkimctl" in Path(REPOSITORY / "README.md").read_text()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt-get install prometheus)")
def test_promtool_accepts_the_rules_and_the_expressions(tmp_path: Path) -> None:
    """Prometheus itself can read them."""
    asked = tmp_path / "dashboard.yml"  # JSON is YAML
    rules = [{"record": f"panel{number}", "expr": expr} for number, expr in enumerate(expressions())]
    asked.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    ended = subprocess.run(["promtool", "check", "rules", RULES, asked], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
