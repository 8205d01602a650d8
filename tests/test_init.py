"""`init`: what it puts in place, that nothing of a person's is touched, and --uninstall."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dkimctl.config.commented import commented_file
from dkimctl.config.load import load_settings
from dkimctl.config.settings import DomainSettings, Fleet, Lifecycle, Settings, Signing
from dkimctl.errors import Refused
from dkimctl.fleet.state import RelayState, write_state
from dkimctl.manual.configuration import example_file
from dkimctl.timer import init, program, relay_units, units
from dkimctl.timer.init import Outcome
from tests.conftest import Dkimctl, needs

PROGRAM = ["/usr/bin/dkimctl"]
UNITS = "etc/systemd/system"
ROTATING = {units.SERVICE, units.TIMER, units.FAILED}
FOLLOWING = {relay_units.SYNC, relay_units.TIMER, relay_units.WATCH, relay_units.BEFORE_START, relay_units.START_AGAIN}


def tree_of(root: Path) -> dict[str, bytes | None]:
    """Every file with its content, every directory with None."""
    return {str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in root.rglob("*")}


def outcomes(done: init.Done) -> dict[str, str]:
    """What became of each file, by its name."""
    return {Path(file.path).name: file.outcome for file in done.files}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A tree in which something is there already."""
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/other.service").write_text("[Service]\n")
    return Settings(root=tmp_path)


def test_uninstall_leaves_the_tree_as_it_was(settings: Settings) -> None:
    """Exactly what was put there is taken away, and both may be repeated."""
    before = tree_of(settings.root)
    assert set(outcomes(init.install(settings, PROGRAM)).values()) == {Outcome.MADE}
    after = tree_of(settings.root)
    assert set(outcomes(init.install(settings, PROGRAM)).values()) == {Outcome.UNCHANGED}
    assert tree_of(settings.root) == after
    assert set(outcomes(init.uninstall(settings)).values()) == {Outcome.REMOVED}
    assert tree_of(settings.root) == before
    assert init.uninstall(settings).files == ()
    assert tree_of(settings.root) == before


def test_files_of_a_person_stay(settings: Settings) -> None:
    """One that was there before, and one that was changed since: neither replaced nor removed, and both named."""
    config = settings.root / "etc/dkimctl/dkimctl.toml"
    config.parent.mkdir()
    config.write_text('provider = "ovh"\n')
    done = outcomes(init.install(settings, PROGRAM))
    assert done["dkimctl.toml"] == Outcome.KEPT
    timer = settings.root / UNITS / units.TIMER
    timer.write_text("[Timer]\nOnCalendar=weekly\n")
    (settings.root / "etc/dkimctl/hooks/deploy.d/10-mine").write_text("#!/bin/sh\n")
    assert outcomes(init.install(settings, PROGRAM))[units.TIMER] == Outcome.KEPT
    done = outcomes(init.uninstall(settings))
    assert done[units.TIMER] == Outcome.KEPT
    assert done[units.SERVICE] == Outcome.REMOVED
    assert "dkimctl.toml" not in done  # it was never ours
    assert config.read_text() == 'provider = "ovh"\n'
    assert timer.exists()
    assert (settings.root / "etc/dkimctl/hooks/deploy.d/10-mine").exists()
    assert not (settings.root / "etc/dkimctl/hooks/pre.d").exists()


def test_unchanged_units_follow_the_configuration(settings: Settings) -> None:
    """Other hours, another path, a newer version: what nobody has touched is brought up to date, and still ours."""
    before = tree_of(settings.root)
    init.install(settings, PROGRAM)
    moved = Settings(root=settings.root, lifecycle=Lifecycle(hours=(7200, 18000)))
    done = outcomes(init.install(moved, ["/opt/dkimctl/bin/dkimctl"]))
    assert {name for name, outcome in done.items() if outcome == Outcome.UPDATED} == {units.SERVICE, units.TIMER}
    init.uninstall(moved)
    assert tree_of(settings.root) == before


