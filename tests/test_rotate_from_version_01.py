"""The first `rotate` on a tree that version 0.1 wrote: its metadata know no facts, and its phases end at `verified`."""

import json
from collections.abc import Iterator

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import DkimctlInside
from tests.publishing import ZONE, sandbox
from tests.rotate_host import OTHER, Host, ago, said, steps

CUSTOMER = ZONE
SLOTS = ("dk1", "dk2", "dk3")
FIELDS = {"schema", "algorithm", "bits", "tags", "created", "phase", "provider", "history", "public"}
"""What version 0.1 wrote of every key of its own, besides the digest, which had two names."""


@pytest.fixture
def host(dkimctl_inside: DkimctlInside) -> Iterator[Host]:
    """No key; two zones."""
    with sandbox(ZONE, OTHER) as running:
        yield Host(dkimctl_inside, running)


def written_by_01(host: Host, selector: str, phase: str, *, days: int = 30, digest: str = "seal") -> None:
    """Make a key as version 0.1 left it: with its history, and nothing of what was added later."""
    host.key(selector, published=phase != "generated")
    known = host.notes(selector)
    phases = ["generated", "published", "verified"]
    history = [{"phase": one, "at": ago(days=days), "note": ""} for one in phases[: phases.index(phase) + 1]]
    kept = {name: value for name, value in known.items() if name in FIELDS}
    document = {**kept, "created": ago(days=days), "phase": phase, "history": history, digest: known["source_digest"]}
    (host.directory() / f"{selector}.json").write_text(json.dumps(document, indent=2))


def installed(host: Host, *selectors: str) -> None:
    """The table that version 0.1 installed for these keys."""
    keys = f"/etc/opendkim/keys/{ZONE}"
    table = host.dkimctl.root / "etc/opendkim/KeyTable"
    table.write_text("".join(f"{s}._domainkey.{ZONE} {ZONE}:{s}:{keys}/{s}.private\n" for s in selectors))


@pytest.mark.parametrize("digest", ["seal", "source_digest"])
def test_the_key_that_signs_is_read_from_the_tables(host: Host, digest: str) -> None:
    """Its phase says only `verified`, and a newer one was made since: the installed one is looked at, and counts."""
    written_by_01(host, "old", "verified", digest=digest)
    written_by_01(host, "newer", "generated", days=1)
    installed(host, "old")
    run = host.rotate()
    assert run.code == 0, run.out + run.err
    assert next(step["selector"] for step in steps(run, "done") if step["action"] == "look") == "old"
    assert host.notes("old")["facts"]["record"]["last_seen"]
    assert "no key of this domain signs" not in run.out
    assert (ZONE, "make") not in said(run), "the newer one is the next one"
    assert (ZONE, "publish") in said(run)


def test_version_01_can_read_what_is_written(host: Host) -> None:
    """Schema 1 stays, with every field that it knew, and phases that it knew."""
    written_by_01(host, "old", "verified")
    installed(host, "old")
    host.rotate()
    for selector in ("old", *(path.stem for path in host.directory().glob("dk*.json"))):
        known = host.notes(selector)
        assert known["schema"] == 1
        assert set(known) >= FIELDS
        assert known["phase"] in ("generated", "published", "verified", "active")


@pytest.mark.parametrize("phase", ["generated", "published"])
def test_the_next_key_never_signs_before_it_is_proven(host: Host, phase: str) -> None:
    """`render-config` keeps to the proven one that is installed, before the first rotate and after it."""
    written_by_01(host, "old", "verified")
    written_by_01(host, "newer", phase, days=1)
    installed(host, "old")
    for _ in range(2):
        shown = host("render-config", "--output", str(host.dkimctl.scratch.home / "rendered"))
        assert shown.code == 0, shown.err
        table = (host.dkimctl.scratch.home / "rendered/etc/opendkim/KeyTable").read_text()
        assert ":old:" in table
        assert ":newer:" not in table
        host.running.dns_faults.set("ns2", "drop")  # nothing is proven meanwhile
        host.rotate()


def test_a_domain_whose_proven_key_is_gone_does_not_fall_back(host: Host) -> None:
    """Without any key that was proven mail is not signed, rather than with one that nobody can verify."""
    written_by_01(host, "old", "verified")
    host.note("old", phase="revoked")
    written_by_01(host, "newer", "published", days=1)
    shown = host("render-config", "--output", str(host.dkimctl.scratch.home / "rendered"))
    assert shown.code == 2
    assert "no key that can sign" in shown.err
    assert not (host.dkimctl.scratch.home / "rendered/etc/opendkim/KeyTable").exists()


# --- two slots


def delegated(host: Host, running: Sandbox) -> None:
    """A customer who added the two CNAMEs that version 0.1 asked for."""
    host.config.write_text(f'provider = "ovh"\n[domains."{CUSTOMER}"]\ndelegate = "dkim.{OTHER}"\n')
    for slot in SLOTS[:2]:
        running.zone(CUSTOMER).add("CNAME", f"{slot}._domainkey", f"{slot}.{CUSTOMER}._domainkey.dkim.{OTHER}.")


def test_two_slots_are_taken_over_and_the_third_cname_is_advised(host: Host) -> None:
    """While the second slot is not free there is no standby: it says which CNAME would give one, and ends with 0."""
    delegated(host, host.running)
    written_by_01(host, "dk1", "verified")
    written_by_01(host, "dk2", "verified")
    installed(host, "dk2")
    host.note("dk1", phase="retiring")
    run = host.rotate()
    assert run.code == 0, run.out + run.err
    [wait] = [step for step in steps(run, "waits") if step["action"] == "make"]
    assert "no standby" in wait["proof"]
    assert f"dk3._domainkey.{CUSTOMER}. CNAME dk3.{CUSTOMER}._domainkey.dkim.{OTHER}." in wait["hint"]
    assert steps(run, "failed") == []


def test_with_two_slots_the_rotation_goes_on_in_the_one_that_is_free(host: Host) -> None:
    """The next key has the freed slot's selector and a file of its own; its record is where the CNAME leads."""
    delegated(host, host.running)
    written_by_01(host, "dk1", "verified", days=200)
    written_by_01(host, "dk2", "verified")
    installed(host, "dk2")
    host.note("dk1", phase="purged")
    (host.directory() / "dk1.private").unlink()
    zone = host.running.zone(OTHER)
    zone.remove(next(one.id for one in zone.edited if one.sub_domain.startswith("dk1.")))
    zone.refresh()
    run = host.rotate()
    assert run.code == 0, run.out + run.err
    assert (CUSTOMER, "make") in said(run)
    [made] = host.directory().glob("dk1-????????.private")
    assert host.notes(made.stem)["selector"] == "dk1"
    assert (CUSTOMER, "publish") in said(run)
    assert (CUSTOMER, "look") in said(run)
    assert host.notes(made.stem)["facts"]["record"]["seen"]
