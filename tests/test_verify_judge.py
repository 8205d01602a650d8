"""One record's text judged with the key at hand: what was damaged on the way, and what is proposed instead."""

import pytest

from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.verify.judge import judge
from dkimctl.verify.report import Target

PAIR = generate(Algorithm.RSA)
KEY = PAIR.public.base64
GOOD = record_for(PAIR.public, "rsa", Tags()).text
OTHER = "B" if KEY[57] == "A" else "A"


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
    assert judge(text, Target("s", "example.com")).publish is None


def test_no_overlong_text_is_proposed() -> None:
    """What opendkim cannot read is not offered for publication."""
    note = "x" * 700
    assert judge(f'v=DKIM1; n={note}; p="{KEY}"', Target("s", "example.com")).publish is None


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
