"""`init` beside a package that has the units, and what `doctor` says of units that `init` should be run again for."""

from dataclasses import replace
from pathlib import Path

import pytest

from dkimctl.config.settings import Lifecycle, Settings
from dkimctl.programs import Ended
from dkimctl.timer import init, relay_units, systemd, units
from dkimctl.timer.files import PACKAGED, rotation_units
from dkimctl.timer.init import Outcome
from dkimctl.timer.outdated import unit_findings
from tests.conftest import DkimctlInside
from tests.test_init import PROGRAM, ROTATING, UNITS, as_relay, outcomes
from tests.test_init import settings as settings  # a tree in which something is there already

OTHER_HOURS = Lifecycle(hours=(7200, 18000))


def install_package(settings: Settings, place: str = PACKAGED[0]) -> None:
    """The units of the package, as it is built."""
    directory = settings.at(place)
    directory.mkdir(parents=True, exist_ok=True)
    rotating = rotation_units(settings, [*PROGRAM, "rotate"])
    following = relay_units.relay_units(settings, [*PROGRAM, "fleet", "sync"])
    for name, text in (rotating | following).items():
        (directory / name).write_text(units.packaged(text))


def test_units_of_the_package_are_used(settings: Settings) -> None:
    """Nothing of the same name is written, and all of it is named; in either directory of Debian's."""
    for place in PACKAGED:
        install_package(settings, place)
        done = init.install(settings, PROGRAM)
        shown = {file.path: file.outcome for file in done.files if "systemd" in file.path}
        assert shown == {f"{PACKAGED[0]}/{name}": Outcome.UNCHANGED for name in ROTATING}
        assert units.TIMER in done.timer, "it is started from there"
        assert not list(settings.at(f"/{UNITS}").glob("dkimctl-*"))
        init.uninstall(settings)
    assert settings.at(f"{PACKAGED[0]}/{units.TIMER}").exists()


def test_a_configuration_that_is_not_the_package_s_has_its_own_unit(settings: Settings) -> None:
    """Other hours: the timer alone is written, until the configuration is the usual one again."""
    install_package(settings)
    other = replace(settings, lifecycle=OTHER_HOURS)
    assert outcomes(init.install(other, PROGRAM))[units.TIMER] == Outcome.MADE
    assert [path.name for path in settings.at(f"/{UNITS}").glob("dkimctl-*")] == [units.TIMER]
    paths = {file.path: file.outcome for file in init.install(settings, PROGRAM).files}
    assert paths[f"/{UNITS}/{units.TIMER}"] == Outcome.REMOVED
    assert paths[f"{PACKAGED[0]}/{units.TIMER}"] == Outcome.UNCHANGED


def test_a_host_that_installs_the_package_later(settings: Settings) -> None:
    """The units of before, which would take precedence over each version of the package, give way to it."""
    init.install(settings, ["/usr/local/bin/dkimctl"])
    install_package(settings)
    paths = {file.path: file.outcome for file in init.install(settings, PROGRAM).files}
    for name in ROTATING:
        assert paths[f"/{UNITS}/{name}"] == Outcome.REMOVED
        assert paths[f"{PACKAGED[0]}/{name}"] == Outcome.UNCHANGED
    assert not list(settings.at(f"/{UNITS}").glob("dkimctl-*"))
    assert unit_findings(settings) == ()


def test_a_unit_of_a_person_s_stays_over_the_package_s(settings: Settings) -> None:
    """Changed after `init` wrote it, or never written by it: kept, and told, and doctor has nothing against it."""
    init.install(settings, PROGRAM)
    install_package(settings)
    mine = settings.at(f"/{UNITS}/{units.TIMER}")
    mine.write_text("[Timer]\nOnCalendar=weekly\n")
    for _ in range(2):
        done = init.install(settings, PROGRAM)
        assert [file.outcome for file in done.files if file.path == f"/{UNITS}/{units.TIMER}"] == [Outcome.KEPT]
        assert unit_findings(settings) == ()
    assert "weekly" in mine.read_text()


