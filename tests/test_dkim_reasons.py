"""inspect, the reasons: a change that is proven is named, in the right order, and none is named that is not proven."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from dkimctl.dkim.check import SignatureOutcome, SignatureVerdict
from dkimctl.dkim.explain import explain
from dkimctl.dkim.signature import verify
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from tests.signatures import MESSAGE, signed_by_hand

NOW = datetime.now(UTC)
PAIR = generate(Algorithm.RSA, 2048)
EDWARDS = generate(Algorithm.ED25519)
RECORDS = {
    "rsa": record_for(PAIR.public, "rsa", Tags()).text,
    "ed25519": record_for(EDWARDS.public, "ed25519", Tags("")).text,
}
RELAXED = "a=rsa-sha256; c=relaxed/relaxed; h=from:to:subject:date:message-id"
SIMPLE = "a=rsa-sha256; c=simple/simple; h=from:to:subject:date:message-id"
FOLDED = MESSAGE.replace(b"Subject: The minutes", b"Subject: The minutes of\r\n\tour  meeting")

Edit = Callable[[bytes], bytes]


def outcome(raw: bytes, *texts: str) -> SignatureOutcome:
    """What is said of the first signature; without `texts` its own key is published."""
    published = texts or (RECORDS["ed25519" if b"a=ed25519" in raw else "rsa"],)
    [seen, *_] = [s.outcome for s in explain(raw, lambda _: published, NOW).signatures if s.outcome]
    return seen


def why(raw: bytes, *texts: str) -> str:
    """Why it is invalid."""
    seen = outcome(raw, *texts)
    assert seen.verdict is SignatureVerdict.INVALID
    return "; ".join(seen.reasons)


def test_what_is_signed_by_hand_verifies() -> None:
    """The signatures of these tests hold for dkimpy as well, in each canonicalization and with each hash."""
    for c in ("simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed", "relaxed", "simple"):
        raw = signed_by_hand(FOLDED, PAIR, f"a=rsa-sha256; c={c}; h=from:to:subject:date")
        assert outcome(raw).verdict is SignatureVerdict.VALID, c
        assert verify(raw, lambda _: RECORDS["rsa"])[0].valid, c
    assert outcome(signed_by_hand(MESSAGE, EDWARDS, "a=ed25519-sha256; h=from:to")).verdict is SignatureVerdict.VALID


LIST_TAG: Edit = lambda m: m.replace(b"Subject: The", b"Subject: [minutes] The")  # noqa: E731
ADDED: Edit = lambda m: b"To: eve@example.net\r\n" + m.replace(b"\r\nTo:", b"\r\nX-To:", 1)  # noqa: E731


@pytest.mark.parametrize(
    ("pair", "algorithm"), [(PAIR, "rsa-sha256"), (EDWARDS, "ed25519-sha256")], ids=["rsa", "ed25519"]
)
@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (LIST_TAG, "“[minutes]” was put in front"),
        (lambda m: m.replace(b"Subject: The", b"Subject: AW: The"), "“AW:” was put in front"),
        (lambda m: m.replace(b"To: bob@example.org", b"To: Bob <bob@example.org>"), "an address was rewritten"),
        (lambda m: m.replace(b"minutes", b"minutes (urgent)"), "a comment was added"),
        (
            lambda m: LIST_TAG(m).replace(b"To: bob@example.org", b"To: <bob@example.org>"),
            "was rewritten; it was “bob@example.org”; and Subject was changed",
        ),
    ],
)
def test_a_change_of_a_field(pair: object, algorithm: str, edit: Edit, words: str) -> None:
    """One field changed, or two at once: named for RSA, which shows what was signed, and for Ed25519."""
    raw = signed_by_hand(MESSAGE, pair, f"a={algorithm}; c=relaxed/relaxed; h=from:to:subject:date")  # type: ignore[arg-type]
    assert words in why(edit(raw))


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: m.replace(b"of\r\n\tour", b"of our"),
        lambda m: m.replace(b"Subject: The", b"Subject:  The"),
        lambda m: m.replace(b"Subject: The", b"Subject:The"),
        lambda m: m.replace(b"meeting\r\n", b"meeting \r\n"),
        lambda m: m.replace(b"Subject: ", b"SUBJECT: "),
        lambda m: m.replace(b"To: bob@example.org", b"To:\r\n bob@example.org"),
    ],
)
def test_white_space_with_c_simple(edit: Edit) -> None:
    """A blank or a folding that was changed is called that, never "encoded otherwise"; the hint is relaxed."""
    changed = edit(signed_by_hand(FOLDED, PAIR, SIMPLE))
    assert changed != signed_by_hand(FOLDED, PAIR, SIMPLE)
    reason = why(changed)
    assert re.search("white space|folding|folded|capitals in its name", reason), reason
    assert "encoded" not in reason
    assert "relaxed" in outcome(changed).hint


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({b"meeting\r\n": b"meeting\r\n", b"To: bob": b"To:\r\n bob"}, "To was "),
        ({b"To: bob": b"To:\r\n bob", b"From: Alice": b"From:\r\n Alice"}, "From and To were folded differently"),
    ],
)
def test_only_what_was_folded_is_named(edits: dict[bytes, bytes], words: str) -> None:
    """Not "every signed header field" where a few were."""
    changed = signed_by_hand(MESSAGE, PAIR, SIMPLE)
    for old, new in edits.items():
        changed = changed.replace(old, new)
    assert words in why(changed)
    assert "every" not in why(changed)


def test_a_list_that_folds_every_field() -> None:
    """All fields unfolded at once is found, with the hint to sign relaxed."""
    source = FOLDED.replace(b"To: bob@example.org", b"To: bob@example.org,\r\n\tcarol@example.org")
    raw = signed_by_hand(source.replace(b"our  meeting", b"our meeting"), PAIR, SIMPLE)
    for changed in (
        re.sub(rb"\r\n[\t ]+", b" ", raw),
        re.sub(rb"\r\n[\t ]+", b"\r\n    ", raw),
    ):
        listed = b"List-Id: <minutes.example.org>\r\n" + changed
        seen = outcome(listed)
        assert seen.verdict is SignatureVerdict.INVALID
        assert "relaxed" in seen.hint
        assert "encoded" not in "; ".join(seen.reasons)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: m.replace(b"; h=from", b"; x=99999999999; h=from", 1), "x= was added"),
        (lambda m: m.replace(b"; h=from", b"; i=@example.com; h=from", 1), "i= was added"),
        (lambda m: m.replace(b"c=relaxed/relaxed", b"c=relaxed/simple"), "c= was relaxed/relaxed"),
        (lambda m: m.replace(b"; h=from", b"; t=1;  h=from", 1), "t= was added"),
        (lambda m: m.replace(b"to:subject", b"to : subject", 1), "its folding or white space"),
    ],
)
def test_a_change_in_the_signature_itself(edit: Edit, words: str) -> None:
    """A tag added to the DKIM-Signature, or its white space changed, is not blamed on the other fields."""
    reason = why(edit(signed_by_hand(MESSAGE, PAIR, RELAXED)))
    assert "the field DKIM-Signature itself was changed" in reason
    assert words in reason


def test_an_added_length() -> None:
    """l= added on the way, with text appended to the body, is found in the signature's own field."""
    raw = signed_by_hand(MESSAGE, PAIR, RELAXED)
    size = len(MESSAGE.partition(b"\r\n\r\n")[2])
    changed = raw.replace(b"; h=from", b"; l=%d; h=from" % size, 1) + b"more\r\n"
    assert "l= was added" in why(changed)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: re.sub(rb"bh=[^;]*", b"bh=", m, count=1), "bh= is empty"),
        (lambda m: re.sub(rb"bh=[^;]*", b"bh=" + base64.b64encode(b"x" * 20), m, count=1), "bh= has 20 octets"),
        (lambda m: re.sub(rb"b=[A-Za-z0-9+/=]{40,}", b"b=", m, count=1).replace(b"bh=;", b"bh=AAAA;"), "b="),
        (lambda m: re.sub(rb"; b=[^\r]*", b"; b=", m, count=1), "b= is empty"),
        (lambda m: re.sub(rb"(; b=[^\r]{40})[^\r]*", rb"\1", m, count=1), "b= has 30 octets"),
        (lambda m: m.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", "it is empty now, its text was lost"),
        (lambda m: m.partition(b"\r\n\r\n")[0] + b"\r\n", "it is empty now, its text was lost"),
        (lambda m: m.replace(b"c=relaxed", b"l=9999; c=relaxed", 1), "it is shorter than l= says"),
        (lambda m: m.replace(b"a=rsa-sha256", b"a=ed25519-sha256"), "b= has 256 octets, and an Ed25519"),
    ],
)
def test_parts_that_are_missing_or_cut(edit: Edit, words: str) -> None:
    """An empty or cut bh=, b= or body is called that, and not a changed body or another key."""
    reason = why(edit(signed_by_hand(MESSAGE, PAIR, RELAXED)))
    assert words in reason
    assert "another key" not in reason or "cut" in reason


