"""verify-dns --recursive: what a real resolver still holds after a change, and for how long."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dkimctl.config.settings import Lookup
from dkimctl.dns.txt import txt_strings
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.verify.check import check
from dkimctl.verify.report import Target
from tests.conftest import Dkimctl, needs
from tests.dns_servers import Knot, Unbound, name_servers, txt
from tests.ports import free_port_everywhere

HOME = "127.0.0.1"
OLD, NEW = generate(Algorithm.RSA).public, generate(Algorithm.RSA).public


def zone(**records: str) -> str:
    """A zone with these selectors; what is there lives 300 seconds, and so does what is not."""
    return name_servers(HOME) + "".join(txt(f"{name}._domainkey", text) for name, text in records.items())


@pytest.fixture
def lookup(tmp_path: Path) -> Iterator[Lookup]:
    """An unbound that remembers the zone as it was before the record changed and another was added."""
    port = free_port_everywhere(HOME)
    old, new = (record_for(key, "rsa", Tags()).text for key in (OLD, NEW))
    knot = Knot(tmp_path / "knot", HOME, port, {"example.com": zone(s=old)}).start()
    unbound = Unbound(tmp_path, free_port_everywhere(HOME), {"example.com": port}).start()
    lookup = Lookup((f"{HOME}:{unbound.port}",), port)
    assert txt_strings("s._domainkey.example.com", lookup) == old.encode()
    assert txt_strings("added._domainkey.example.com", lookup) is None
    knot.stop()
    knot.zones = {"example.com": zone(s=new, added=new)}
    knot.start()
    yield lookup
    unbound.stop()
    knot.stop()


@needs("knotd", "unbound")
@pytest.mark.parametrize(("selector", "seen"), [("s", "420 octets ending in"), ("added", "no such name")])
def test_what_a_cache_still_holds_has_an_end(lookup: Lookup, selector: str, seen: str, dkimctl_inside: Dkimctl) -> None:
    """The old record, and the memory that there was none, are told with the seconds that are left of them."""
    [report] = check([Target(selector, "example.com", NEW)], lookup, recursive=True)
    assert {f.code for f in report.findings} == {"DKIM300", "DKIM504", "DKIM509"}
    [stale] = [f.seen for f in report.findings if f.code == "DKIM509"]
    left = re.search(r"for at most (\d+) s more", stale)
    assert left and 0 < int(left[1]) <= 300
    assert seen in stale
    environment = {"DKIMCTL_NAMESERVERS": lookup.nameservers[0], "DKIMCTL_DNS_PORT": str(lookup.port)}
    run = dkimctl_inside("verify-dns", "example.com", "-s", selector, "--recursive", env=environment)
    assert re.search(
        r"^  resolvers\n    127\.0\.0\.1:\d+ +(another text, 420 octets, ttl|no such name for) \d+ s",
        run.out,
        re.MULTILINE,
    )
    assert run.code == 0


@needs("knotd", "unbound")
def test_a_dead_resolver_among_several_is_named(lookup: Lookup) -> None:
    """Each of the named resolvers is asked; one that gives no answer leaves the verdict open."""
    both = replace(lookup, nameservers=(*lookup.nameservers, f"{HOME}:{free_port_everywhere(HOME)}"), timeout=6.0)
    [report] = check([Target("s", "example.com", NEW)], both, recursive=True)
    assert {"DKIM509", "DKIM510"} <= {f.code for f in report.findings}
    assert [answer.state for answer in report.resolvers] == ["text", "no answer"]
    assert report.verdict == "unknown"
