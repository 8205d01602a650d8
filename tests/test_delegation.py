"""Delegated domains: the record is in the operator's zone, the customer adds its CNAMEs once."""

import json

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import DkimctlInside, Run
from tests.publishing import is_clean, on_progress, sandbox

CUSTOMER, OPERATOR = "customer.example", "operator.net"
OWNER = f"dk1._domainkey.{CUSTOMER}"
SLOT = f"dk1.{CUSTOMER}._domainkey.dkim.{OPERATOR}"
PUBLISH = ("publish", "--provider", "ovh", "--timeout", "1")


class World:
    """A machine that signs for a customer, and the sandbox with both zones."""

    def __init__(self, dkimctl: DkimctlInside, running: Sandbox) -> None:
        self.dkimctl = dkimctl
        self.running = running
        path = dkimctl.root / "etc/dkimctl/dkimctl.toml"
        path.parent.mkdir(parents=True)
        path.write_text(f'[domains."{CUSTOMER}"]\ndelegate = "dkim.{OPERATOR}"\n')
        assert self("genkey", CUSTOMER, "-q").code == 0

    def __call__(self, *arguments: str) -> Run:
        return self.dkimctl(*arguments, env=self.running.environment())

    def add_cname(self, target: str = SLOT) -> None:
        """What the customer does."""
        self.running.zone(CUSTOMER).add("CNAME", "dk1._domainkey", f"{target}.")

    def findings(self) -> set[str]:
        """The codes of what verify-dns finds wrong."""
        [report] = self("verify-dns", "--json").json["reports"]
        return {one["code"] for one in report["findings"] if one["severity"] in ("error", "warning", "unknown")}


@pytest.fixture
def dkimctl(dkimctl_inside: DkimctlInside) -> DkimctlInside:
    """The command line, in this process."""
    return dkimctl_inside


def test_keys_take_the_slots_in_turn(dkimctl: DkimctlInside) -> None:
    """Fixed selectors: dk1, dk2 and dk3 in turn; a fourth key has no slot and overwrites nothing."""
    with sandbox(CUSTOMER, OPERATOR) as running:
        w = World(dkimctl, running)
        assert w("genkey", CUSTOMER).code == 0
        assert w("genkey", CUSTOMER).code == 0
        keys = dkimctl.root / f"etc/opendkim/keys/{CUSTOMER}"
        assert sorted(path.name for path in keys.glob("*.private")) == [
            "dk1.private",
            "dk2.private",
            "dk3.private",
        ]
        assert w("genkey", CUSTOMER).code != 0
        assert w("genkey", CUSTOMER, "--if-missing").code == 0


@pytest.mark.parametrize("form", ["zone", "oneline", "ovh"])
def test_the_record_and_the_cnames_are_printed(dkimctl: DkimctlInside, form: str) -> None:
    """The record at its name in the operator's zone; below it each CNAME that the customer adds, slot by slot."""
    with sandbox(CUSTOMER, OPERATOR) as running:
        run = World(dkimctl, running)("record", CUSTOMER, "--format", form)
        assert f"dk1.{CUSTOMER}._domainkey" in run.out
        for slot in ("dk1", "dk2", "dk3"):
            line = f"{slot}._domainkey.{CUSTOMER}. IN CNAME {slot}.{CUSTOMER}._domainkey.dkim.{OPERATOR}."
            assert run.out.count(line) == 1


def test_it_is_published_in_the_operators_zone_and_proven_through_the_cname(dkimctl: DkimctlInside) -> None:
    """Nothing is written in the customer's zone; the key is verified once the whole way leads to it."""
    with sandbox(CUSTOMER, OPERATOR) as running:
        w = World(dkimctl, running)
        w.add_cname()
        run = w(*PUBLISH)
        assert (run.code, run.out) == (0, f"{SLOT}: published, read back, served by 2 name servers\n")
        [record] = [r for r in running.zone(OPERATOR).edited if r.field_type == "DKIM"]
        assert record.sub_domain == f"dk1.{CUSTOMER}._domainkey.dkim"
        assert running.zone(CUSTOMER).refreshes == 0
        assert is_clean(running, OPERATOR)
        assert w.findings() == set()
        metadata = dkimctl.root / f"etc/opendkim/keys/{CUSTOMER}/dk1.json"
        assert json.loads(metadata.read_text())["phase"] == "verified"


def test_without_the_cname_it_waits_and_goes_on_by_itself(
    dkimctl: DkimctlInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line to add is said at once; when the customer has added it, the run ends well."""
    with sandbox(CUSTOMER, OPERATOR) as running:
        w = World(dkimctl, running)
        on_progress(monkeypatch, "to add this CNAME once", w.add_cname)
        run = w("publish", "--provider", "ovh", "--timeout", "60")
        assert run.code == 0
        assert f"waiting for the customer to add this CNAME once: {OWNER}. IN CNAME {SLOT}." in run.err


def test_without_the_cname_it_ends_with_3_and_says_whose_turn_it_is(dkimctl: DkimctlInside) -> None:
    """Published and read back; the customer's side is missing."""
    with sandbox(CUSTOMER, OPERATOR) as running:
        w = World(dkimctl, running)
        run = w(*PUBLISH)
        assert run.code == 3
        assert "the customer's CNAME is missing" in run.err
        assert "dkimctl: hint: ask the customer to add it once: " in run.err
        assert f"{OWNER}. IN CNAME {SLOT}." in run.err
        assert w.findings() == {"DKIM120"}


@pytest.mark.parametrize(
    ("published", "cname", "codes"),
    [
        (True, "", {"DKIM120"}),
        (False, SLOT, {"DKIM122"}),
        (False, "", {"DKIM120", "DKIM122"}),
        (True, f"elsewhere.{OPERATOR}", {"DKIM121"}),
        (True, "own", {"DKIM123"}),
        (True, SLOT, set()),
    ],
    ids=["no cname", "no record", "neither", "cname elsewhere", "a record of its own", "all well"],
)
def test_verify_dns_says_which_side_is_missing(
    dkimctl: DkimctlInside, published: bool, cname: str, codes: set[str]
) -> None:
    """The customer's CNAME, the operator's record, both, or a CNAME that leads elsewhere."""
    with sandbox(CUSTOMER, OPERATOR) as running:
        w = World(dkimctl, running)
        if published:
            assert w("publish", "--provider", "ovh", "--no-wait").code == 0
        if cname == "own":
            text = w("record", CUSTOMER, "--json").json["records"][0]["text"]
            running.zone(CUSTOMER).add("DKIM", "dk1._domainkey", text)
        elif cname:
            w.add_cname(cname)
        assert w.findings() == codes


@pytest.mark.parametrize(
    ("delegate", "words"),
    [("not a domain", "not a domain name"), (f"dkim.{CUSTOMER}", "is in the domain itself"), ("x" * 64, "one label")],
)
def test_a_wrong_delegate_is_a_mistake_in_the_file(dkimctl: DkimctlInside, delegate: str, words: str) -> None:
    """File, table and key are named; exit code 2."""
    path = dkimctl.root / "etc/dkimctl/dkimctl.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[domains."{CUSTOMER}"]\ndelegate = "{delegate}"\n')
    run = dkimctl("record", CUSTOMER)
    assert run.code == 2
    assert f'[domains."{CUSTOMER}"] delegate: ' in run.err
    assert words in run.err
