"""One domain of which something cannot be read: it is named, the others are worked on, and the exit code says so."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dkimctl.config.settings import Lookup, Settings
from dkimctl.errors import DkimctlError
from dkimctl.keys.directory import KeyDirectory
from dkimctl.verify.check import check
from dkimctl.verify.report import Verdict
from dkimctl.verify.targets import managed_targets
from tests.conftest import DkimctlInside, Run
from tests.publishing import ZONE, sandbox

BAD = "bad.example"
HINT = "dkimctl: hint: "


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


KINDS: dict[str, Callable[[Path], object]] = {
    "a sparse file without end": _huge,
    "a directory": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a link into nowhere": lambda path: path.symlink_to(path),
    "rubbish": lambda path: path.write_bytes(b"\xff{"),
    "a newer version": lambda path: path.write_text('{"schema": 99}'),
}
"""What lies in a key directory, under the name of metadata beside which there is no key."""


@pytest.fixture(params=KINDS, ids=lambda kind: kind.replace(" ", "_"))
def dkimctl(request: pytest.FixtureRequest, dkimctl_inside: DkimctlInside) -> DkimctlInside:
    """A domain with a key, and another one with something that cannot be read."""
    path = dkimctl_inside.root / "etc/dkimctl/dkimctl.toml"
    path.parent.mkdir(parents=True)
    path.write_text('provider = "ovh"\n')
    assert dkimctl_inside("genkey", ZONE, "-s", "mail", "--algorithm", "ed25519", "-q").code == 0
    bad = dkimctl_inside.root / f"etc/opendkim/keys/{BAD}"
    bad.mkdir(mode=0o700)
    KINDS[request.param](bad / "old.json")
    return dkimctl_inside


def _names_it(run: Run) -> bool:
    """Return True when the domain is named on stderr with a hint, and there is no traceback."""
    return BAD in run.err and HINT in run.err and "Traceback" not in run.err


def test_a_directory_that_cannot_be_read_is_a_domain(dkimctl: DkimctlInside) -> None:
    """The list of domains is complete; reading this one is an error with a hint, and reading the other is none."""
    store = KeyDirectory(dkimctl.root / "etc/opendkim/keys")
    assert list(store.domains()) == sorted([BAD, ZONE])
    assert [key.selector for key in store.keys(ZONE)] == ["mail"]
    with pytest.raises(DkimctlError) as raised:
        store.keys(BAD)
    assert raised.value.hint


def test_status_shows_the_others(dkimctl: DkimctlInside) -> None:
    """Its finding names the domain; exit 3."""
    run = dkimctl("status", "--json")
    assert run.code == 3
    assert [key["domain"] for key in run.json["status"]["keys"]] == [ZONE]
    assert [finding["subject"] for finding in run.json["status"]["findings"]] == [BAD]


def test_verify_dns_checks_the_others(dkimctl: DkimctlInside) -> None:
    """The domain has a report of its own, that it could not be read."""
    run = dkimctl("verify-dns", "--json", "--nameserver", "127.0.0.1:1")
    assert run.code == 3
    reports = {report["domain"]: report for report in run.json["reports"]}
    assert sorted(reports) == sorted([BAD, ZONE])
    assert [finding["code"] for finding in reports[BAD]["findings"]] == ["DKIM990"]
    assert reports[BAD]["verdict"] == "unknown"
    assert reports[BAD]["findings"][0]["fix"]


def test_a_long_list_goes_on_as_well(dkimctl: DkimctlInside) -> None:
    """On the fast path for many names it is the same report, and nobody is asked."""
    settings = Settings(root=dkimctl.root)
    store = KeyDirectory(settings.key_directory)
    targets = list(managed_targets([BAD] * 20, settings, store))
    reports = list(check(targets, Lookup(("127.0.0.1:1",)), brief=True))
    assert [(r.owner, r.verdict, r.findings[0].code) for r in reports] == [(BAD, Verdict.UNKNOWN, "DKIM990")] * 20


def test_a_calendar_has_the_others(dkimctl: DkimctlInside) -> None:
    """The dry run of rotate ends with another code than 0, and still shows what is due elsewhere."""
    run = dkimctl("rotate", "--dry-run", "--json")
    assert run.code != 0
    assert {one["domain"] for one in run.json["calendar"]} == {BAD, ZONE}
    assert _names_it(run)


def test_the_others_are_published(dkimctl: DkimctlInside) -> None:
    """Without a domain every key is published that can be read."""
    with sandbox() as running:
        run = dkimctl("publish", "--no-wait", "--json", env=running.environment())
    assert run.code != 0
    assert f"mail._domainkey.{ZONE}" in run.out
    assert _names_it(run)


def test_the_records_of_the_others_are_printed(dkimctl: DkimctlInside) -> None:
    """They are whole; the domain is named beside them."""
    run = dkimctl("record")
    assert run.code != 0
    assert f"mail._domainkey.{ZONE}" in run.out
    assert _names_it(run)


def test_the_others_are_rendered(dkimctl: DkimctlInside, tmp_path: Path) -> None:
    """A domain that does not sign, and cannot be read, keeps no other one from signing."""
    run = dkimctl("render-config", "--output", str(tmp_path / "out"))
    assert run.code == 3
    assert ZONE in (tmp_path / "out/etc/opendkim/KeyTable").read_text()
    assert _names_it(run)


def test_doctor_goes_on(dkimctl: DkimctlInside) -> None:
    """It is no bug of the program, and no error that ends it."""
    run = dkimctl("doctor", "--json")
    assert run.code in (1, 3)
    assert run.json["findings"]


def test_a_domain_that_signs_already_goes_on_signing(dkimctl_inside: DkimctlInside, tmp_path: Path) -> None:
    """Rubbish beside its key takes no row out of the tables; where that key cannot be read, nothing is rendered."""
    dkimctl = dkimctl_inside
    keys = dkimctl.root / "etc/opendkim/keys"
    for domain in (ZONE, BAD):
        assert dkimctl("genkey", domain, "-s", "mail", "--algorithm", "ed25519", "-q").code == 0
    assert dkimctl("render-config", "--output", str(dkimctl.root)).code == 0
    table = (dkimctl.root / "etc/opendkim/KeyTable").read_text()
    assert BAD in table
    (keys / BAD / "old.json").mkdir()
    run = dkimctl("render-config", "--output", str(tmp_path / "out"))
    assert (run.code, (tmp_path / "out/etc/opendkim/KeyTable").read_text()) == (3, table)
    (keys / BAD / "mail.json").write_text("{")
    run = dkimctl("render-config", "--output", str(tmp_path / "none"))
    assert run.code not in (0, 70)
    assert not (tmp_path / "none").exists()
    assert _names_it(run)


@pytest.mark.parametrize("command", [("publish", "--no-wait"), ("verify-dns",), ("record",)])
def test_of_a_domain_that_is_named_alone_it_is_the_error(
    dkimctl_inside: DkimctlInside, command: tuple[str, ...]
) -> None:
    """There is nothing else to do: the error ends the command."""
    (bad := dkimctl_inside.root / f"etc/opendkim/keys/{BAD}").mkdir(parents=True)
    (bad / "old.json").mkdir()
    run = dkimctl_inside(command[0], BAD, *command[1:])
    assert run.code == 1
    assert not run.out
    assert _names_it(run)