@pytest.mark.parametrize(
    ("line", "now", "words"),
    [
        (b"Hello,\r\n", b"Hello,\r\r\n", "a carriage return was added"),
        (b"\r\n>From me", b"\r\nFrom me", "became \u201cFrom \u201d"),
        (b"caf=C3=A9", b"caf\xc3\xa9", "its hash is not bh="),
    ],
)
def test_no_encoding_is_blamed_without_its_marks(line: bytes, now: bytes, words: str) -> None:
    """Quoted-printable is named only where the body has an = that it writes."""
    source = MESSAGE + b"\r\n" + line if b">" not in line else MESSAGE.removesuffix(b"\r\n") + line
    reason = why(signed_by_hand(source, PAIR, RELAXED).replace(line, now))
    assert words in reason
    assert "quoted-printable" not in reason


@pytest.mark.parametrize("other", [b"x" * 32, b"y" * 32])
def test_a_changed_bh(other: bytes) -> None:
    """A bh= that was changed on the way is the only reason: the body and the other fields are as they were."""
    changed = re.sub(rb"bh=[^;]*", b"bh=" + base64.b64encode(other), signed_by_hand(MESSAGE, PAIR, RELAXED), count=1)
    assert outcome(changed).reasons == ("bh= was changed after it was signed, and the body was not",)


