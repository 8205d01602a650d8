"""Keys known to be bad: found by arithmetic and in a list, named in every command that sees the key."""

import hashlib
import json
import math
import secrets
import shutil
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from dkimctl.catalogue import CATALOGUE
from dkimctl.dkim.explain import exit_code, explain
from dkimctl.findings import finding
from dkimctl.keys import knownbad
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import KeyPair, parse_private_key, parse_public
from dkimctl.keys.public import PublicKey
from dkimctl.record.model import record_for
from dkimctl.sandbox import Sandbox
from dkimctl.verify.bulk.cachedjudge import CachedJudge
from dkimctl.verify.judge import judge, right_text
from dkimctl.verify.report import Report, Target, Verdict
from dkimctl.verify.shared_keys import with_shared_keys
from tests.conftest import Dkimctl, DkimctlInside, needs
from tests.handmade import article
from tests.host_tree import KEY, Tree, key_pair
from tests.signatures import MESSAGE, signed_by_hand

badkeys = pytest.importorskip("badkeys", reason="badkeys is not installed (pip install 'dkimctl[badkeys]')")
gmpy2 = pytest.importorskip("gmpy2", reason="gmpy2 is not installed (pip install 'dkimctl[badkeys]')")

BAD, SHARED = "DKIM309", "DKIM311"
_ROCA = 0x924CBA6AE99DFA084537FACC54948DF0C23DA044D8CABE0EDD75BC6  # the product of small primes that shows it


def pair_of(p: int, q: int) -> KeyPair:
    """The key pair of two primes."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    e = 65537
    d = pow(e, -1, math.lcm(p - 1, q - 1))
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q))
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    return parse_private_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "a test")


def prime(bits: int) -> int:
    """A prime of this size with both upper bits set."""
    return int(gmpy2.next_prime(secrets.randbits(bits) | 3 << (bits - 2)))


def fast_prime() -> int:
    """A prime as the broken chips of ROCA made them: a power of 65537 modulo a product of small primes."""
    while True:
        found = pow(65537, secrets.randbits(60), _ROCA) + _ROCA * (secrets.randbits(800) | 3 << 805)
        if gmpy2.is_prime(found):
            return int(found)


@cache
def close_primes() -> KeyPair:
    """A key whose primes follow each other."""
    p = prime(1024)
    return pair_of(int(gmpy2.next_prime(p)), p)


@cache
def roca() -> KeyPair:
    """A key as ROCA's chips made it."""
    return pair_of(fast_prime(), fast_prime())


@cache
def small_factor() -> KeyPair:
    """A key with a factor that everybody finds."""
    return pair_of(prime(2033), 64951)


ARITHMETIC: dict[str, tuple[Callable[[], KeyPair], str]] = {
    "close primes": (close_primes, "close to each other"),
    "ROCA": (roca, "ROCA"),
    "a small factor": (small_factor, "small factor"),
}


@pytest.fixture(autouse=True)
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory in which the library looks for its list; nothing is there, and nothing is remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _forget()
    yield tmp_path / "cache"
    _forget()


def _forget() -> None:
    block = sys.modules.get("badkeys.allkeys.block")
    if block is not None:
        block._blmeta = block._bldata = False  # type: ignore[attr-defined]
        block._cachedir.cache_clear()  # type: ignore[attr-defined]
    knownbad._weakness.cache_clear()


def listed(cache_home: Path, *keys: PublicKey) -> None:
    """Write a small list in the library's format: 15 octets of SHA-256 and the list's number for each key, sorted."""
    directory = cache_home / "badkeys"
    directory.mkdir(parents=True)
    description = {"bkformat": 0, "blocklists": [{"id": 7, "name": "debianssl"}]}
    (directory / "badkeysdata.json").write_text(json.dumps(description))
    entries = sorted(hashlib.sha256(_number(key)).digest()[:15] + b"\x07" for key in keys)
    (directory / "blocklist.dat").write_bytes(b"".join(entries))
    _forget()


def _number(key: PublicKey) -> bytes:
    if key.algorithm == "ed25519":
        return key.data.lstrip(b"\0")
    modulus, _ = knownbad._rsa_numbers(key)
    return modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")


def record(pair: KeyPair) -> str:
    """The text of its key record."""
    return record_for(pair.public, pair.algorithm.value, Tags("")).text


def codes(text: str, target: Target | None = None) -> set[str]:
    """What is found in a record."""
    return {f.code for f in judge(text, target or Target("s", "example.com")).findings}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_needs_no_list(name: str) -> None:
    """Close primes, ROCA and small factors are found from the public key alone, with the reason in words."""
    make, words = ARITHMETIC[name]
    assert words in knownbad.weakness(make().public)
    [found] = [f for f in judge(record(make()), Target("s", "example.com")).findings if f.code == BAD]
    assert words in found.seen


