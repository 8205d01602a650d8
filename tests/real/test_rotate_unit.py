"""A rotation with no more rights than dkimctl-rotate.service has: its writable places, its capabilities."""

from collections.abc import Iterator

import pytest

from dkimctl.config.settings import Settings
from dkimctl.sandbox import Sandbox
from dkimctl.timer import units
from tests.conftest import needs
from tests.real.months import at, steps
from tests.real.relay import Relay
from tests.real.test_message import signatures

pytestmark = needs("opendkim", "postfix", "postconf", "faketime", root=True, namespaces=True)
DOMAIN = "domain.tld"
UNIT = units.service(Settings(), ["/usr/bin/dkimctl", "rotate"]).splitlines()
SEALED = "/etc /var/spool/postfix /var/lib/postfix /var/backups /run"
INSIDE = f"""
mkdir -p /run/dkimctl
for place in WRITABLE /var/lib/dkimctl /run/dkimctl; do
    test ! -e $place || mount --bind $place $place
done
for place in {SEALED}; do
    mount -o remount,bind,ro $place
done
! touch /etc/opendkim.conf 2>/dev/null || exit 99
export TMPDIR=/var/lib/dkimctl
exec setpriv --no-new-privs --bounding-set -all,CAPABILITIES "$@"
"""


def values(name: str) -> list[str]:
    """Every value of a setting of the unit."""
    return [line.partition("=")[2].removeprefix("-") for line in UNIT if line.startswith(f"{name}=")]


def inside_unit(*writable: str) -> tuple[str, ...]:
    """The words before a command that leave it the rights of the unit, and further places that it may write."""
    capabilities = ",".join(
        f"+{name.removeprefix('CAP_').lower()}" for name in values("CapabilityBoundingSet")[0].split()
    )
    places = " ".join((*values("ReadWritePaths"), *writable))
    script = INSIDE.replace("WRITABLE", places).replace("CAPABILITIES", capabilities)
    return ("unshare", "--mount", "sh", "-ec", script, "unit")


@pytest.fixture
def ovh(relay: Relay) -> Iterator[Sandbox]:
    """An account with one zone."""
    with Sandbox(zones=[DOMAIN]) as sandbox:
        relay.machine.environment.update(sandbox.environment())
        yield sandbox


def test_the_switch_works_with_the_rights_of_the_unit(relay: Relay, ovh: Sandbox) -> None:
    """From the proof of the next key to mail that is signed with it: opendkim.conf stays read-only."""
    run = relay.machine
    run.dkimctl("setup", DOMAIN, "--provider", "ovh", "--timeout", "60", check=False)
    relay.start_signing()
    run.dkimctl("setup", DOMAIN, "--provider", "ovh", "--timeout", "60")
    (before,) = signatures(relay.send(f"a@{DOMAIN}"), ovh.dns_address[1])
    done: list[str] = []
    for hours in (0, 0.1, 1, 3):
        done += steps(at(run, hours, "rotate", DOMAIN, "--now", before=inside_unit()))
    assert [step for step in done if step in ("make", "publish", "switch")][:3] == ["make", "publish", "switch"]
    (after,) = signatures(relay.send(f"a@{DOMAIN}"), ovh.dns_address[1])
    assert after.valid
    assert after.selector != before.selector
