"""inspect, the core: verdicts equal dkimpy's, and where a signature fails, the change that broke it is named."""

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dkimctl.dkim.check import SignatureOutcome, SignatureVerdict
from dkimctl.dkim.explain import MOST_SIGNATURES, exit_code, explain
from dkimctl.dkim.recognise import Kind
from dkimctl.dkim.signature import FIELD, sign, verify
from dkimctl.dkim.usable_key import every
from dkimctl.errors import CheckFailed, Unavailable
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.milter.message import Message, probe_message
from dkimctl.record.model import record_for
from tests.conftest import REPOSITORY
from tests.signatures import MESSAGE, signed_by_hand

NOW = datetime.now(UTC).replace(microsecond=0)
PAIR = generate(Algorithm.RSA, 2048)
RECORD = record_for(PAIR.public, "rsa", Tags()).text


def signed(message: Message | None = None) -> bytes:
    """A message with a signature of `mail` of example.com, as it travels."""
    message = message or probe_message("example.com", NOW)
    return message.with_header(FIELD, sign(message.raw, "example.com", "mail", PAIR)).raw


def outcome(raw: bytes, record: str | None = RECORD, now: datetime | None = None) -> SignatureOutcome:
    """What is said of the first signature, a minute after it was made unless another time is given."""
    found = explain(raw, every(lambda _: record), now or datetime.now(UTC) + timedelta(minutes=1))
    assert found.kind is Kind.MESSAGE
    assert found.signatures[0].outcome is not None
    return found.signatures[0].outcome


def why(raw: bytes, record: str | None = RECORD) -> str:
    """The reasons why it is invalid."""
    seen = outcome(raw, record)
    assert seen.verdict is SignatureVerdict.INVALID
    return "; ".join(seen.reasons)


def test_a_valid_signature() -> None:
    """Valid, with the key's size and name, and both hashes as they were; what was hashed is handed out."""
    seen = outcome(signed())
    assert (seen.verdict, seen.reasons, seen.key) == (SignatureVerdict.VALID, (), "RSA 2048 bits")
    assert (seen.owner, seen.body_fits, seen.header_fits) == ("mail._domainkey.example.com", True, True)
    assert seen.hashed is not None
    assert seen.hashed.header.startswith("from:dkimctl-probe@example.com\r\nto:")
    assert seen.hashed.header.endswith("b=")
    assert seen.hashed.absent == ("from",)
    digest = base64.b64encode(hashlib.sha256(seen.hashed.body.encode()).digest()).decode()
    assert digest == seen.hashed.body_hash


def test_line_ends_do_not_matter() -> None:
    """A message that was saved with the line ends of Unix verifies as well."""
    assert outcome(signed().replace(b"\r\n", b"\n")).verdict is SignatureVerdict.VALID


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m + b"-- \r\nlist footer\r\n", "2 lines were added at its end, with “--"),
        (lambda m: m.replace(b"\r\n\r\n", b"\r\n\r\n[CAUTION] external\r\n", 1), "1 line was put in front of it"),
        (lambda m: m.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", "the body was changed"),
        (lambda m: m.replace(b"Subject: ", b"Subject: [list] "), "Subject was changed after it was signed (line"),
        (lambda m: m.replace(b"Subject: ", b"Subject: Fwd: "), "“Fwd:” was put in front"),
        (lambda m: b"From: evil@example.org\r\n" + m, "a field From was added after it was signed (line 1)"),
        (lambda m: m.replace(b"To: probe@dkimctl.invalid", b"To: <probe@dkimctl.invalid>"), "an address was rewritten"),
        (lambda m: m.replace(b"Is this", b"Was this"), "one of the signed header fields was changed"),
    ],
)
def test_the_change_is_named(change: Callable[[bytes], bytes], words: str) -> None:
    """What lists, gateways and forgers do is found out and named."""
    assert words in why(change(signed()))


@pytest.mark.parametrize("name", ["Subject", "To", "Date", "Content-Type"])
def test_an_unsigned_field_in_front_is_reported(name: str) -> None:
    """`h=` counts fields of one name from the bottom (RFC 6376 §5.4.2): one added on top is valid, and said."""
    raw = signed()
    if f"\r\n{name}:".encode() not in raw:
        raw = signed(probe_message("example.com", NOW).with_header(name, "text/plain"))
    seen = outcome(f"{name}: another\r\n".encode() + raw)
    assert (seen.verdict, seen.wrong) == (SignatureVerdict.VALID, ())
    assert any(f"2 fields {name}" in remark and "“another”" in remark for remark in seen.remarks)