@pytest.mark.parametrize("damage", ["PKCS#1", "v=DKIM1 k=rsa", "k=rsa; v=DKIM1"])
def test_a_bad_key_is_found_in_a_damaged_record(damage: str) -> None:
    """In PKCS#1 form, or after a mistake in another tag, others can sign with it as well."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    pair = close_primes()
    data = load_der_public_key(pair.public.data).public_bytes(Encoding.DER, PublicFormat.PKCS1)
    other_form = f"v=DKIM1; k=rsa; p={b64encode(data).decode()}"
    assert BAD in codes(other_form if damage == "PKCS#1" else f"{damage}; p={pair.public.base64}")


def test_a_good_key_is_good() -> None:
    """Nothing is said about a key that nobody else has."""
    for algorithm in ("rsa", "ed25519"):
        assert knownbad.weakness(key_pair(algorithm).public) == ""


def test_listed_keys_are_found(cache_home: Path) -> None:
    """Once the list is there, its RSA and Ed25519 keys are found with the name of their list, and no others."""
    rsa, edwards = key_pair(), key_pair("ed25519")
    assert not knownbad.weakness(rsa.public)
    listed(cache_home, rsa.public, edwards.public)
    assert knownbad.not_checked() == ""
    for pair in (rsa, edwards):
        assert "debianssl" in knownbad.weakness(pair.public)
        assert BAD in codes(record(pair))
    assert knownbad.weakness(key_pair(bits=3072).public) == ""


@pytest.mark.parametrize("damage", ["{", '{"blocklists": 3}', ""])
def test_a_damaged_list_ends_nothing(cache_home: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A list that the library cannot read neither ends the program nor prints anything; the arithmetic goes on."""
    listed(cache_home, key_pair().public)
    (cache_home / "badkeys/badkeysdata.json").write_text(damage)
    _forget()
    assert knownbad.weakness(key_pair().public) == ""
    assert knownbad.weakness(close_primes().public)
    assert capsys.readouterr() == ("", "")


