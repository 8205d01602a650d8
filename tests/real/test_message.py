"""The promise of the whole tool: a real mail through Postfix and opendkim verifies with the key found in DNS."""

from collections.abc import Callable
from pathlib import Path

from dkimctl.config.settings import Lookup
from dkimctl.dkim.signature import Signature, verify
from dkimctl.dns.txt import txt_strings
from dkimctl.sandbox import Sandbox
from tests.conftest import needs
from tests.dns_servers import Knot, name_servers
from tests.real.relay import Relay

pytestmark = needs("opendkim", "postfix", "postconf", root=True, namespaces=True)

OURS = ("/etc/opendkim.conf", "/etc/opendkim", "/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/tmpfiles.d")


def signatures(message: bytes, dns_port: int) -> tuple[Signature, ...]:
    """The message's signatures, verified as a receiver does: with what the name server on this port says."""
    lookup = Lookup(nameservers=(f"127.0.0.1:{dns_port}",), port=dns_port, timeout=60)

    def find(owner: str) -> str | None:
        text = txt_strings(owner, lookup)
        return None if text is None else text.decode()

    return verify(message, find)


def sign_by_single_commands(relay: Relay, provider: str) -> None:
    """The way of the README: one command after the other, then the daemon is started."""
    run = relay.machine.dkimctl
    run("genkey", "--subdomains", "-r", "-s", "mail", "domain.tld")
    run("publish", "domain.tld", "--provider", provider)
    run("verify-dns", "domain.tld")
    run("render-config", "--install", "--allow-unproven")
    relay.start_signing()


def test_the_article(relay: Relay, ovh: Sandbox) -> None:
    """Mail of the domain, of a sub-domain and of sendmail is signed and verifies; mail from outside stays unsigned.

    The key was published through the OVH API, and the record comes from DNS. Paths, owners, modes, chroot and
    opendkim's own check of its keys are those of a real machine, and this machine's files are not touched.
    """
    before = [snapshot(Path(path)) for path in OURS]
    sign_by_single_commands(relay, "ovh")
    port = ovh.dns_address[1]
    for sender, send in (
        ("contact@domain.tld", relay.send),
        ("contact@sub.domain.tld", relay.send),
        ("contact@domain.tld", relay.sendmail),
    ):
        (seen,) = signatures(send(sender), port)
        assert (seen.domain, seen.selector, seen.valid, seen.why) == ("domain.tld", "mail", True, "")
    assert signatures(relay.send("contact@foreign.tld"), port) == ()
    assert [snapshot(Path(path)) for path in OURS] == before


def snapshot(path: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times below a path; empty when there is nothing."""
    paths = [path, *path.rglob("*")] if path.exists() else []
    return [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(paths)]


def test_permissions_on_the_machine(relay: Relay, ovh: Sandbox) -> None:
    """Key, key directory, socket and its directory have the owners and modes of the design."""
    sign_by_single_commands(relay, "ovh")
    paths = {
        "/etc/opendkim/keys/domain.tld": "700 opendkim:opendkim",
        "/etc/opendkim/keys/domain.tld/mail.private": "600 opendkim:opendkim",
        "/var/spool/postfix/opendkim": "2750 opendkim:postfix",
        "/var/spool/postfix/opendkim/opendkim.sock": "770 opendkim:postfix",
    }
    assert {path: relay.machine.run("stat", "-c", "%a %U:%G", path).stdout.strip() for path in paths} == paths
    assert "RequireSafeKeys" not in relay.machine.read("/etc/opendkim.conf")


def test_over_the_socket_of_the_article(relay: Relay, ovh: Sandbox, free_port: Callable[[], int]) -> None:
    """With `inet:PORT@localhost`, as the article has it, the same mail is signed and verifies."""
    run = relay.machine.dkimctl
    run("genkey", "-s", "mail", "domain.tld")
    run("publish", "domain.tld", "--provider", "ovh")
    run("render-config", "--install", "--allow-unproven", "--socket", f"inet:{free_port()}@localhost")
    relay.start_signing()
    (seen,) = signatures(relay.send("contact@domain.tld"), ovh.dns_address[1])
    assert seen.valid, seen.why


@needs("knotd")
def test_published_in_a_zone_file(relay: Relay, tmp_path: Path, free_port: Callable[[], int]) -> None:
    """The key goes into a zone file, a real knot serves it, and the real message verifies with it."""
    port = free_port()
    knot = Knot(tmp_path / "knot", "127.0.0.1", port, {"domain.tld": name_servers("127.0.0.1")}).start()
    try:
        relay.machine.environment.update(DKIMCTL_NAMESERVERS=f"127.0.0.1:{port}", DKIMCTL_DNS_PORT=str(port))
        run = relay.machine.dkimctl
        run("genkey", "-s", "mail", "domain.tld")
        run("publish", "domain.tld", "--provider", f"zonefile:{tmp_path}/knot/domain.tld.zone", "--no-wait")
        relay.machine.run("knotc", "--blocking", "-c", f"{tmp_path}/knot/knot.conf", "zone-reload", "domain.tld")
        run("verify-dns", "domain.tld")
        run("render-config", "--install", "--allow-unproven")
        relay.start_signing()
        (seen,) = signatures(relay.send("contact@domain.tld"), port)
        assert seen.valid, seen.why
    finally:
        knot.stop()
