"""Whether `rotate` still runs: `status`, `doctor` and monitoring say when it last did, and when nothing runs it."""

import json
import os
from pathlib import Path

import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.load import load_settings
from dkimctl.config.settings import Settings
from dkimctl.keys.directory import KeyDirectory
from dkimctl.lifecycle import last_run
from dkimctl.lifecycle.last_run import rotation_findings
from dkimctl.timer.units import TIMER
from tests.conftest import DkimctlInside
from tests.test_lifecycle_status import configure
from tests.test_status_next_step import DOMAIN, ago, note
from tests.test_status_next_step import dkimctl as dkimctl  # a domain at rest

CODE = "DKIM916"
ENABLED = "etc/systemd/system/timers.target.wants"


def ran(dkimctl: DkimctlInside, days: float) -> str:
    """`rotate` ran so many days ago; when that was."""
    state = dkimctl.root / "var/lib/dkimctl/rotate.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    at = ago(days)
    state.write_text(json.dumps({"schema": 1, "last_run": at}))
    return at


def enable(dkimctl: DkimctlInside) -> None:
    """The link that `systemctl enable` makes, long ago."""
    link = dkimctl.root / ENABLED / TIMER
    link.parent.mkdir(parents=True)
    link.symlink_to(f"/etc/systemd/system/{TIMER}")


def told(dkimctl: DkimctlInside, command: str = "status") -> list[str]:
    """What is found about the last run."""
    document = dkimctl(command, "--json").json
    found = document["status"]["findings"] if command == "status" else document["findings"]
    return [one["seen"] for one in found if one["code"] == CODE]


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_a_run_that_is_days_ago_is_told(dkimctl: DkimctlInside, command: str) -> None:
    """With the date, as a warning: the timer runs every day. Before that nobody is told."""
    ran(dkimctl, 2.9)
    assert told(dkimctl, command) == []
    at = ran(dkimctl, 4)
    assert told(dkimctl, command) == [f"it last ran at {at}, 4 days ago"]


def test_monitoring_knows_the_last_run(dkimctl: DkimctlInside) -> None:
    """A metric with its time, WARNING for Nagios, a line also with -q; the document has the time as well."""
    name = "\ndkimctl_rotate_last_run_timestamp_seconds "
    assert name not in dkimctl("status", "--format", "prometheus").out
    at = ran(dkimctl, 4)
    assert name in dkimctl("status", "--format", "prometheus").out
    run = dkimctl("status", "--format", "nagios")
    assert (run.code, CODE in run.out) == (1, True)
    assert CODE in dkimctl("status", "-q").out
    assert dkimctl("status", "--json").json["status"]["last_run"] == at


def test_where_nothing_is_done_by_itself_nothing_needs_to_run(dkimctl: DkimctlInside) -> None:
    """Automation off, or the only domain held: silent, unless the timer is enabled, which then looks at DNS."""
    ran(dkimctl, 4)
    configure(dkimctl, 'provider = "zonefile:/nowhere"\n[lifecycle]\nautomation = "off"\n')
    assert told(dkimctl) == []
    configure(dkimctl, 'provider = "zonefile:/nowhere"\n')
    assert dkimctl("hold", DOMAIN).code == 0
    assert told(dkimctl) == []
    enable(dkimctl)
    (link,) = (dkimctl.root / ENABLED).iterdir()
    assert told(dkimctl) == [], "it was enabled just now"
    os.utime(link, (0, 0), follow_symlinks=False)
    assert len(told(dkimctl)) == 1


def test_a_key_that_signs_since_yesterday_needs_no_run_yet(dkimctl: DkimctlInside) -> None:
    """A host that was set up again after a long time has three days to begin."""
    ran(dkimctl, 300)
    note(dkimctl, "a", created=ago(1), history=[])
    assert told(dkimctl) == []


def test_a_host_on_which_it_never_ran(dkimctl: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a live machine a key has signed for days, and nothing was ever set up to rotate it: init is the fix."""
    settings = load_settings(None, str(dkimctl.root), {})
    store = KeyDirectory(dkimctl.root / "etc/opendkim/keys", shown="/etc/opendkim/keys")
    assert rotation_findings(settings, store, SYSTEM_CLOCK) == ()
    monkeypatch.setattr(Settings, "is_live", True)
    monkeypatch.setattr(last_run, "installed_keys", lambda _: frozenset({(DOMAIN, "a")}))
    [found] = rotation_findings(settings, store, SYSTEM_CLOCK)
    assert (found.code, found.seen) == (CODE, "it never ran")
    assert found.fix.startswith("sudo dkimctl init")


def test_the_link_is_that_of_the_timer(dkimctl: DkimctlInside) -> None:
    """The timer that `init` writes is wanted by the target whose directory is looked at."""
    assert dkimctl("init").code == 0
    unit = Path(dkimctl.root / "etc/systemd/system" / TIMER).read_text()
    assert f"WantedBy={ENABLED.rpartition('/')[2].removesuffix('.wants')}\n" in unit


@pytest.mark.parametrize("days", [-1, 500])
def test_a_clock_that_jumped_is_told(dkimctl: DkimctlInside, days: float) -> None:
    """As `rotate` changes nothing then; what it says itself has no empty name before it."""
    ran(dkimctl, days)
    found = [one["code"] for one in dkimctl("status", "--json").json["status"]["findings"]]
    assert found == ["DKIM917"]
    assert dkimctl("status", "--format", "nagios").code == 1
    assert dkimctl("rotate").err.startswith("dkimctl: warning: waits: the last run was at ")