def test_run_that_was_killed_is_completed_or_taken_back(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note comes first, so that whatever is there of it is known to be ours."""
    before = tree_of(settings.root)
    written: list[Path] = []

    def write(path: Path, content: bytes) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        path.write_bytes(content)

    for is_completed in (False, True):
        written.clear()
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(init, "write_file", write)
            init.install(settings, PROGRAM)
        assert tree_of(settings.root) != before
        if is_completed:
            assert Outcome.KEPT not in outcomes(init.install(settings, PROGRAM)).values()
        init.uninstall(settings)
        assert tree_of(settings.root) == before


def test_commented_configuration_says_what_none_says(tmp_path: Path) -> None:
    """Every line is a comment; without the `#` before keys and tables it is the manual's example."""
    file = tmp_path / "dkimctl.toml"
    file.write_text(commented_file())
    loaded, default = load_settings(str(file), str(tmp_path), {}), Settings(root=tmp_path, source=file)
    assert (loaded.domains, loaded.lifecycle, loaded.signing) == ({}, default.lifecycle, default.signing)
    keys = [line[1:] for line in commented_file().splitlines() if line.startswith("#") and line[1:2] != " "]
    assert keys == [line for line in example_file().splitlines() if line]
    assert max(len(line) for line in commented_file().splitlines() if line.startswith("# ")) <= 120


def test_service_may_write_where_a_rotation_writes(tmp_path: Path) -> None:
    """The paths of the configuration, and the directory of each zone file that it names."""
    domains = {"example.com": DomainSettings(provider="zonefile:/srv/zones/db.example.com")}
    rules = Lifecycle(publish_retired="/var/www/keys")
    settings = Settings(provider="zonefile:/etc/bind/db", domains=domains, lifecycle=rules)
    text = units.service(settings, ["/a b/dkimctl", "rotate", "50%"])
    for place in ("/etc/opendkim", "/etc/opendkim/keys", "/etc/postfix", "/srv/zones", "/etc/bind", "/var/www/keys"):
        assert f"\nReadWritePaths=-{place}\n" in text
    assert '\nExecStart="/a b/dkimctl" rotate 50%%\n' in text


def test_timer_comes_within_the_hours_of_switches() -> None:
    """Also with the delay by which hosts are spread."""
    text = units.timer(Settings(lifecycle=Lifecycle(hours=(22 * 3600, 2 * 3600))))
    assert "\nOnCalendar=*-*-* 22:00:00 UTC\nRandomizedDelaySec=180min\n" in text


def test_a_fleet_is_looked_at_every_ten_minutes() -> None:
    """Its domains wait for relays, and each knows when it is due."""
    text = units.timer(Settings(fleet=Fleet(database="postgresql:///dkimctl")))
    assert "\nDescription=Look every ten minutes whether a DKIM key is due\n" in text
    assert "\nOnCalendar=*:0/10\n" in text


def as_relay(root: Path, **fleet: Any) -> Settings:
    """Settings of a host that joined a fleet."""
    (root / "etc/dkimctl").mkdir(parents=True, exist_ok=True)
    (root / "etc/dkimctl/relay.age").touch()
    return Settings(root=root, fleet=Fleet(database="postgresql:///dkimctl", **fleet))


def test_a_relay_syncs_and_rotates_nothing(settings: Settings) -> None:
    """A host that joins a fleet changes its units at the next init, and back; --uninstall takes all of them away."""
    before = tree_of(settings.root)
    init.install(settings, PROGRAM)
    done = outcomes(init.install(as_relay(settings.root), PROGRAM))
    assert {name for name, outcome in done.items() if outcome == Outcome.REMOVED} == ROTATING
    assert {name for name, outcome in done.items() if outcome == Outcome.MADE} == FOLLOWING
    both = as_relay(settings.root)
    (settings.root / "etc/dkimctl/fleet.age").touch()
    init.install(both, PROGRAM)
    assert {path.name for path in (settings.root / UNITS).glob("dkimctl-*")} == ROTATING | FOLLOWING
    assert not (settings.root / "etc/opendkim").exists()  # the first pass, by hand, makes what no unit may
    init.uninstall(both)
    (settings.root / "etc/dkimctl/fleet.age").unlink()
    (settings.root / "etc/dkimctl/relay.age").unlink()
    (settings.root / "etc/dkimctl").rmdir()
    assert tree_of(settings.root) == before


def test_a_relay_is_told_of_its_first_pass(settings: Settings) -> None:
    """No unit may write opendkim.conf: without a pass by hand each one of the timer fails."""
    assert not init.install(settings, PROGRAM).first
    relay = as_relay(settings.root)
    assert init.install(relay, PROGRAM).first == "dkimctl fleet sync"
    write_state(relay, RelayState("fleet", "mx1"))
    assert not init.install(relay, PROGRAM).first


def test_a_signer_starts_with_old_keys_unless_that_is_forbidden(tmp_path: Path) -> None:
    """The unit comes before the signer's; the signer needs it only where max_stale is set."""
    for fleet, needed in (({}, "WantedBy=rspamd.service"), ({"max_stale": 3600}, "RequiredBy=rspamd.service")):
        settings = replace(as_relay(tmp_path, **fleet), signing=Signing(signer="rspamd"))
        text = relay_units.relay_units(settings, ["/usr/bin/dkimctl", "fleet", "sync"])[relay_units.BEFORE_START]
        assert f"\n{needed}\n" in text and "\nBefore=rspamd.service\n" in text
        assert "\nExecStart=/usr/bin/dkimctl fleet sync --before-start\n" in text
        assert f"\nOnFailure={relay_units.START_AGAIN}\n" in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (systemd)")
@pytest.mark.parametrize("is_relay", [False, True])
def test_units_are_what_systemd_reads(tmp_path: Path, is_relay: bool) -> None:
    """systemd finds nothing to say about them, and the rights of the services are few: an exposure of 3.3 at most."""
    program = tmp_path / "dkimctl"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    init.install(as_relay(tmp_path) if is_relay else Settings(root=tmp_path), [str(program)])
    paths = [str(path) for path in (tmp_path / UNITS).glob("dkimctl-*")]
    assert {Path(path).name for path in paths} == (FOLLOWING if is_relay else ROTATING)
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True)
    assert [line for line in checked.stderr.splitlines() if "dkimctl-" in line] == []
    asking = (units.FAILED, relay_units.START_AGAIN)  # they do nothing by themselves
    services = [path for path in paths if path.endswith(".service") and not path.endswith(asking)]
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=33", "--no-pager", *services]
    judged = subprocess.run(command, capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout


@needs(root=True)
def test_program_that_others_can_change_is_no_daily_job_of_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer would run as root whatever its owner puts there."""
    theirs = tmp_path / "dkimctl"
    theirs.write_text("#!/bin/sh\n")
    os.chown(theirs, 65534, 65534)
    monkeypatch.setattr(sys, "argv", [str(theirs)])
    with pytest.raises(Refused, match="others can change"):
        program.own_program(Settings())
    assert program.own_program(Settings(root=tmp_path)) == PROGRAM


def test_command_shows_each_file(dkimctl_inside: Dkimctl) -> None:
    """For people and as JSON; what a person changed is a warning, but for the configuration, which is theirs."""
    ran = dkimctl_inside("init")
    assert ran.code == 0
    assert "made      /etc/systemd/system/dkimctl-rotate.timer\n" in ran.out
    assert "systemctl enable dkimctl-rotate.timer" in ran.err
    with (dkimctl_inside.root / "etc/dkimctl/dkimctl.toml").open("a") as stream:
        stream.write("# mine\n")
    ran = dkimctl_inside("init")
    assert "kept      /etc/dkimctl/dkimctl.toml\n" in ran.out and "by a person" not in ran.err
    (dkimctl_inside.root / "etc/dkimctl/hooks/README").write_text("mine\n")
    ran = dkimctl_inside("init", "--uninstall", "--json")
    document = json.loads(ran.out)
    assert {"path": "/etc/dkimctl/hooks/README", "outcome": "kept"} in document["init"]["files"]
    assert "/etc/dkimctl/hooks/README was written or changed by a person" in ran.err


def test_damaged_note_is_an_error(dkimctl_inside: Dkimctl) -> None:
    """Without it nobody can tell what is ours, so nothing is removed."""
    dkimctl_inside("init")
    (dkimctl_inside.root / "var/lib/dkimctl/init.json").write_text("{}")
    ran = dkimctl_inside("init", "--uninstall")
    assert (ran.code, ran.out) == (1, "")
    assert "init.json is damaged" in ran.err
    assert (dkimctl_inside.root / "etc/systemd/system/dkimctl-rotate.timer").exists()
