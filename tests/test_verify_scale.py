"""Many names: the short ways give the same as the long one."""

from collections.abc import Iterator

import pytest

from dkimctl.config.settings import Lookup
from dkimctl.errors import UsageError
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.verify.check import check
from dkimctl.verify.judge import judge
from dkimctl.verify.parallel import check_in_shares
from dkimctl.verify.report import Report, Target, in_brief
from dkimctl.verify.swift import SwiftJudge
from tests.conftest import Dkimctl, needs
from tests.dns_servers import Knot, free_port_everywhere, name_servers, txt
from tests.record_corpus import corpus, make_keys

HOME = "127.0.0.1"
COUNT = 240
PAIR = generate(Algorithm.RSA)
GOOD = record_for(PAIR.public, "rsa", Tags()).text


@pytest.fixture(scope="module")
def lookup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookup]:
    """A knot with a record for each domain; every tenth is cut."""
    port = free_port_everywhere(HOME)
    records = (txt(f"s._domainkey.d{n}", GOOD[:255] if n % 10 == 0 else GOOD) for n in range(COUNT))
    zone = name_servers(HOME) + "".join(records)
    knot = Knot(tmp_path_factory.mktemp("scale") / "knot", HOME, port, {"example.com": zone}).start()
    yield Lookup((f"{HOME}:{port}",), port)
    knot.stop()


def targets() -> list[Target]:
    """One for each domain."""
    return [Target("s", f"d{n}.example.com", PAIR.public) for n in range(COUNT)]


def essence(report: Report) -> tuple[str, str, tuple[str, ...]]:
    """What must not depend on the way."""
    return report.owner, report.verdict, tuple(f.code for f in report.findings)


def test_the_swift_judge_judges_alike() -> None:
    """For every record of the corpus, and again when it has seen them all, it says what the slow judge says."""
    keys = make_keys()
    swift = SwiftJudge()
    for _ in range(2):
        for case in corpus(keys):
            for pair in (case.pair, keys.usual):
                target = Target("s", "example.com", pair.public if pair else None)
                assert swift(case.text, target) == judge(case.text, target), case.name


@needs("knotd")
def test_shares_give_the_same_reports(lookup: Lookup) -> None:
    """Two processes find what one finds, each name once."""
    whole = sorted(map(essence, check(targets(), lookup)))
    shared = check_in_shares([lambda: targets()[::2], lambda: targets()[1::2]], lookup, in_brief)
    assert sorted(map(essence, shared)) == whole
    assert sum(verdict == "wrong" for _, verdict, _ in whole) == COUNT // 10


@needs("knotd")
def test_an_error_in_a_share_is_ours_again(lookup: Lookup) -> None:
    """What a share raises arrives here as what it was, and no process is left."""

    def broken() -> list[Target]:
        raise UsageError("no", hint="yes")

    with pytest.raises(UsageError, match="no") as caught:
        list(check_in_shares([broken, targets], lookup, in_brief))
    assert caught.value.hint == "yes"


@needs("knotd")
def test_all_managed_keys_are_checked(lookup: Lookup, dkimctl: Dkimctl) -> None:
    """Without arguments every managed key is compared, on all cores, and the summary counts them."""
    for n in range(COUNT):
        directory = dkimctl.root / f"etc/opendkim/keys/d{n}.example.com"
        directory.mkdir(parents=True)
        (directory / "s.private").write_bytes(PAIR.private_pem)
    environment = {"DKIMCTL_NAMESERVERS": lookup.nameservers[0], "DKIMCTL_DNS_PORT": str(lookup.port)}
    run = dkimctl("verify-dns", env=environment)
    assert run.code == 1, run.err
    assert run.out.startswith(f"{COUNT} key records: {COUNT - COUNT // 10} right, {COUNT // 10} wrong")
    assert run.out.count("DKIM203  the key record is truncated\n           the record ends") == COUNT // 10
