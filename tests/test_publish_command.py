"""`dkimctl publish` as a user types it, against the sandbox: proof in DNS, error messages, exit codes, secrets."""

import json
import os
import signal
import subprocess
import sys
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from dkimctl.cli.app import App
from dkimctl.dns.resolve import Resolution
from dkimctl.sandbox import Fault, LoggedCall, Sandbox, Switches
from dkimctl.sandbox.dnsfaults import DnsFaultKind
from tests.conftest import Dkimctl, DkimctlInside, Run
from tests.processes import started
from tests.publishing import ZONE, is_clean, manual_clock, on_progress, records_at

PUBLISH = ("publish", "--provider", "ovh", "--timeout", "60")


@dataclass
class World:
    """A machine with keys, and the sandbox as its provider and DNS."""

    dkimctl: Dkimctl
    sandbox: Sandbox

    def __call__(self, *arguments: str | Path, **environment: str) -> Run:
        return self.dkimctl(*arguments, env={**self.sandbox.environment(), **environment})

    def genkey(self, domain: str = ZONE, selector: str = "mail", *more: str) -> None:
        """Generate a key."""
        assert self("genkey", domain, "-s", selector, "-q", *more).code == 0

    def record(self, domain: str = ZONE, selector: str = "mail") -> str:
        """Return the text of a key's record."""
        return str(self("record", domain, "-s", selector, "--json").json["records"][0]["text"])

    def phase(self, domain: str = ZONE, selector: str = "mail") -> str:
        """Return the phase of a key."""
        path = self.dkimctl.root / f"etc/opendkim/keys/{domain}/{selector}.json"
        return str(json.loads(path.read_text())["phase"])


@contextmanager
def world(
    dkimctl: Dkimctl, *zones: str, on_call: Callable[[LoggedCall], None] | None = None, **switches: Any
) -> Iterator[World]:
    """Make a machine with one key of domain.tld."""
    with Sandbox(zones or (ZONE,), Switches(**switches), on_call=on_call) as running:
        made = World(dkimctl, running)
        made.genkey()
        yield made


@pytest.fixture
def sleepless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass only in sleeps, which return at once: no timeout depends on the speed of this machine."""
    clock = manual_clock()
    monkeypatch.setattr(App, "clock", clock)


@pytest.fixture
def inside(dkimctl_inside: DkimctlInside) -> DkimctlInside:
    """The command line, in this process."""
    return dkimctl_inside


def test_a_key_is_published_proven_and_its_phase_recorded(inside: DkimctlInside) -> None:
    """Type DKIM, read back, refreshed, seen at both name servers; the key's phase says so."""
    with world(inside) as w:
        run = w(*PUBLISH)
        assert (run.code, w.phase()) == (0, "verified")
        assert run.out == f"mail._domainkey.{ZONE}: published, read back, served by 2 name servers\n"
        assert records_at(w.sandbox) == [("DKIM", w.record())]


def test_verbose_names_each_call_of_the_api(inside: DkimctlInside) -> None:
    """One line for each call in order, with method, path and status; none without -v or with -q."""
    with world(inside) as w:
        run = w(*PUBLISH, "-v")
        made = [f"dkimctl: {c.method} {c.path}" for c in w.sandbox.calls if c.path != "/auth/time"]
        shown = [line.removesuffix(": 200") for line in run.err.splitlines() if line.endswith(": 200")]
        assert made
        assert shown == made
        assert ": 200" not in w(*PUBLISH).err + w(*PUBLISH, "-v", "-q").err


def test_a_second_run_only_reads(inside: DkimctlInside) -> None:
    """No write and no refresh; the name servers are still queried."""
    with world(inside) as w:
        w(*PUBLISH)
        w.sandbox.clear_calls()
        run = w(*PUBLISH)
        assert run.out == f"mail._domainkey.{ZONE}: unchanged, read back, served by 2 name servers\n"
        assert {call.method for call in w.sandbox.calls} == {"GET"}


def test_a_dry_run_shows_before_and_after_and_changes_nothing(inside: DkimctlInside) -> None:
    """A dry run changes neither the account nor the key's metadata."""
    with world(inside) as w:
        w.sandbox.zone(ZONE).add("TXT", "mail._domainkey", w.record()[:255])
        run = w(*PUBLISH, "--dry-run")
        assert run.code == 0
        assert "create  DKIM, default ttl, 420 characters" in run.out
        assert "remove  TXT, default ttl, 255 characters" in run.out
        assert max(map(len, run.out.splitlines())) <= 80
        assert {call.method for call in w.sandbox.calls} == {"GET"}
        assert w.phase() == "generated"


