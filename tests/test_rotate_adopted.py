"""An installation that was taken over: no key is rotated before someone says that no other host signs with them."""

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import DkimctlInside
from tests.handmade import article
from tests.publishing import manual_clock
from tests.rotating import Rotating, _play_the_daemon

DOMAIN = "domain.tld"


def test_keys_in_our_own_directory_wait_for_it_too(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The article's keys lie where dkimctl's do, flat: `adopt` and `status` name the command, and it works."""
    article(dkimctl_inside.root)
    with Sandbox([DOMAIN]) as running:
        machine = Rotating(dkimctl_inside, running, manual_clock())
        _play_the_daemon(machine, monkeypatch)
        resume = f"dkimctl resume {DOMAIN}"
        said = machine("adopt", "--install").err
        assert resume in said
        assert "no key is switched while dkimctl would write anything else" in said
        assert "dkimctl render-config --install" in said
        path = machine.dkimctl.root / "etc/dkimctl/dkimctl.toml"
        path.write_text(f'provider = "ovh"\n{path.read_text()}')
        machine("publish", DOMAIN, "--timeout", "60")
        assert {step["action"] for step in machine.rotate(hours=1)["steps"]} <= {"look", "prove"}
        assert resume in machine("status").out
        machine(*resume.split()[1:])
        assert "make" in {step["action"] for step in machine.rotate()["steps"]}