def test_an_added_from_below_the_signed_one() -> None:
    """The field that was added is named, and never the signed one as the one that nobody signed."""
    added = signed_by_hand(MESSAGE, PAIR, RELAXED).replace(b"\r\n\r\n", b"\r\nFrom: eve@evil.example\r\n\r\n", 1)
    seen = outcome(added)
    assert "a field From was added after it was signed" in seen.reasons[0]
    assert "eve@" in seen.reasons[0]
    assert seen.wrong == ()


def test_bodies_that_became_parts_of_a_multipart() -> None:
    """A list that wraps the text to add a footer is recognised; a converted charset as well."""
    raw = signed_by_hand(MESSAGE, PAIR, RELAXED)
    head, _, body = raw.partition(b"\r\n\r\n")
    wrapped = (
        b"--=_1\r\nContent-Type: text/plain\r\n\r\n"
        + body
        + b"\r\n--=_1\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--=_1--\r\n"
    )
    assert "made a part of a multipart" in why(head + b"\r\n\r\n" + wrapped)
    latin = signed_by_hand(MESSAGE.replace(b"Hello", "Grüße".encode("latin-1")), PAIR, RELAXED)
    assert "ISO-8859-1 to UTF-8" in why(latin.replace("Grüße".encode("latin-1"), "Grüße".encode()))


@pytest.mark.parametrize("pair", [PAIR, EDWARDS], ids=["rsa", "ed25519"])
def test_what_is_not_proven_is_not_claimed(pair: object) -> None:
    """A change that nobody knows: all signed fields and the signature's own are named as possible, none as changed."""
    algorithm = "rsa" if pair is PAIR else "ed25519"
    raw = signed_by_hand(MESSAGE, pair, f"a={algorithm}-sha256; c=relaxed/relaxed; h=from:to:subject:date")  # type: ignore[arg-type]
    reason = why(raw.replace(b"The minutes", b"Something else"))
    assert reason.startswith("one of the signed header fields was changed after it was signed: from, to, subject, date")
    assert "or the field DKIM-Signature itself" in reason
    assert ("another key" in reason) is (pair is EDWARDS)


@pytest.mark.parametrize(
    ("number", "words"),
    [(b"<0100018f-1@eu-west-1.amazonses.com>", "Amazon SES"), (b"<1.2.json@mandrillapp.com>", "Mandrill")],
)
def test_a_relay_that_replaces_fields(number: bytes, words: str) -> None:
    """Message-ID and Date that a relay replaced cannot be proven: the likely cause is a hint, not a reason."""
    raw = signed_by_hand(MESSAGE, PAIR, RELAXED)
    changed = raw.replace(b"<1@example.com>", number).replace(b"23 Nov", b"24 Nov")
    seen = outcome(changed)
    assert words in seen.hint
    assert words not in "; ".join(seen.reasons)


def test_copies_prove_what_a_field_was() -> None:
    """With z= the old value is known, and proven by the signature."""
    tags = RELAXED + "; z=Subject:=20The=20minutes|To:=20bob@example.org"
    raw = signed_by_hand(MESSAGE, PAIR, tags)
    assert "Subject was “The minutes”, as its copy in z= shows" in why(raw.replace(b"The minutes", b"Nonsense"))
    both = raw.replace(b"The minutes", b"Nonsense").replace(b"To: bob", b"To: eve")
    assert why(both).count("as its copy in z= shows") == 2