def test_an_unsigned_from_in_front_is_an_error() -> None:
    """A second From that nobody signed is what people see: exit code 1 although the signature holds (§8.15)."""
    once = signed_by_hand(MESSAGE, PAIR)
    assert exit_code(explain(once, every(_records), NOW)) == 0
    found = explain(b"From: ceo@bank.example\r\n" + once, every(_records), NOW)
    [seen] = [s.outcome for s in found.signatures if s.outcome]
    assert seen.verdict is SignatureVerdict.VALID
    assert "2 fields From, and only the last one is signed" in seen.wrong[0]
    assert exit_code(found) == 1


@pytest.mark.parametrize(
    ("body", "changed", "words"),
    [
        ("caf\u00e9\n", b"caf=C3=A9\r\n", "re-encoded as quoted-printable"),
        ("caf\u00e9\n", base64.b64encode(b"caf\xc3\xa9\r\n") + b"\r\n", "re-encoded as base64"),
        ("x" * 1500 + "\n", b"x" * 990 + b"\r\n " + b"x" * 510 + b"\r\n", "longer than 998"),
        ("From me\n", b">From me\r\n", "“From ”"),
        (".dot\n", b"..dot\r\n", "doubled"),
    ],
)
def test_changes_of_the_body(body: str, changed: bytes, words: str) -> None:
    """The classical breakages on the way are told from each other."""
    plain = probe_message("example.com", NOW).with_body("PLACE\n").raw
    original = plain.replace(b"PLACE\r\n", body.encode().replace(b"\n", b"\r\n"))
    value = sign(original, "example.com", "mail", PAIR).replace("\n", "\r\n")
    head = f"{FIELD}: {value}\r\n".encode()
    assert outcome(head + original).verdict is SignatureVerdict.VALID
    assert words in why(head + plain.replace(b"PLACE\r\n", changed))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (None, "there is no key record at mail._domainkey.example.com"),
        (RECORD[:255], "not usable: the key record is truncated (DKIM203)"),
        ("v=DKIM1; p=", "not usable"),
        ("v=spf1 -all", "not usable"),
        (RECORD.replace("h=sha256", "h=sha1"), "the key record allows sha1 (h=), and not sha256"),
        (RECORD.replace("k=rsa", "k=rsa; s=tlsrpt"), "not usable"),
        (
            record_for(generate(Algorithm.RSA, 2048).public, "rsa", Tags()).text,
            "not made with the key that is published at",
        ),
    ],
)
def test_what_is_wrong_with_the_key(record: str | None, words: str) -> None:
    """A key that is missing, broken, revoked, or another one is told from a changed message."""
    assert words in why(signed(), record)


def test_dns_that_does_not_answer_is_no_verdict() -> None:
    """Not verified, never invalid, and exit code 3; but a changed body is wrong whatever the key is."""

    def silent(_: str) -> str | None:
        raise Unavailable("no resolver answers", hint="check it")

    found = explain(signed(), every(silent), NOW)
    assert found.signatures[0].outcome is not None
    assert found.signatures[0].outcome.verdict is SignatureVerdict.UNKNOWN
    assert exit_code(found) == 3
    changed = explain(signed() + b"more\r\n", every(silent), NOW).signatures[0].outcome
    assert changed is not None
    assert changed.verdict is SignatureVerdict.INVALID


