"""One record's text judged with the key at hand: what was damaged on the way, and what is proposed instead."""

import base64

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.verify.judge import judge
from dkimctl.verify.report import Target

PAIR = generate(Algorithm.RSA)
KEY = PAIR.public.base64
GOOD = record_for(PAIR.public, "rsa", Tags()).text
OTHER = "B" if KEY[57] in "Aa" else "A"  # a change of case is told in other words


@pytest.mark.parametrize(
    ("p", "code", "seen"),
    [
        (KEY[:57] + KEY[58:], "DKIM215", "1 character is missing after the first 5"),
        (KEY[:100] + KEY[164:], "DKIM215", "64 characters are missing after the first "),
        (KEY[:30], "DKIM203", "the record ends after"),
        (KEY[:-1], "DKIM203", "the record ends after"),
        (
            KEY[:57] + OTHER + KEY[58:],
            "DKIM301",
            "1 character is not as in the key on this disk, the first is number 58",
        ),
    ],
    ids=["one lost", "a line lost", "cut", "the last lost", "one changed"],
)
def test_damage_is_told_with_the_key_at_hand(p: str, code: str, seen: str) -> None:
    """A key that is nearly the one on this disk is called damaged, and where; a cut one is called cut."""
    found = judge(f"v=DKIM1; k=rsa; p={p}", Target("s", "example.com", PAIR.public))
    assert [one.code for one in found.findings] == [code]
    assert seen in found.findings[0].seen
    assert found.publish == GOOD


@pytest.mark.parametrize(
    ("p", "code", "seen"),
    [
        (KEY.lower(), "DKIM215", "capitals and small letters"),
        (KEY.replace("+", ""), "DKIM215", "every + is missing"),
        (KEY[200:] + KEY[:200], "DKIM215", "its parts are in the wrong order: it begins with character 201"),
        (KEY + "=", "DKIM204", "more = at its end"),
        (KEY[32:], "DKIM205", "PKCS#1"),
    ],
    ids=["letters", "plus signs", "halves", "padding", "another form"],
)
def test_what_was_done_to_the_whole_text(p: str, code: str, seen: str) -> None:
    """Nothing is called lost where all of the key is there."""
    if p == KEY:
        pytest.skip("this key has no +")
    found = judge(f"v=DKIM1; k=rsa; p={p}", Target("s", "example.com", PAIR.public))
    assert [one.code for one in found.findings] == [code]
    assert seen in found.findings[0].seen
    assert found.publish == GOOD


def test_ed25519_keys_in_other_forms() -> None:
    """With the key at hand as well its form is the reason, and a cut one is not called something else."""
    pair = generate(Algorithm.ED25519, 0)
    target = Target("s", "example.com", pair.public)
    whole = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + pair.public.data).decode()
    assert [f.code for f in judge(f"v=DKIM1; k=ed25519; p={whole}", target).findings] == ["DKIM307"]
    [cut] = judge(f"v=DKIM1; k=ed25519; p={pair.public.base64[:-4]}", target).findings
    assert (cut.code, cut.seen) == ("DKIM206", "p= holds 30 bytes; an Ed25519 key has 32")
    [rsa] = judge(f"v=DKIM1; k=ed25519; p={KEY}", target).findings
    assert rsa.seen.endswith("an RSA key: k=rsa")


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
@pytest.mark.parametrize("is_at_hand", [True, False])
def test_a_private_key_that_was_published(form: PrivateFormat, is_at_hand: bool) -> None:
    """It is lost: the finding says so, and the same key in its right form is not offered for publication."""
    key = load_pem_private_key(PAIR.private_pem, None)
    p = base64.b64encode(key.private_bytes(Encoding.DER, form, NoEncryption())).decode()
    found = judge(f"v=DKIM1; p={p}", Target("s", "example.com", PAIR.public if is_at_hand else None))
    assert {f.code for f in found.findings} == {"DKIM309", "DKIM212"}
    assert "p= holds the private key" in found.findings[0].seen
    assert found.publish is None


@pytest.mark.parametrize("expected", [PAIR.public, None], ids=["key at hand", "no key"])
def test_blanks_that_were_plus_signs(expected: object) -> None:
    """A web form's blanks in place of + are recognised, and the right text is offered, without the private key too."""
    damaged = GOOD.replace("+", " ")
    if damaged == GOOD:
        pytest.skip("this key has no +")
    found = judge(damaged, Target("s", "example.com", PAIR.public if expected else None))
    assert [one.code for one in found.findings] == ["DKIM215"]
    assert "blanks in place of +" in found.findings[0].seen
    assert found.publish == GOOD


@pytest.mark.parametrize("bits", [512, 768])
@pytest.mark.parametrize("damage", ["pkcs1", "version", "quotes"])
def test_nothing_is_proposed_that_would_be_refused(bits: int, damage: str) -> None:
    """A record whose key is too weak is not offered again in a better form."""
    from base64 import b64encode

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    public = load_pem_public_key(WEAK[bits].encode())
    forms = {"pkcs1": PublicFormat.PKCS1}
    p = b64encode(public.public_bytes(Encoding.DER, forms.get(damage, PublicFormat.SubjectPublicKeyInfo))).decode()
    text = {"pkcs1": f"v=DKIM1; p={p}", "version": f"v=DKIM2; p={p}", "quotes": f'v=DKIM1; p="{p}"'}[damage]
    found = judge(text, Target("s", "example.com"))
    assert found.publish is None
    assert "DKIM303" in {one.code for one in found.findings}  # in the other form it is as short


def test_no_overlong_text_is_proposed() -> None:
    """What opendkim cannot read is not offered for publication, and is named beside every other mistake."""
    note = "x" * 700
    for text in (f'v=DKIM1; n={note}; p="{KEY}"', f"v=DKIM1 n={note}; p={KEY}"):
        found = judge(text, Target("s", "example.com"))
        assert found.publish is None
        assert "DKIM212" in {one.code for one in found.findings}


WEAK = {
    512: """-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANtyI+gZwLT89eqxXMKCnd5yaOjxHD2D
AMM+kcPoGw3GFlwC+94WfAUyGKLixr5UbCr5jPqfsNtLVgJLw+zN7T0CAwEAAQ==
-----END PUBLIC KEY-----
""",
    768: """-----BEGIN PUBLIC KEY-----
MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAM6MQYzmMtzPILUUTtPs811IbRwPdl5J
iIQ5PjS5BSOsTaWmcqDXZ6FhhZG3tGj7BuoKuzQDWpKFtGPPOCScFWOW1Dk26X0m
3Q4ItjRA25vgNh4BdCfC3coU/nLmwdJWWwIDAQAB
-----END PUBLIC KEY-----
""",
}
"""Made by openssl: `cryptography` makes none so short."""
