"""`rotate --step`: one step with its proof, then what the next is and when."""

from collections.abc import Iterator

import pytest

from tests.conftest import DkimctlInside
from tests.publishing import ZONE
from tests.rotating import Rotating, rotating


@pytest.fixture
def machine(dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rotating]:
    """A machine that signs for one domain."""
    with rotating(dkimctl_inside, monkeypatch) as made:
        yield made


def test_every_step_is_told_and_named_before(machine: Rotating) -> None:
    """To the end of what is due: `next` names what the following run does, looks that change nothing included."""
    machine.complete()
    machine.later(30)
    named = ""
    for _ in range(12):
        done, following = machine("rotate", "--step").out.splitlines()
        assert done.startswith(named or ZONE)
        if following.startswith("next: nothing before "):
            assert named, "there was more than one step"
            return
        named = following.removeprefix("next: ").split(" (")[0] + ": "
    pytest.fail(f"it does not end: {named}")


def test_a_rotation_that_cannot_begin_yet_says_when(machine: Rotating) -> None:
    """Who types --now hears what it waits for and when it goes on, also where nothing is due; timers do not."""
    machine.rotate()
    asked = machine("rotate", "--now", ZONE)
    assert "next: nothing before " in asked.out
    machine.rotate(hours=0.1)
    asked = machine("rotate", "--now", ZONE)
    assert "caches that may remember that" in asked.err
    assert "next: nothing before " in asked.out
    idle = machine("rotate")
    assert (idle.out, idle.err) == ("", "")


def test_a_record_that_is_added_by_hand_comes_with_its_command(machine: Rotating) -> None:
    """The command prints the record of the next key."""
    (machine.dkimctl.root / "etc/dkimctl/dkimctl.toml").write_text('provider = "manual"\n')
    [hint] = [line for line in machine("rotate", code=3).err.splitlines() if "hint: " in line]
    words = hint.partition("print it: dkimctl ")[2].split()
    assert f"{machine.new()}._domainkey.{ZONE}" in machine(*words).out