@pytest.mark.parametrize("domains", [[ZONE] * 5, [f"c{number}.{ZONE}" for number in range(5)]])
def test_few_calls_for_selectors_and_for_sub_domains(inside: DkimctlInside, domains: list[str]) -> None:
    """At most 5 + 4·n API calls and one refresh: for selectors of one domain, and for sub-domains in one zone."""
    with world(inside) as w:
        for number, domain in enumerate(domains):
            w.genkey(domain, f"s{number}", "--algorithm", "ed25519")
        assert w(*PUBLISH, *dict.fromkeys(domains), "-q").code == 0
        published = 5 + (ZONE in domains)
        assert len(w.sandbox.calls) <= 5 + 4 * published
        assert w.sandbox.zone(ZONE).refreshes == 1


def test_a_new_record_in_each_of_many_zones_takes_four_calls(inside: DkimctlInside) -> None:
    """List, create, read back, refresh; the zones are known from DNS, and the API's clock is asked once."""
    zones = [f"z{number}.example" for number in range(6)]
    with world(inside, ZONE, *zones) as w:
        for zone in zones:
            w.genkey(zone, "s", "--algorithm", "ed25519")
        assert w(*PUBLISH, *zones, "--no-wait", "--jobs", "3").code == 0
        assert len(w.sandbox.calls) == 1 + 4 * len(zones)
        assert {w.sandbox.zone(zone).refreshes for zone in zones} == {1}


def test_nothing_is_published_above_a_zone_cut_that_dns_shows(inside: DkimctlInside) -> None:
    """A record above a zone cut is not visible: all its names are refused before anything is written."""
    with world(inside, ZONE, f"sub.{ZONE}") as w:
        for selector in ("a", "b"):
            w.genkey(f"sub.{ZONE}", selector, "--algorithm", "ed25519")
        del w.sandbox.zones[f"sub.{ZONE}"]  # from the account; the name servers still serve it
        run = w(*PUBLISH, f"sub.{ZONE}", "--timeout", "0")
        assert run.code == 1
        assert run.err.count(f"in DNS sub.{ZONE} is a zone of its own") == 2
        assert {call.method for call in w.sandbox.calls} == {"GET"}


def test_many_failed_names_are_listed_one_a_line(inside: DkimctlInside) -> None:
    """The summary line names up to three failures; more are listed one a line."""
    strange = [f"s{number}.example" for number in range(4)]
    with world(inside) as w:
        for domain in strange:
            w.genkey(domain, "mail", "--algorithm", "ed25519")
        lines = w(*PUBLISH).err.splitlines()
        assert "dkimctl: 1 published; 4 not done" in lines
        assert sorted(lines[-4:]) == [f"dkimctl: not done: mail._domainkey.{domain}" for domain in strange]


def test_zones_of_one_run_do_not_depend_on_each_other(inside: DkimctlInside) -> None:
    """One is not in the account, one has a CNAME, one is fine: each is reported, and the worst exit code counts."""
    with world(inside, ZONE, "two.example") as w:
        w.genkey("two.example")
        w.genkey("three.example")
        w.sandbox.zone("two.example").add("CNAME", "mail._domainkey", "x.example.net.")
        run = w(*PUBLISH)
        assert run.code == 3
        assert f"mail._domainkey.{ZONE}: published" in run.out
        assert "mail._domainkey.two.example is a CNAME to x.example.net" in run.err
        assert "no zone for three.example in this OVH account" in run.err
        assert "1 published; 2 not done: " in run.err
        assert w("publish", "two.example", "--provider", "ovh").code == 1


def test_the_json_document_holds_every_result(inside: DkimctlInside) -> None:
    """One document, also when something failed."""
    with world(inside) as w:
        w.genkey("three.example")
        run = w(*PUBLISH, "--json")
        done = {entry["domain"]: entry for entry in run.json["publications"]}
        assert run.json["schema"] == 1
        good, bad = done[ZONE], done["three.example"]
        assert (good["outcome"], good["served"], good["servers"], good["error"]) == ("published", True, 2, None)
        [change] = good["changes"]
        assert (change["action"], change["before"], change["after"]["type"]) == ("create", None, "DKIM")
        assert (bad["outcome"], bad["error"]["exit_code"]) == ("failed", 3)


