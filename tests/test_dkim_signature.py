"""Signatures made and verified through dkimpy: what passes, what fails, and why."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dkimctl.dkim.signature import FIELD, Signature, sign, verify
from dkimctl.errors import CheckFailed, Unavailable
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, KeyPair, generate
from dkimctl.milter.message import Message, probe_message
from dkimctl.record.model import record_for
from dkimctl.selftest.testmode import sign_in_test_mode
from tests.conftest import REPOSITORY, needs

NOW = datetime(2026, 11, 23, 10, 4, 2, tzinfo=UTC)
OWNER = "mail._domainkey.example.com"
PAIR = generate(Algorithm.RSA, 2048)
RECORD = record_for(PAIR.public, "rsa", Tags()).text


def signed(pair: KeyPair = PAIR) -> Message:
    """A probe message with a signature of `mail` of example.com."""
    message = probe_message("example.com", NOW)
    return message.with_header(FIELD, sign(message.raw, "example.com", "mail", pair))


def verified(message: Message, record: str | None = RECORD) -> Signature:
    """The one signature of the message, with this text at every name."""
    (only,) = verify(message.raw, lambda _: record)
    return only


def test_a_good_signature_holds() -> None:
    """A signature made with the private key verifies with the key record of its public half."""
    seen = verified(signed())
    assert (seen.valid, seen.why) == (True, "")
    assert (seen.domain, seen.selector, seen.algorithm) == ("example.com", "mail", "rsa-sha256")
    assert [field.lower() for field in seen.fields].count("from") == 2


def test_the_record_is_asked_for_at_its_owner_name() -> None:
    """The key is looked for at <selector>._domainkey.<domain>, without final dot, and nowhere else."""
    asked: list[str] = []

    def find(name: str) -> str | None:
        asked.append(name)
        return RECORD

    verify(signed().raw, find)
    assert asked == [OWNER]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m: m.with_body(m.body + "P.S. pay me\n"), "the body was changed after it was signed"),
        (lambda m: Message(m.sender, _replaced(m, "Subject", "Pay me"), m.body), "does not match this key"),
        (lambda m: m.with_header("From", "evil@example.org"), "does not match this key"),
    ],
)
def test_a_changed_message_does_not_verify(change: Callable[[Message], Message], why: str) -> None:
    """Another body, another subject and a second From are caught, and the reason tells body and header apart."""
    seen = verified(change(signed()))
    assert not seen.valid
    assert why in seen.why


def _replaced(message: Message, name: str, value: str) -> tuple[tuple[str, str], ...]:
    return tuple((n, value if n == name else v) for n, v in message.headers)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (None, "no key record at its name"),
        (RECORD[:255], "the key record is not usable"),
        ("v=spf1 -all", "the key record is not usable"),
        ("", "the key record is not usable"),
        ("v=DKIM1; k=rsa; p=", "the key record is not usable"),
        ("v=DKIM1; p=%%%", "the key record is not usable"),
        ("v=DKIM1; p=€", "the key record is not usable"),
        (record_for(generate(Algorithm.RSA, 2048).public, "rsa", Tags()).text, "does not match this key"),
        (record_for(generate(Algorithm.RSA, 2048).public, "rsa", Tags()).text[:-40], "the key record is not usable"),
        (RECORD.replace("h=sha256", "h=sha1"), "the key record allows sha1 in h=, and not sha256"),
        (RECORD.replace("k=rsa", "k=rsa; s=tlsrpt"), "tlsrpt"),
        (RECORD.replace("k=rsa", "k=rsa; s=other"), "the key record is for other (s=), not for email"),
    ],
)
def test_a_wrong_record_does_not_verify(record: str | None, why: str) -> None:
    """Missing, truncated, revoked, foreign and forbidding key records fail, each with its reason in one line."""
    seen = verified(signed(), record)
    assert not seen.valid
    assert why in seen.why
    assert "\n" not in seen.why


@pytest.mark.parametrize("tags", [Tags(), Tags("sha1:sha256"), Tags("", "email"), Tags("", "*", "y:s")])
def test_records_with_tags_that_allow_it(tags: Tags) -> None:
    """h=, s= and t= that allow the signature do not invalidate it."""
    assert verified(signed(), record_for(PAIR.public, "rsa", tags).text).valid


def test_every_signature_is_looked_at() -> None:
    """Of two signatures each is verified on its own."""
    other = generate(Algorithm.RSA, 2048)
    message = signed()
    twice = message.with_header(FIELD, sign(message.raw, "example.org", "s2", other))
    records = {OWNER: RECORD, "s2._domainkey.example.org": RECORD}
    seen = verify(twice.raw, records.get)
    assert [(s.domain, s.valid) for s in seen] == [("example.org", False), ("example.com", True)]


def test_no_signature() -> None:
    """A message without signature has none; that is no error."""
    assert verify(probe_message("example.com", NOW).raw, {}.get) == ()


@pytest.mark.parametrize("value", ["", "nonsense", "v=1; a=rsa-sha256", "v=1; a=x; d=b.c; s=e; h=From; bh=aa; b=aa"])
def test_a_broken_signature_field_is_invalid(value: str) -> None:
    """A DKIM-Signature that is none does not verify and gives a reason instead of an exception."""
    (seen,) = verify(probe_message("example.com", NOW).with_header(FIELD, value).raw, {}.get)
    assert not seen.valid
    assert seen.why


def test_dns_that_does_not_answer_is_no_verdict() -> None:
    """When DNS does not answer, the verification is not a failure of the signature but an error of its own."""

    def find(name: str) -> str | None:
        raise Unavailable(f"no answer for {name}")

    with pytest.raises(Unavailable, match="no answer for mail"):
        verify(signed().raw, find)


def test_not_a_message() -> None:
    """Bytes that are no message are refused with a hint."""
    with pytest.raises(CheckFailed, match="not a mail message"):
        verify(b"no colon here", {}.get)


@needs("opendkim")
def test_ed25519(tmp_path: Path) -> None:
    """An Ed25519 signature by the real opendkim verifies with the record of its key (RFC 8463), and with no other."""
    pair = generate(Algorithm.ED25519)
    message = probe_message("example.com", NOW)
    signed_message = message.with_header(FIELD, sign_in_test_mode(configuration(tmp_path, pair), message))
    record = record_for(pair.public, "ed25519", Tags()).text
    assert verified(signed_message, record).why == ""
    other = record_for(generate(Algorithm.ED25519).public, "ed25519", Tags()).text
    assert "does not match this key" in verified(signed_message, other).why


def configuration(directory: Path, pair: KeyPair) -> Path:
    """An opendkim.conf that signs for example.com with this key."""
    private = directory / "mail.private"
    private.write_bytes(pair.private_pem)
    private.chmod(0o600)
    conf = directory / "opendkim.conf"
    lines = [
        "Mode s",
        "Domain example.com",
        "Selector mail",
        f"KeyFile {private}",
        "Socket inet:1@localhost",
        "RequireSafeKeys no",
        "Canonicalization relaxed/simple",
        f"SignatureAlgorithm {pair.algorithm}-sha256",
    ]
    conf.write_text("\n".join(lines) + "\n")
    return conf


def test_ed25519_without_its_library() -> None:
    """Without PyNaCl an Ed25519 signature is "cannot be verified", with what to install: never "invalid"."""
    value = "v=1; a=ed25519-sha256; c=relaxed/simple; d=example.com; s=mail; h=From; bh=AAAA; b=AAAA"
    message = probe_message("example.com", NOW).with_header(FIELD, value)
    record = record_for(generate(Algorithm.ED25519).public, "ed25519", Tags("")).text
    program = (
        "import sys; sys.modules['nacl'] = None\n"
        "from dkimctl.errors import Unavailable\n"
        "from dkimctl.dkim.signature import verify\n"
        f"try: verify({message.raw!r}, lambda _: {record!r})\n"
        "except Unavailable as error: print(error.message, error.hint)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY)
    assert "PyNaCl is missing" in ended.stdout, ended.stderr
    assert "pip install" in ended.stdout


@needs("opendkim")
def test_a_key_that_opendkim_cannot_use(tmp_path: Path) -> None:
    """The test mode tells why opendkim does not sign."""
    conf = configuration(tmp_path, PAIR)
    (tmp_path / "mail.private").write_text("nonsense")
    with pytest.raises(CheckFailed, match="opendkim does not sign mail from dkimctl-probe@"):
        sign_in_test_mode(conf, probe_message("example.com", NOW))