# --- what is said although or because of the key


def test_rsa_sha1_is_never_valid() -> None:
    """Verifiers must not accept rsa-sha1 (RFC 8301 §3.1): invalid for that reason, also where the key allows sha1."""
    raw = signed_by_hand(MESSAGE, PAIR, "a=rsa-sha1; h=from:to")
    for record in (RECORDS["rsa"].replace("h=sha256; ", ""), RECORDS["rsa"].replace("h=sha256", "h=sha1")):
        seen = outcome(raw, record)
        assert (seen.verdict, seen.header_fits, seen.body_fits) == (SignatureVerdict.INVALID, True, True)
        assert seen.reasons == ("it is made with rsa-sha1, which verifiers must not accept (RFC 8301 §3.1)",)


def test_lint_of_a_record_is_no_verdict() -> None:
    """A record that only some verifiers mind makes no signature invalid: which mind it is a remark."""
    raw = signed_by_hand(MESSAGE, PAIR, RELAXED)
    p = PAIR.public.base64
    long = outcome(raw, f"v=DKIM1; n={'x' * 1000}; p={p}")
    assert long.verdict is SignatureVerdict.VALID
    assert any("DKIM212" in remark and "opendkim" in remark for remark in long.remarks)
    late = outcome(raw, f"k=rsa; v=DKIM1; p={p}")
    assert late.verdict is SignatureVerdict.VALID
    assert any("DKIM213" in remark and "mox refuses it" in remark for remark in late.remarks)


def test_pkcs1_keys() -> None:
    """A key in PKCS#1 form verifies where it is read; which verifiers read it is a remark."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    form = load_der_public_key(PAIR.public.data).public_bytes(Encoding.DER, PublicFormat.PKCS1)
    raw = signed_by_hand(MESSAGE, PAIR, RELAXED)
    seen = outcome(raw, f"v=DKIM1; p={base64.b64encode(form).decode()}")
    assert seen.verdict is SignatureVerdict.VALID
    assert any("PKCS#1" in remark and "opendkim refuses" in remark for remark in seen.remarks)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"s=mail;", b"s=my_mail;"),
        (b"d=example.com;", b"d=my_host.example.com;"),
        (b"d=example.com;", b"d=example.com; i=a=40b@example.com;"),
        (b"d=example.com;", b"d=example.com; i==61lice@sub.example.com;"),
    ],
)
def test_names_that_dns_and_verifiers_take(old: bytes, new: bytes) -> None:
    """Underscores in s= and d=, and quoted-printable in i=, make no signature invalid."""
    raw = signed_by_hand(MESSAGE, PAIR, RELAXED, change=lambda field: field.replace(old, new))
    assert outcome(raw).verdict is SignatureVerdict.VALID


def test_a_strict_key_and_an_encoded_identity() -> None:
    """t=s compares the domain of i= after it was decoded: equal is valid, a sub-domain is not (§3.6.1)."""
    strict = RECORDS["rsa"].replace("k=rsa", "k=rsa; t=s")
    for identity, verdict in (
        ("@example.com", SignatureVerdict.VALID),
        ("a=40b@=65xample.com", SignatureVerdict.VALID),
    ):
        tags = RELAXED + f"; i={identity}"
        assert outcome(signed_by_hand(MESSAGE, PAIR, tags), strict).verdict is verdict
    assert "t=s" in why(signed_by_hand(MESSAGE, PAIR, RELAXED + "; i=@sub.example.com"), strict)


def test_several_records_are_all_tried() -> None:
    """Two records at the key's name: whichever comes first, the fitting one counts, and that there are two is wrong."""
    raw = signed_by_hand(MESSAGE, PAIR, RELAXED)
    other = record_for(generate(Algorithm.RSA, 1024).public, "rsa", Tags()).text
    for texts in ((RECORDS["rsa"], other), (other, RECORDS["rsa"]), ("v=spf1 -all", RECORDS["rsa"])):
        seen = outcome(raw, *texts)
        assert seen.verdict is SignatureVerdict.VALID
        assert "2 TXT records are published at mail._domainkey.example.com" in seen.wrong[0]


def test_halves_of_one_key_in_dns() -> None:
    """A key whose halves are two records is called that, in either order."""
    raw = signed_by_hand(MESSAGE, PAIR, RELAXED)
    halves = (RECORDS["rsa"][:250], RECORDS["rsa"][250:])
    for texts in (halves, halves[::-1]):
        assert "its halves are two TXT records" in why(raw, *texts)
        assert outcome(raw, *texts).hint == "publish them as one record"