def test_a_clock_in_the_future_is_told() -> None:
    """The article's case: a signature from 19 seconds in the future is valid here, and the reader is warned."""
    raw = signed()
    [made] = re.findall(rb"; t=(\d+);", raw)
    seen = outcome(raw, now=datetime.fromtimestamp(int(made), UTC) - timedelta(seconds=19))
    assert seen.verdict is SignatureVerdict.VALID
    assert any("19 seconds in the future" in remark for remark in seen.remarks)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"v=1;", b"v=2;", "v=2 is not 1"),
        (b"v=1;", b"", "the tag v= is missing"),
        (b"v=1;", b"v=1; v=1;", "occurs twice"),
        (b"a=rsa-sha256", b"a=rsa-md5", "not a DKIM algorithm"),
        (b"c=relaxed/simple", b"c=relaxed/loose", "not a canonicalization"),
        (b"d=example.com", b"d=", "not a domain name"),
        (b"i=@example.com", b"i=@example.org", "not at or below"),
        (b"i=@example.com", b"i=@badexample.com", "not at or below"),
        (b"i=@example.com", b"i=example.com", "has no @"),
        (b"q=dns/txt", b"q=http", "dns/txt"),
        (b"t=", b"l=many; t=", "not a number"),
        (b"v=1;", b"v=1; x=1;", "never valid"),
        (b"bh=", b"bh=%", "bh= is not base64"),
    ],
)
def test_a_malformed_signature(old: bytes, new: bytes, words: str) -> None:
    """Each mistake of form is named."""
    raw = signed()
    assert old in raw
    assert words in why(raw.replace(old, new, 1))


def _dkimpy(raw: bytes) -> bool:
    try:
        return dkim.verify(raw, dnsfunc=lambda name, timeout=5: RECORD.encode())
    except (IndexError, dkim.DKIMException):  # i= without @
        return False


@pytest.mark.parametrize(
    ("tags", "theirs", "remark"),
    [
        ("a=rsa-sha256; c=relaxed/simple; h=from:to; i=J=C3=B6rg@sub.example.com", True, ""),
        ("a=rsa-sha256; c=relaxed; h=FROM:To: SUBJECT:x-none: :date", True, ""),
        ("a=rsa-sha256; h=from:to; foo=bar; z=From:A=20<a@example.com>", True, ""),
        ("a=rsa-sha256; h=from; l=0", True, "not signed (l=)"),
        ("a=rsa-sha256; h=from; l=5", True, "not signed (l=)"),
        ("a=rsa-sha256; c=relaxed/relaxed; h=from:to; q=foo:dns/txt", False, "dkimpy refuses"),
        ("a=rsa-sha256; c=Relaxed/Simple; h=from:to", False, "c=Relaxed/Simple has capitals"),
        ("a=RSA-SHA256; h=from:to", False, "a=RSA-SHA256 has capitals"),
        ("a=rsa-sha256; h=from:to; t=99999999999999999999", False, "in the future"),
        ("a=rsa-sha256; h=from:to; t=4000000000", False, "in the future"),
        ("a=rsa-sha256; h=from:to:dkim-signature", False, "must not mean this field itself"),
    ],
)
def test_where_verifiers_differ_it_is_said(tags: str, theirs: bool, remark: str) -> None:
    """A signature that the RFC lets verify is valid, and what one of the verifiers refuses is remarked upon."""
    raw = signed_by_hand(MESSAGE, PAIR, tags)
    seen = outcome(raw)
    assert seen.verdict is SignatureVerdict.VALID, seen.reasons
    assert _dkimpy(raw) == theirs
    about = [words for words in seen.remarks if "people see" not in words]
    assert [remark in words for words in about] == ([True] if remark else []), about


@pytest.mark.parametrize(
    ("tags", "theirs", "words"),
    [
        ("a=rsa-sha256; h=to:subject", True, "does not name From"),
        ("a=rsa-sha256; h=from:to; l=500", True, "shorter than l= says"),
        ("a=rsa-sha256; h=from:to; x=1700000000; t=1690000000", False, "it expired"),
        ("a=rsa-sha256; h=from:to; t=-5", False, "not a number"),
    ],
)
def test_what_the_rfc_forbids_is_invalid(tags: str, theirs: bool, words: str) -> None:
    """§3.5 and §6.1.1 decide, whether or not one verifier lets it pass."""
    raw = signed_by_hand(MESSAGE, PAIR, tags)
    assert words in why(raw)
    assert _dkimpy(raw) == theirs


def test_an_unfinished_signature_has_its_reason() -> None:
    """An empty b=, folded or not, and a message in UTF-16 or with a byte order mark that holds as it is."""
    raw = signed()
    value = re.compile(rb" b=[^\r]*(?:\r\n [^\r]*)*")
    for empty in (b" b=", b" b= \r\n "):
        assert "b= is empty" in why(value.sub(empty, raw, count=1))
    for content in (b"\xef\xbb\xbf" + raw, raw.decode().encode("utf-16"), b"\r\n\r\n" + raw):
        assert outcome(content).verdict is SignatureVerdict.VALID


TEXT = st.text(st.sampled_from("ab \t.\n>="), max_size=60)


