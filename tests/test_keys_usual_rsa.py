"""The public half of RSA keys in the usual form, read without the library: never another answer than the library's."""

import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from dkimctl.errors import CheckFailed
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.keys.pem import private_key, public_half
from dkimctl.keys.public import PublicKey
from dkimctl.keys.usual_rsa import usual_public
from tests.conftest import needs

RSA = generate(Algorithm.RSA, 1024).private_pem
BEGIN, END = b"-----BEGIN PRIVATE KEY-----\n", b"\n-----END PRIVATE KEY-----\n"
DER = b64decode(RSA[len(BEGIN) : -len(END)])


def by_library(content: bytes) -> PublicKey | None:
    """Return what the library reads, and the check of the numbers lets pass."""
    try:
        return public_half(private_key(content, "test"))
    except CheckFailed:
        return None


def in_pem(der: bytes) -> bytes:
    """Return a file with this content."""
    return BEGIN + b64encode(der) + END


@pytest.mark.parametrize("bits", [1024, 1025, 1031, 1032, 1536, 2048])
def test_usual_keys_are_read_without_the_library(bits: int) -> None:
    """Keys of any usual size give the library's public half, whether d was made by the one or the other rule."""
    for _ in range(3):
        content = generate(Algorithm.RSA, bits).private_pem
        found = usual_public(content)
        assert found is not None
        assert found == by_library(content)
        assert found.bits == bits


def test_reading_a_usual_key_does_not_load_the_library(tmp_path: Path) -> None:
    """A list of keys without metadata is checked without it: its import takes as long as 400 keys, in each process."""
    store = tmp_path / "keys"
    (store / "a.example").mkdir(parents=True)
    (store / "a.example/mail.private").write_bytes(RSA)
    program = (
        "import sys; from pathlib import Path; from dkimctl.keys.directory import KeyDirectory\n"
        "[(_, public)] = KeyDirectory(Path(sys.argv[1])).keys_with_public('a.example', lambda keys: keys)\n"
        "print(public.bits, 'cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(store)], check=True, capture_output=True, text=True)
    assert done.stdout == "1024 False\n"


@needs("opendkim-genkey")
def test_keys_of_genkey_are_read_without_the_library(tmp_path: Path) -> None:
    """What opendkim-genkey writes is of the usual form."""
    subprocess.run(["opendkim-genkey", "-b", "1024", "-D", str(tmp_path), "-s", "mail", "-d", "a.example"], check=True)
    content = (tmp_path / "mail.private").read_bytes()
    assert usual_public(content) == by_library(content) is not None


@pytest.mark.parametrize(
    "content",
    [
        generate(Algorithm.ED25519).private_pem,
        generate_private_key(3, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        RSA.replace(b"\n", b"\r\n"),
        b"# a comment\n" + RSA,
    ],
    ids=["ed25519", "exponent 3", "PKCS#1", "other line ends", "something before"],
)
def test_other_forms_are_left_to_the_library(content: bytes) -> None:
    """A usable key in a less usual form is no damage: the library reads it."""
    assert usual_public(content) is None
    assert by_library(content) is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        BEGIN + END,
        BEGIN + b"=" + END,
        in_pem(b""),
        in_pem(b"\x30"),
        in_pem(DER + b"\0"),
        in_pem(DER[:-1]),
        RSA[:-1],
    ],
)
def test_no_whole_key_is_no_key(content: bytes) -> None:
    """Nothing is read out of what is cut off or has something after it."""
    assert usual_public(content) is None


@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_an_octet_changed_gives_nothing_that_the_library_would_not(at: int, change: int) -> None:
    """Whichever octet of a file is damaged, no key comes out that the library and the check of the numbers refuse."""
    damaged = in_pem(DER[:at] + bytes([DER[at] ^ change]) + DER[at + 1 :])
    found = usual_public(damaged)
    assert found is None or found == by_library(damaged)


@given(st.integers(0, len(DER) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_octets_put_in_or_left_out_give_nothing_that_the_library_would_not(at: int, new: bytes, gone: int) -> None:
    """The same where octets are put in, left out or replaced: lengths that no longer fit are not guessed at."""
    damaged = in_pem(DER[:at] + new + DER[at + gone :])
    found = usual_public(damaged)
    assert found is None or found == by_library(damaged)