def test_the_configuration_names_provider_zone_and_ttl(inside: DkimctlInside) -> None:
    """A domain's own table overrides the general one; a configured zone is not looked up."""
    with world(inside) as w:
        w.genkey(f"sub.{ZONE}")
        path = inside.root / "etc/dkimctl/dkimctl.toml"
        path.parent.mkdir()
        path.write_text(
            'provider = "manual"\n'
            f'[domains."{ZONE}"]\nprovider = "ovh"\nttl = 300\n'
            f'[domains."sub.{ZONE}"]\nprovider = "ovh"\nzone = "{ZONE}"\n'
        )
        w.genkey("by.hand.example")
        run = w("publish", "--no-wait")
        assert run.code == 0, run.err
        assert "by.hand.example is kept" in run.out
        ttls = {r.sub_domain: r.ttl for r in w.sandbox.zone(ZONE).edited if r.field_type == "DKIM"}
        assert ttls == {"mail._domainkey": 300, "mail._domainkey.sub": 0}


def test_a_service_account_can_publish(inside: DkimctlInside) -> None:
    """OAuth2 client credentials with the actions of a policy work from variables and from a named file."""
    with world(inside) as w:
        actions = ["record/get", "record/create", "record/edit", "record/delete", "refresh", "get", "status/get"]
        made = w.sandbox.accounts.create([f"dnsZone:apiovh:{action}" for action in actions])
        secret = inside.root / "secret"
        secret.write_text(made.client_secret + "\n")
        secret.chmod(0o600)
        none = {f"OVH_{name}": "" for name in ("APPLICATION_KEY", "APPLICATION_SECRET", "CONSUMER_KEY")}
        run = w(*PUBLISH, **none, OVH_CLIENT_ID=made.client_id, OVH_CLIENT_SECRET_FILE=str(secret))
        assert (run.code, w.phase()) == (0, "verified"), run.err


def test_a_missing_refresh_is_done_by_the_next_run(inside: DkimctlInside) -> None:
    """An earlier run was killed after its writes: the record is right and not served."""
    with world(inside) as w:
        w.sandbox.zone(ZONE).add("DKIM", "mail._domainkey", w.record(), served=False)
        assert w(*PUBLISH).code == 0
        assert w.sandbox.zone(ZONE).refreshes == 1
        assert is_clean(w.sandbox)


def test_a_missing_refresh_is_found_through_dns_without_access_to_the_status(inside: DkimctlInside) -> None:
    """Without the right to read the zone's status the name servers decide; if they serve it, nothing is written."""
    with world(inside) as w:
        rules = [("GET", f"/domain/zone/{ZONE}/record*"), ("POST", f"/domain/zone/{ZONE}/refresh")]
        key = w.sandbox.credentials.issue(rules)
        w.sandbox.zone(ZONE).add("DKIM", "mail._domainkey", w.record(), served=False)
        assert w(*PUBLISH, OVH_CONSUMER_KEY=key).code == 0
        assert w.sandbox.zone(ZONE).refreshes == 1
        assert w(*PUBLISH, OVH_CONSUMER_KEY=key).code == 0
        assert w.sandbox.zone(ZONE).refreshes == 1