@settings(max_examples=40)
@given(body=TEXT, added=TEXT, where=st.integers(0, 80))
def test_the_verdict_is_that_of_dkimpy(body: str, added: str, where: int) -> None:
    """On messages changed anywhere in the body or the subject, both say the same."""
    raw = signed(probe_message("example.com", NOW).with_body(body)).replace(b"\r\n", b"\n")
    start = raw.index(b"Subject: ") + 9
    at = min(start + where, len(raw))
    changed = (raw[:at] + added.replace("\n", "").encode() + raw[at:]).replace(b"\n", b"\r\n")
    try:
        theirs = verify(changed, lambda _: RECORD)[0].valid
    except CheckFailed:
        return
    assert (outcome(changed).verdict is SignatureVerdict.VALID) == theirs


def test_several_signatures() -> None:
    """Each is looked at by itself; one that fails is told beside one that holds, and the exit code is 1."""
    raw = signed()
    value = raw.partition(b"\r\nFrom:")[0]
    found = explain(value.replace(b"d=example.com", b"d=example.org") + b"\r\n" + raw, every(_records), NOW)
    outcomes = [s.outcome for s in found.signatures]
    assert [o.verdict for o in outcomes if o] == [SignatureVerdict.INVALID, SignatureVerdict.VALID]
    assert exit_code(found) == 1


def _records(owner: str) -> str | None:
    return RECORD if owner.endswith("example.com") else None


def test_a_flood_of_signatures_is_bounded() -> None:
    """Of a thousand signatures a few are verified, and it is said: not all right, exit code 3."""
    raw = signed()
    field = raw.partition(b"\r\nFrom:")[0] + b"\r\n"
    found = explain(field * 1000 + raw, every(_records), NOW)
    assert found.passed_over == 1001 - MOST_SIGNATURES
    assert exit_code(found) == 3


def test_arc_and_dkim2_are_named_as_such() -> None:
    """Fields that are no DKIM-Signature are explained and named, and never counted as one."""
    fields = (
        b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.org; s=arc; t=1; b=AAAA\r\n"
        b"ARC-Message-Signature: i=1; a=rsa-sha256; d=example.org; s=arc; h=from; bh=AAAA; b=AAAA\r\n"
        b"ARC-Authentication-Results: i=1; mx.example.org; dkim=pass\r\n"
        b"DKIM2-Signature: i=1; d=example.org\r\nDomainKey-Signature: a=rsa-sha1\r\n"
    )
    found = explain(fields + probe_message("example.com", NOW).raw, every(_records), NOW)
    assert found.kind is Kind.MESSAGE and all(signature.named for signature in found.signatures)
    assert exit_code(found) == 1
    assert [s.named.split()[0].strip(",") for s in found.signatures] == ["ARC", "ARC", "ARC", "DKIM2", "DomainKeys"]
    words = {tag.name: tag.words for tag in found.signatures[0].tags}
    assert words["i"].startswith("which hop")
    assert "first hop" in words["cv"]


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"\x00\x01\x02\n", b"no mail at all\nreally\n", b"A: b\nbroken line\n"]
)
def test_neither_of_the_three(content: bytes) -> None:
    """Rubbish is refused in words."""
    with pytest.raises(CheckFailed):
        explain(content, every(_records), NOW)


BIG = r"""
import re, sys
from datetime import datetime, UTC
from dkimctl.dkim.explain import explain
content = open(sys.argv[1], "rb").read()
found = explain(content, lambda _: [open(sys.argv[2]).read()], datetime.now(UTC))
print(found.signatures[0].outcome.verdict, re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
"""


def test_a_message_of_50_megabytes(tmp_path: Path) -> None:
    """It is verified with the message itself and little more in memory."""
    body = "A line of a large attachment, as long as such lines are, seventy.\n" * 800_000
    (tmp_path / "mail").write_bytes(signed(probe_message("example.com", NOW).with_body(body)))
    (tmp_path / "record").write_text(RECORD)
    size = (tmp_path / "mail").stat().st_size
    assert size > 50_000_000
    command = [sys.executable, "-c", BIG, str(tmp_path / "mail"), str(tmp_path / "record")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    verdict, kibibytes = ended.stdout.split()
    assert verdict == "valid", ended.stderr
    assert int(kibibytes) * 1024 < size + 120_000_000