def test_doctor_says_when_init_is_to_be_run_again(dkimctl_inside: DkimctlInside) -> None:
    """After a change of the hours, of the role or of dkimctl itself, and not before the first init."""

    def told() -> list[str]:
        found = dkimctl_inside("doctor", "--json").json["findings"]
        return [one["seen"] for one in found if one["code"] == "DKIM918"]

    config = dkimctl_inside.root / "etc/dkimctl/dkimctl.toml"
    assert told() == []
    assert dkimctl_inside("init").code == 0
    assert told() == []
    config.write_text('[lifecycle]\nhours = "02:00-05:00"\n')
    assert told() == [f"missing or outdated: {units.TIMER}"]
    assert dkimctl_inside("init").code == 0
    assert told() == []
    service = dkimctl_inside.root / UNITS / units.SERVICE
    service.unlink()
    assert told() == [f"missing or outdated: {units.SERVICE}"]
    assert dkimctl_inside("init", "--uninstall").code == 0
    assert told() == []


def test_another_role_is_told(settings: Settings) -> None:
    """A host that joined a fleet has units that rotate, and none that sync; with the package as without it."""
    init.install(settings, PROGRAM)
    relay = as_relay(settings.root)
    assert {one.code for one in unit_findings(relay)} == {"DKIM918"}
    init.install(relay, PROGRAM)
    assert unit_findings(relay) == ()


def test_a_program_that_is_gone_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Units go on running the dkimctl of before: not judged while that is there, and told once it is not."""
    for path in ("/opt/dkimctl", "/bin/sh"):
        settings.at(path).parent.mkdir()
        settings.at(path).touch()
    init.install(settings, ["/opt/dkimctl"])
    monkeypatch.setattr(Settings, "is_live", True)
    assert unit_findings(settings) == ()
    settings.at("/opt/dkimctl").unlink()
    [found] = unit_findings(settings)
    assert found.seen == f"missing or outdated: {units.SERVICE}"


def test_other_configurations_are_not_judged(settings: Settings) -> None:
    """`doctor --config FILE` says nothing of units that read another file."""
    init.install(settings, PROGRAM)
    other = replace(settings, source=Path("/srv/other.toml"), lifecycle=OTHER_HOURS)
    assert unit_findings(other) == ()
    init.install(other, PROGRAM)
    assert unit_findings(other) == ()
    assert unit_findings(replace(other, lifecycle=Lifecycle())) != ()


def test_only_units_that_run_are_said_to_be_stopped(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package the units are there and most were never started: these are not named, nor is that a change."""
    install_package(settings)
    state = "Id={}\nActiveState={}\nUnitFileState={}\n"
    on = {units.TIMER: ("active", "enabled"), relay_units.TIMER: ("inactive", "disabled")}
    told: list[tuple[str, ...]] = []

    def systemctl(_: str, *arguments: str) -> Ended:
        told.append(arguments)
        asked = [name for name in arguments if name.startswith("dkimctl")] * (arguments[0] == "show")
        return Ended(0, "\n".join(state.format(name, *on.get(name, ("inactive", "static"))) for name in asked), "")

    monkeypatch.setattr(Settings, "is_live", True)
    monkeypatch.setattr(systemd, "has_systemd", lambda: True)
    monkeypatch.setattr(systemd, "run_program", systemctl)
    assert systemd.running(settings, systemd.STARTED) == [units.TIMER]
    done = init.uninstall(settings)
    assert (done.units, done.is_change) == ((units.TIMER,), True)
    assert ("disable", "--now", units.TIMER) in told
    on.clear()
    told.clear()
    done = init.uninstall(settings)
    assert (done.units, done.is_change, done.timer) == ((), False, "no timer ran")
    assert [arguments[0] for arguments in told] == ["show", "daemon-reload"]
