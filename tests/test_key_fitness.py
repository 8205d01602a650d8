"""Is a key fit to sign: one answer, the real opendkim's, for doctor, why and adopt."""

import subprocess
from functools import cache
from pathlib import Path

import pytest

from dkimctl.adopt.key_files import judge_keys
from dkimctl.config.settings import Settings
from dkimctl.doctor.keys import check_keys
from dkimctl.host.world import World, read_world
from dkimctl.keys.pair import Algorithm
from dkimctl.opendkim.fitness import KeyDemands, Unfit, unfit
from dkimctl.why.answer import Mail, MailOutcome
from dkimctl.why.decisions import decide
from tests.conftest import needs
from tests.host_tree import KEY, Tree

MAIL = b"From: contact@example.com\r\nTo: b@example.net\r\nSubject: x\r\n\r\nhello\r\n"
SIZES = (512, 768, 1024)
MINIMA = ("", "0", "256", "512", "768", "1024", "2048")


@cache
def weak_key(bits: int) -> bytes:
    """A private key of this size in PEM: openssl still makes the small ones."""
    return subprocess.run(["openssl", "genrsa", str(bits)], capture_output=True, check=True, timeout=60).stdout


def real_opendkim_signs(place: Path, bits: int, minimum: str) -> bool:
    """Return whether the real daemon, in its test mode, signs with a key of this size."""
    (place / "key").write_bytes(weak_key(bits))
    (place / "message").write_bytes(MAIL)
    lines = ["Domain example.com", "Selector mail", f"KeyFile {place}/key", "Mode s", "RequireSafeKeys no"]
    lines += ["InternalHosts csl:127.0.0.1", *([f"MinimumKeyBits {minimum}"] if minimum else [])]
    (place / "opendkim.conf").write_text("\n".join(lines) + "\n")
    command = ["opendkim", "-v", "-x", str(place / "opendkim.conf"), "-t", str(place / "message")]
    return "DKIM-Signature" in subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


def host(root: Path, bits: int, minimum: str) -> World:
    """A host whose one key has this size."""
    tree = Tree(root)
    tree.key(KEY, weak_key(bits))
    tree.conf("MinimumKeyBits", minimum or None)
    return read_world(Settings(root=root))


@needs("opendkim", "openssl")
@pytest.mark.parametrize("minimum", MINIMA)
@pytest.mark.parametrize("bits", SIZES)
def test_size_as_the_daemon_takes_it(tmp_path: Path, bits: int, minimum: str) -> None:
    """Refused exactly where the daemon refuses; what it signs below 1024 bits no verifier accepts (RFC 8301 §3.2)."""
    found = unfit(Algorithm.RSA, bits, KeyDemands.of("", int(minimum or 0)))
    assert real_opendkim_signs(tmp_path, bits, minimum) is (found is not Unfit.REFUSED_SIZE)
    assert (found is None) is (found is not Unfit.REFUSED_SIZE and bits >= 1024)


@needs("openssl", root=True)
@pytest.mark.parametrize("minimum", MINIMA)
@pytest.mark.parametrize("bits", SIZES)
def test_doctor_why_and_adopt_agree(tmp_path: Path, bits: int, minimum: str) -> None:
    """A key that is unfit for one of them is unfit for all, and `why` says whether mail is lost or only invalid."""
    world = host(tmp_path / "root", bits, minimum)
    found = unfit(Algorithm.RSA, bits, KeyDemands.of("", int(minimum or 0)))
    codes = {diagnosis.finding.title for diagnosis in check_keys(world) if "small" in diagnosis.finding.title}
    assert bool(codes) is (found is not None), [d.finding for d in check_keys(world)]
    assert bool(judge_keys(world, [KEY])[KEY].why) is (found is not None)
    answer = decide(world, Mail("contact@example.com"))
    if found is Unfit.REFUSED_SIZE:
        assert answer.outcome is MailOutcome.REJECTED
    else:
        assert answer.outcome is MailOutcome.SIGNED
        assert answer.signatures[0].is_valid is (found is None)


@pytest.mark.parametrize(
    ("algorithm", "wanted", "own", "expected"),
    [
        (Algorithm.RSA, "rsa-sha256", "", None),
        (Algorithm.ED25519, "ed25519-sha256", "", None),
        (Algorithm.ED25519, "", "", Unfit.OTHER_ALGORITHM),
        (Algorithm.RSA, "Ed25519-SHA256", "", Unfit.INVALID_SIGNATURE),
        (Algorithm.ED25519, "rsa-sha256", "ed25519-sha256", None),
        (Algorithm.RSA, "rsa-sha256", "ed25519-sha256", Unfit.INVALID_SIGNATURE),
    ],
)
def test_algorithm(algorithm: Algorithm, wanted: str, own: str, expected: Unfit | None) -> None:
    """A key of another kind is no key; the row's own algorithm counts before SignatureAlgorithm."""
    assert unfit(algorithm, 2048, KeyDemands.of(wanted, 0), own_algorithm=own) is expected