def test_slow_name_servers_are_waited_for(inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time between the refresh and the first right answer is not an error."""
    with world(inside, refresh_delay=600) as w:
        on_progress(monkeypatch, "so far", w.sandbox.zone(ZONE).finish_refresh)
        run = w(*PUBLISH)
        assert run.code == 0
        assert "served by 0 of 2 name servers so far" in run.err


def test_name_servers_that_never_serve_the_record_are_an_error(inside: DkimctlInside) -> None:
    """Published and not served: exit 3 with what was seen and what to do; the phase stays `published`."""
    with world(inside, refresh_delay=600) as w:
        run = w("publish", "--provider", "ovh", "--timeout", "1")
        assert (run.code, w.phase()) == (3, "published")
        assert f"mail._domainkey.{ZONE}: not served everywhere after 1 s" in run.err
        assert "verify-dns" in run.err
        assert w("publish", "--provider", "ovh", "--no-wait").code == 0


@pytest.mark.parametrize("fault", ["drop", "refuse", "servfail", "lame", "stale"])
def test_one_name_server_that_does_not_serve_it_is_enough(inside: DkimctlInside, fault: DnsFaultKind) -> None:
    """Published is not verified: no key may sign before every server was seen to serve it.

    The hint is to wait longer where that can help; for a server that cannot be queried it is the finding's own.
    """
    with world(inside) as w:
        w.sandbox.dns_faults.set("ns2", fault)
        run = w("publish", "--provider", "ovh", "--timeout", "2")
        assert (run.code, w.phase(), run.out) == (3, "published", "")
        assert "not served everywhere after 2 s" in run.err
        assert ("name servers may need longer" in run.err) is (fault == "stale")
        w.sandbox.dns_faults.clear()
        assert (w(*PUBLISH).code, w.phase()) == (0, "verified")


def test_a_flaw_of_the_record_itself_does_not_fail_publish(inside: DkimctlInside) -> None:
    """A record that verifiers do not accept is served like any other; verify-dns reports the flaw."""
    with world(inside) as w:
        w.genkey(ZONE, "old", "--hash-algorithms", "sha1")
        assert (w(*PUBLISH, "-s", "old").code, w.phase(ZONE, "old")) == (0, "verified")
        assert w("verify-dns", "-s", "old", ZONE).code == 1


@pytest.mark.usefixtures("sleepless")
def test_a_zone_served_by_other_servers_is_reported_at_once(inside: DkimctlInside) -> None:
    """The account still has the zone, but other servers answer for it: waiting would be in vain."""
    with world(inside, refresh_delay=600) as w:
        w.sandbox.zone(ZONE).name_servers = ("dns9.ovh.net", "ns9.ovh.net")
        run = w("publish", "--provider", "ovh", "--timeout", "1.5")
        assert run.code == 3
        line = f"{ZONE} is served by ns1.sandbox.internal, ns2.sandbox.internal, not by ovh's dns9.ovh.net, ns9.ovh.net"
        assert run.err.count(line) == 2  # as soon as it is seen, and as the reason at the end


@pytest.mark.usefixtures("sleepless")
def configure(dkimctl: DkimctlInside, text: str) -> None:
    """Write the configuration."""
    path = dkimctl.root / "etc/dkimctl/dkimctl.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("below", [f"cut.{ZONE}", f"_domainkey.cut.{ZONE}"])
@pytest.mark.parametrize("configured", [True, False])
@pytest.mark.parametrize("options", [[], ["--no-wait"], ["--dry-run"]], ids=["wait", "no wait", "dry run"])
def test_a_zone_cut_below_is_reported_before_anything_is_written(
    inside: DkimctlInside, below: str, configured: bool, options: list[str]
) -> None:
    """The account has the zone above, but the sub-domain, or its `_domainkey`, is another zone in DNS."""
    with world(inside, ZONE, below) as w:
        del w.sandbox.zones[below]  # from the account, not from the name servers
        w.genkey(f"cut.{ZONE}")
        if configured:
            configure(inside, f'[domains."cut.{ZONE}"]\nzone = "{ZONE}"\n')
        run = w("publish", f"cut.{ZONE}", "--provider", "ovh", *options)
        assert run.code == 1
        assert f"in DNS {below} is a zone of its own: a record published in {ZONE}" in run.err
        assert f'zone = "{below}"' in run.err
        assert {call.method for call in w.sandbox.calls} <= {"GET"}


def test_a_domainkey_zone_gets_the_records(inside: DkimctlInside) -> None:
    """`_domainkey.domain` is a zone of the account, found in DNS or configured; the zone above is not written to."""
    with world(inside, ZONE, f"_domainkey.{ZONE}") as w:
        for number, configuration in enumerate(("", f'[domains."{ZONE}"]\nzone = "_domainkey.{ZONE}"\n')):
            w.genkey(ZONE, f"s{number}", "--algorithm", "ed25519")
            configure(inside, configuration)
            run = w("publish", ZONE, "-s", f"s{number}", "--provider", "ovh", "--no-wait")
            assert run.code == 0, run.err
            assert [r.sub_domain for r in w.sandbox.zone(f"_domainkey.{ZONE}").edited if r.field_type == "DKIM"]
            assert records_at(w.sandbox, f"s{number}._domainkey") == []


def test_no_resolver_is_asked_for_a_name_before_it_is_published(
    inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would cache that the name does not exist (RFC 2308 §5): resolvers are queried for the domain only."""
    asked: list[str] = []
    ask_any = Resolution.ask_any

    async def noting(resolution: Resolution, name: str, kind: int) -> Any:
        asked.append(name)
        return await ask_any(resolution, name, kind)

    monkeypatch.setattr(Resolution, "ask_any", noting)
    with world(inside) as w:
        assert w("publish", ZONE, "--provider", "ovh", "--no-wait").code == 0
    assert ZONE in asked
    assert not [name for name in asked if "_domainkey" in name]


def test_a_truncated_record_exits_3_and_leaves_no_broken_record(inside: DkimctlInside) -> None:
    """The OVH TXT form truncates a key at 255 characters: the main pitfall that this tool prevents."""
    with world(inside, truncate_dkim=True) as w:
        run = w(*PUBLISH)
        assert (run.code, w.phase()) == (3, "generated")
        assert "came back truncated: 255 of 420 characters" in run.err
        assert records_at(w.sandbox) == []
        assert is_clean(w.sandbox)


# --- by hand, and in a zone file


def test_a_provider_without_the_type_needs_accept_limits(inside: DkimctlInside) -> None:
    """Refused with a CNAME as the hint; with `--accept-limits` a TXT is used instead, read back and served."""
    with world(inside, refuse_dkim=True) as w:
        run = w(*PUBLISH)
        assert run.code == 3
        assert "make the name a CNAME into a zone at another provider" in run.err
        run = w(*PUBLISH, "--accept-limits")
        assert (run.code, w.phase()) == (0, "verified")
        assert [kind for kind, _ in records_at(w.sandbox)] == ["TXT"]
        assert "unchanged" in w(*PUBLISH, "--accept-limits").out


def test_by_hand_prints_what_to_paste(inside: DkimctlInside) -> None:
    """Every value on one line for each kind of control panel, and a zone file line; no phase is recorded."""
    with world(inside) as w:
        run = w("publish", "--provider", "manual")
        assert run.code == 0
        text = w.record()
        assert "OVH (the form for DKIM: that for TXT cuts the value)\n  sub-domain  mail._domainkey\n" in run.out
        assert f"  type        DKIM\n  target      {text}\n" in run.out
        assert f"  type        TXT\n  value       {text}\n" in run.out
        assert f'  type        TXT\n  value       "{text[:255]}" "{text[255:]}"\n' in run.out
        assert f"\nmail._domainkey.{ZONE}. IN TXT " in run.out
        assert "--wait" in run.err
        assert w.phase() == "generated"


def test_by_hand_names_are_relative_to_the_zone_that_is_configured(inside: DkimctlInside) -> None:
    """A sub-domain's record is in the zone above it."""
    config = inside.root / "etc/dkimctl/dkimctl.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[domains."sub.{ZONE}"]\nprovider = "manual"\nzone = "{ZONE}"\n')
    with world(inside) as w:
        w.genkey(f"sub.{ZONE}")
        run = w("publish", f"sub.{ZONE}")
        assert f"where the zone of {ZONE} is kept" in run.out
        assert "  name        mail._domainkey.sub\n" in run.out


def test_by_hand_waits_until_the_record_appears(inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is added while the command waits; the key is then verified."""
    with world(inside) as w:
        text = w.record()
        on_progress(monkeypatch, "so far", lambda: w.sandbox.zone(ZONE).add("DKIM", "mail._domainkey", text))
        run = w("publish", "--provider", "manual", "--wait", "--timeout", "60")
        assert (run.code, w.phase()) == (0, "verified")
        assert run.out.endswith(f"mail._domainkey.{ZONE}: published, served by 2 name servers\n")
        assert w.sandbox.calls == []


def test_by_hand_times_out(inside: DkimctlInside) -> None:
    """Nobody added the record: exit 3, and the record is printed nevertheless."""
    with world(inside) as w:
        run = w("publish", "--provider", "manual", "--wait", "--timeout", "0.2")
        assert (run.code, w.phase()) == (3, "generated")
        assert "  value       v=DKIM1" in run.out


def test_a_zone_file_is_edited_once(inside: DkimctlInside) -> None:
    """The second run writes nothing; the remaining step is printed."""
    with world(inside) as w:
        path = inside.root / f"db.{ZONE}"
        path.write_text("$TTL 3600\n@ IN SOA ns1 host 1 3600 600 86400 300\n@ NS ns1\nns1 A 127.0.0.1\n")
        run = w("publish", "--provider", f"zonefile:/db.{ZONE}")
        assert (run.code, w.phase()) == (0, "published")
        assert "reload the name server" in run.out
        edited = path.read_text()
        assert "SOA ns1 host 2 " in edited
        assert w("publish", "--provider", f"zonefile:/db.{ZONE}").code == 0
        assert path.read_text() == edited


# --- wrong input, credentials and files


def test_without_a_provider_the_known_ones_are_named(inside: DkimctlInside) -> None:
    """Exit code 2 before any request."""
    with world(inside) as w:
        run = w("publish")
        assert run.code == 2
        assert "zonefile" in run.err
        assert w("publish", "--provider", "route54").code == 2
        assert w("publish", "--provider", "ovh", "--ttl", "30").code == 2
        assert w("publish", "nobody.example", "--provider", "ovh").code == 2
        assert w.sandbox.calls == []


@pytest.mark.parametrize(
    ("variables", "code", "words"),
    [
        ({"OVH_CONSUMER_KEY": ""}, 2, "credentials are missing: consumer_key"),
        ({"OVH_ENDPOINT": "ovh-fr"}, 2, "unknown OVH endpoint"),
        ({"OVH_ENDPOINT": "http://192.0.2.1:80/"}, 2, "not an endpoint"),
        ({"OVH_CLIENT_ID": "EU.x"}, 2, "two kinds"),
        ({"OVH_APPLICATION_SECRET": "0" * 32}, 3, "refused the signature"),
        ({"OVH_CONSUMER_KEY": "0" * 32}, 3, "does not know this consumer key"),
        ({"OVH_APPLICATION_KEY": "0" * 16}, 3, "does not know this application key"),
    ],
)
def test_bad_credentials_are_one_clear_line(
    inside: DkimctlInside, variables: dict[str, str], code: int, words: str
) -> None:
    """The error has a hint and the right exit code, no traceback, and nothing was changed."""
    with world(inside) as w:
        run = w(*PUBLISH, **variables)
        assert run.code == code
        assert words in run.err
        assert "hint: " in run.err
        assert "Traceback" not in run.err
        assert records_at(w.sandbox) == []


def test_a_credentials_file_that_others_can_read_is_refused(inside: DkimctlInside) -> None:
    """Exit code 2, with the chmod command as the hint."""
    with world(inside) as w:
        path = inside.root / "etc/dkimctl/ovh.conf"
        path.parent.mkdir()
        path.write_text("[default]\nendpoint=ovh-eu\n")
        path.chmod(0o644)
        run = w(*PUBLISH, OVH_CONSUMER_KEY="")
        assert run.code == 2
        assert f"chmod 600 {path}" in run.err


def test_no_secret_is_in_any_output(inside: DkimctlInside) -> None:
    """With every fault, at -vv, with and without --json: no key of the account on stdout or stderr."""
    with world(inside) as w:
        secrets = [w.sandbox.environment()[f"OVH_{name}"] for name in ("APPLICATION_SECRET", "CONSUMER_KEY")]
        kinds: list[Any] = ["reset-before", "502-html", "null-error", "truncated-json", "460", "html-200"]
        for kind in kinds:
            w.sandbox.faults.clear()
            w.sandbox.faults.add(Fault(kind, path="/domain/*"))
            for more in ((), ("--json",)):
                run = w(*PUBLISH, "--no-wait", "-vv", *more)
                assert not [secret for secret in secrets if secret in run.out + run.err]


def test_a_key_that_cannot_be_read_does_not_stop_the_others(inside: DkimctlInside) -> None:
    """The damaged key is reported, the other is published."""
    with world(inside) as w:
        w.genkey("two.example")
        (inside.root / "etc/opendkim/keys/two.example/mail.private").write_text("no key\n")
        run = w(*PUBLISH)
        assert run.code == 1
        assert f"mail._domainkey.{ZONE}: published" in run.out
        assert "two.example" in run.err


def test_ctrl_c_reports_what_was_done_and_what_not(dkimctl: Dkimctl) -> None:
    """The zone in progress is finished and refreshed; one sentence, exit code 130."""
    with world(dkimctl, refresh_delay=600) as w:
        command = [sys.executable, "-m", "dkimctl", "publish", "--provider", "ovh"]
        environment = dkimctl.scratch.environment(w.sandbox.environment())
        with started(command, env=environment, stdout=-1, stderr=-1, cwd=dkimctl.scratch.home) as process:
            assert process.stderr is not None
            assert any("so far" in line for line in process.stderr), "it never waited for the name servers"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "dkimctl: 1 not seen at every name server yet; run the same command again to continue\n" in err
        assert "Traceback" not in err
        assert out == ""
        assert w.phase() == "published"


def test_a_pipe_gets_each_result_at_once_and_ctrl_c_ends_the_run(dkimctl: Dkimctl) -> None:
    """The record to add by hand is printed while it is waited for; after Ctrl-C the next provider is not started."""
    with world(dkimctl) as w:
        w.genkey("by-hand.example")
        _configure(dkimctl, {"by-hand.example": "manual", ZONE: "ovh"})
        typed = ["publish", "by-hand.example", ZONE, "--wait", "--format", "jsonl"]
        with _started(w, typed, subprocess.PIPE) as process:
            assert process.stdout is not None
            first = json.loads(process.stdout.readline())
            assert (first["publication"]["outcome"], process.poll()) == ("by hand", None)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        assert (process.returncode, w.sandbox.zone(ZONE).refreshes, records_at(w.sandbox)) == (130, 0, []), err
        assert "1 not begun" in err


def test_a_closed_pipe_stops_the_run(dkimctl: Dkimctl) -> None:
    """Zones in progress are finished and refreshed, the rest is not started, and the exit code is not 0."""
    zones = tuple(f"z{number}.example" for number in range(4))
    with world(dkimctl, ZONE, *zones, latency=0.02) as w:
        for zone in zones:
            w.genkey(zone, "mail", "--algorithm", "ed25519")
        read, write = os.pipe()
        os.close(read)
        with _started(w, [*PUBLISH, *zones, "--dry-run"], write) as plan:
            assert "interrupted" not in plan.communicate(timeout=60)[1]
        assert plan.returncode == 0  # `| head`: enough was seen
        with _started(w, [*PUBLISH, *zones, "--jobs", "1"], write) as process:
            os.close(write)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "run the same command again to continue" in err
        written = [zone for zone in zones if records_at(w.sandbox, zone=zone)]
        assert written == [zone for zone in zones if w.sandbox.zone(zone).refreshes]
        assert w(*PUBLISH, *zones).code == 0


def test_ctrl_c_twice_abandons_the_zone_in_progress(dkimctl: Dkimctl) -> None:
    """An API that never answers does not block the exit: the zone in progress is not done, the other not started."""
    asked = Event()
    with world(dkimctl, ZONE, "two.example", on_call=lambda call: asked.set() if call.method == "POST" else None) as w:
        w.genkey("two.example")
        w.sandbox.faults.add(Fault("timeout", method="POST"))
        with _started(
            w, ["publish", ZONE, "two.example", "--provider", "ovh", "--jobs", "1"], subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            assert "Ctrl-C again stops at once" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (
            130,
            f"dkimctl: 1 not begun; 1 not done: mail._domainkey.{ZONE}; run the same command again to continue\n",
        )


def _configure(dkimctl: Dkimctl, providers: dict[str, str]) -> None:
    path = dkimctl.root / "etc/dkimctl/dkimctl.toml"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f'[domains."{name}"]\nprovider = "{provider}"\n' for name, provider in providers.items()))


def _started(w: World, typed: list[str], stdout: int) -> AbstractContextManager["subprocess.Popen[str]"]:
    """Start the command with its output buffered as for any user."""
    environment = w.dkimctl.scratch.environment(w.sandbox.environment())
    environment.pop("PYTHONUNBUFFERED", None)
    command = [sys.executable, "-m", "dkimctl", *typed]
    return started(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, cwd=w.dkimctl.scratch.home)


# --- the plan, its digest, and many names


def _digest(run: Run) -> str:
    return run.out.rpartition("plan digest: ")[2].strip()


def test_a_plan_is_applied_by_its_digest(inside: DkimctlInside) -> None:
    """The changes shown by a dry run, over several zones, are applied; JSON names the same digest."""
    with world(inside, ZONE, "two.example") as w:
        w.genkey("two.example")
        w.sandbox.zone(ZONE).add("TXT", "mail._domainkey", w.record()[:255])
        digest = _digest(w(*PUBLISH, "--dry-run"))
        assert len(digest) == 32
        assert w(*PUBLISH, "--dry-run", "--json").json["plan_digest"] == digest
        assert w(*PUBLISH, "--plan-digest", digest).code == 0
        assert records_at(w.sandbox) == [("DKIM", w.record())]
        assert w.phase("two.example") == "verified"


@pytest.mark.parametrize("change", ["another ttl", "another key", "another zone"])
def test_another_plan_is_refused_with_both_digests(inside: DkimctlInside, change: str) -> None:
    """For any change since the dry run: exit 1, nothing is written, both digests are named."""
    with world(inside, ZONE, "two.example") as w:
        record = w.sandbox.zone(ZONE).add("TXT", "mail._domainkey", w.record()[:255])
        digest = _digest(w(*PUBLISH, "--dry-run"))
        if change == "another ttl":
            w.sandbox.zone(ZONE).change(type(record)(record.id, "TXT", record.sub_domain, record.target, 60))
        elif change == "another key":
            w.genkey(ZONE, "second")
        else:
            w.genkey("two.example")
        w.sandbox.clear_calls()
        run = w(*PUBLISH, "--plan-digest", digest)
        assert run.code == 1
        now = _digest(w(*PUBLISH, "--dry-run"))
        assert f"{now} instead of {digest}" in run.err
        assert {call.method for call in w.sandbox.calls} == {"GET"}


def test_a_plan_already_applied_succeeds(inside: DkimctlInside) -> None:
    """The same command again changes nothing and succeeds; it makes up for a refresh that a killed run missed."""
    with world(inside) as w:
        digest = _digest(w(*PUBLISH, "--dry-run"))
        w.sandbox.faults.add(Fault("460", method="POST", path="*/refresh"))
        assert w(*PUBLISH, "--plan-digest", digest).code == 3
        for refreshes in (1, 1):
            run = w(*PUBLISH, "--plan-digest", digest)
            assert (run.code, w.sandbox.zone(ZONE).refreshes, w.phase()) == (0, refreshes, "verified")


def test_ctrl_c_while_plans_are_compared(inside: DkimctlInside) -> None:
    """An interruption is reported as one, with nothing changed, and not as a different plan."""
    with world(inside, on_call=lambda call: interrupt_main() if "/record?" in call.path else None) as w:
        run = w(*PUBLISH, "--plan-digest", "0" * 32)
        assert (run.code, run.err) == (130, "dkimctl: interrupted before anything was changed\n")


def test_the_last_line_of_a_dry_run_can_be_pasted(inside: DkimctlInside) -> None:
    """It names the digest; --dry-run together with --plan-digest is refused."""
    with world(inside) as w:
        run = w(*PUBLISH, "--dry-run")
        wish = ("--plan-digest", _digest(run))
        assert f"the same command with {' '.join(wish)} instead of --dry-run" in run.err
        both = w(*PUBLISH, "--dry-run", *wish)
        assert (both.code, both.out) == (2, "")
        assert "--dry-run and --plan-digest exclude each other" in both.err


def test_a_plan_shows_where_two_keys_differ(inside: DkimctlInside) -> None:
    """RSA keys of one size have the same first 44 characters: before and after are shown to differ nevertheless."""
    with world(inside) as w:
        assert w(*PUBLISH).code == 0
        w.genkey(ZONE, "other")
        w.sandbox.zone(ZONE).add("DKIM", "other._domainkey", w.record())
        lines = w(*PUBLISH, "-s", "other", "--dry-run", "--replace").out.splitlines()
        before, after = lines[2].strip(), lines[4].strip()
        assert (lines[1].split()[0], lines[3].split()[0]) == ("change", "to")
        assert before != after
        assert before.endswith(w.record()[-26:])


@pytest.mark.parametrize("field_type", ["TXT", "CNAME"])
def test_text_of_foreign_records_is_escaped_for_the_terminal(inside: DkimctlInside, field_type: str) -> None:
    """An escape sequence in an existing record is printed escaped."""
    with world(inside) as w:
        w.sandbox.zone(ZONE).add(field_type, "mail._domainkey", "\x1b[31mred.example.")
        run = w(*PUBLISH, "--dry-run", "--replace")
        assert "\\x1b[31mred.example" in run.out + run.err
        assert "\x1b" not in run.out + run.err


def test_a_plan_that_cannot_be_made_is_not_a_different_plan(inside: DkimctlInside) -> None:
    """An API failure is exit 3 and reported as such, not as a different plan."""
    with world(inside) as w:
        digest = _digest(w(*PUBLISH, "--dry-run"))
        w.sandbox.faults.add(Fault("460", path="/domain/*", times=None))
        run = w(*PUBLISH, "--plan-digest", digest)
        assert run.code == 3
        assert "has expired" in run.err


def test_a_zone_that_changes_after_the_comparison_is_not_touched(inside: DkimctlInside) -> None:
    """A record that another user adds between the comparison and the changes: that zone is refused."""
    lists: list[str] = []

    def meddle(call: LoggedCall) -> None:
        if "/record?" not in call.path:
            return
        lists.append(call.path)
        if len(lists) == 2:  # the first was made by the dry run, this one by the comparison
            w.sandbox.zone(ZONE).add("TXT", "mail._domainkey", text)

    with world(inside, on_call=meddle) as w:
        text = w.record()[:255]
        digest = _digest(w(*PUBLISH, "--dry-run"))
        run = w(*PUBLISH, "--plan-digest", digest)
        assert run.code == 1
        assert f"{ZONE} was changed after the plan was checked" in run.err
        assert records_at(w.sandbox) == [("TXT", f'"{text}"')]


def test_json_lines_come_one_by_one(inside: DkimctlInside) -> None:
    """One document a line and nothing else, for successes and failures."""
    with world(inside, ZONE, "two.example") as w:
        w.genkey("two.example")
        w.genkey("three.example")
        run = w(*PUBLISH, "--format", "jsonl")
        lines = [json.loads(line) for line in run.out.splitlines()]
        assert {one["publication"]["domain"]: one["publication"]["outcome"] for one in lines} == {
            ZONE: "published",
            "two.example": "published",
            "three.example": "failed",
        }
        assert {one["schema"] for one in lines} == {1}


def test_a_run_is_resumed_where_it_stopped(inside: DkimctlInside) -> None:
    """Finished keys are skipped; the rest is done, and then nothing is left."""
    with world(inside, ZONE, "two.example") as w:
        w.genkey("two.example")
        assert w(*PUBLISH, ZONE).code == 0
        w.sandbox.clear_calls()
        run = w(*PUBLISH, "--resume")
        assert (run.code, w.phase("two.example")) == (0, "verified")
        assert not [call for call in w.sandbox.calls if ZONE in call.path]
        w.sandbox.clear_calls()
        assert w(*PUBLISH, "--resume").code == 0
        assert w.sandbox.calls == []