def test_what_was_not_checked_is_said(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library, and without its list, the note says what to install or fetch."""
    assert "badkeys --update-bl" in knownbad.not_checked()
    monkeypatch.setattr(knownbad, "is_installed", lambda: False)
    assert "dkimctl[badkeys]" in knownbad.not_checked()
    assert knownbad.weakness(close_primes().public) == ""


def test_a_bad_key_is_never_proposed() -> None:
    """No text with such a key is offered for publication, be the record missing, wrong, or damaged."""
    target = Target("s", "example.com", close_primes().public)
    for text in (record(close_primes()), record(key_pair()), "v=DKIM1; k=rsa; p=AAAA", record(close_primes())[:200]):
        assert judge(text, target).publish is None
    assert judge(record(close_primes()).replace("v=DKIM1; ", "v=DKIM1 "), Target("s", "example.com")).publish is None
    assert right_text(target, None)  # what `verify-dns` judges again before it is shown


def test_a_short_list_is_looked_at_and_a_long_one_is_not() -> None:
    """The judge with a memory finds an expected bad key after others of its kind; for a long list it does not look."""
    good, bad = key_pair(), close_primes()
    for weak, found in ((knownbad.weakness, True), (knownbad.not_looked_for, False)):
        swift = CachedJudge(weak)
        for pair in (good, bad):
            target = Target("s", "example.com", pair.public)
            is_bad = found and pair is bad
            assert (swift.key_of(record(pair), target) is None) == is_bad
            assert ({f.code for f in swift(record(pair), target).findings} == {BAD}) == is_bad


def test_inspect_a_message_and_a_record(dkimctl_inside: Dkimctl, cache_home: Path) -> None:
    """A signature by such a key is valid as verifiers see it, and wrong: exit code 1, and the reason is said."""
    pair = close_primes()
    signed = signed_by_hand(MESSAGE, pair, "a=rsa-sha256; c=relaxed/simple; h=from:to:subject:date")
    inspection = explain(signed, lambda _: (record(pair),), datetime.now(UTC))
    [outcome] = [s.outcome for s in inspection.signatures if s.outcome]
    assert outcome.verdict == "valid"
    assert any(BAD in words for words in outcome.wrong)
    assert exit_code(inspection) == 1
    run = dkimctl_inside("inspect", "-", input=record(pair))
    assert (run.code, "close to each other" in run.out.replace("\n", " ")) == (1, True)
    left_out = dkimctl_inside("inspect", "-", "--json", input=record(key_pair())).json["inspection"]["left_out"]
    assert any("badkeys --update-bl" in words for words in left_out)
    listed(cache_home, pair.public)
    run = dkimctl_inside("inspect", "-", "--json", input=record(key_pair()))
    assert run.json["inspection"]["left_out"] == []


@needs("postconf", root=True)
def test_doctor_finds_it_and_says_what_it_did_not_check(dkimctl_inside: DkimctlInside) -> None:
    """The private key on this host is named with its file and a command for another one; the note names the list."""
    tree = Tree(dkimctl_inside.root)
    tree.write(KEY, close_primes().private_pem, 0o600, (3103, 3107))
    ran = dkimctl_inside("doctor", "--no-dns", "--json")
    [found] = [f for f in ran.json["findings"] if f["code"] == BAD]
    assert KEY in found["seen"]
    assert "genkey" in found["fix"]
    assert ran.code == 1
    assert "badkeys --update-bl" in dkimctl_inside("doctor", "--no-dns", "-v").err


def test_genkey_refuses_it_as_the_key_of_a_new_domain(dkimctl_inside: DkimctlInside) -> None:
    """A key that someone put there and that signs nothing yet is refused; others go on; one that signs is kept."""
    assert dkimctl_inside("genkey", "-s", "s", "example.com", "example.org").code == 0
    directory = dkimctl_inside.root / "etc/opendkim/keys/example.com"
    private = directory / "s.private"
    private.write_bytes(close_primes().private_pem)
    ran = dkimctl_inside("genkey", "-s", "s", "--if-missing", "example.com", "example.org")
    assert ran.code == 1
    assert "known to be bad" in ran.err
    metadata = json.loads((directory / "s.json").read_text())
    (directory / "s.json").write_text(json.dumps({**metadata, "phase": "active"}))
    assert dkimctl_inside("genkey", "-s", "s", "--if-missing", "example.com").code == 0


@needs("opendkim", root=True)
def test_adopt_leaves_it_where_it_is(dkimctl_inside: DkimctlInside, tmp_path: Path) -> None:
    """A domain that signs with such a key is not taken over, and the reason is said; the others are."""
    tree = article(tmp_path / "host")
    privates = sorted(tree.root.rglob("*.private"))
    assert privates
    privates[0].write_bytes(close_primes().private_pem)
    ran = dkimctl_inside("adopt", "--root", tree.root, "--json")
    assert any("known to be bad" in left["why"] for left in ran.json["adoption"]["left"]), ran.out
    assert ran.code == 1
    shutil.rmtree(tree.root)


def test_setup_refuses_a_listed_key(dkimctl_inside: DkimctlInside, cache_home: Path) -> None:
    """A listed key is neither published nor configured, no matter who put it there; the other domain is finished."""
    zones = ("domain.tld", "other.tld")
    assert dkimctl_inside("genkey", "-s", "s", *zones).code == 0
    keys = dkimctl_inside.root / "etc/opendkim/keys"
    listed(cache_home, parse_public((keys / "domain.tld/s.private").read_bytes(), "s.private"))
    with Sandbox(zones=zones) as sandbox:
        ran = dkimctl_inside("setup", *zones, "--selector", "s", "--provider", "ovh", env=sandbox.environment())
        served = {name: [r for r in sandbox.zone(name).served if "_domainkey" in r.sub_domain] for name in zones}
    assert ran.code == 1
    assert "known to be bad" in ran.err
    assert "debianssl" in ran.err
    assert [len(served[name]) for name in zones] == [0, 1]
    table = (dkimctl_inside.root / "etc/opendkim/SigningTable").read_text()
    assert "other.tld" in table
    assert "domain.tld" not in table.replace("other.tld", "")


@needs("opendkim", root=True)
def test_adopt_leaves_a_listed_key(dkimctl_inside: DkimctlInside, tmp_path: Path, cache_home: Path) -> None:
    """A key of the list is not taken over, and the name of its list is said."""
    tree = article(tmp_path / "host")
    private = sorted(tree.root.rglob("*.private"))[0]
    listed(cache_home, parse_public(private.read_bytes(), "s.private"))
    ran = dkimctl_inside("adopt", "--root", tree.root, "--json")
    assert any("debianssl" in left["why"] for left in ran.json["adoption"]["left"]), ran.out
    assert ran.code == 1
    shutil.rmtree(tree.root)


def test_one_key_for_several_domains_is_an_information() -> None:
    """The later domain is told whose key it shares; two selectors of one domain, and other keys, are not."""
    one, other = key_pair().public, close_primes().public
    right = (finding(CATALOGUE["DKIM300"], "x", "seen"),)

    def report(selector: str, domain: str, key: PublicKey) -> Report:
        target = Target(selector, domain, key)
        return Report(target, domain, selector, target.owner, Verdict.RIGHT, right)

    reports = [report("a", "example.com", one), report("b", "example.com", one), report("a", "example.org", one)]
    found = [*with_shared_keys([*reports, report("a", "example.net", other)])]
    assert [SHARED in {f.code for f in r.findings} for r in found] == [False, False, True, False]
    assert all(r.verdict is Verdict.RIGHT for r in found)
