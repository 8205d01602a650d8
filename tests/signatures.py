"""Signatures made by hand for tests: any algorithm, canonicalization and tags, which no daemon would make."""

import base64
import hashlib
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dkimctl.dkim.canonical import body_hashes
from dkimctl.dkim.check import header_of
from dkimctl.dkim.form import body_form
from dkimctl.dkim.mail import Field, parse_mail
from dkimctl.keys.pair import KeyPair
from dkimctl.record.taglist import parse_signature_tags

MESSAGE = (
    b"From: Alice <alice@example.com>\r\nTo: bob@example.org\r\nSubject: The minutes\r\n"
    b"Date: Mon, 23 Nov 2026 10:04:02 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHello,\r\nhere they are.\r\n"
)


def signed_by_hand(
    raw: bytes,
    pair: KeyPair,
    tags: str = "a=rsa-sha256; c=relaxed/relaxed; h=from:to:subject:date",
    *,
    body_hash: str = "",
    change: Callable[[bytes], bytes] = lambda field: field,
) -> bytes:
    """The message with a signature of `mail` of example.com on top; `change` is made to its field before it is signed.

    `tags` are all but v=, d=, s=, bh= and b=; `body_hash` replaces bh=.
    """
    value = f" v=1; d=example.com; s=mail; {tags}; bh={body_hash}; b="
    parsed = parse_signature_tags(value)
    form = body_form(parsed)
    if not body_hash:
        digest = body_hashes(parse_mail(raw), [form])[form].digest
        value = value.replace("bh=", f"bh={base64.b64encode(digest).decode()}")
    field = change(f"DKIM-Signature:{value}\r\n".encode())
    own = Field("DKIM-Signature", field, 1)
    pieces = b"".join(header_of(parse_mail(raw), own, parse_signature_tags(own.value.decode("latin-1"))).pieces)
    signature = base64.b64encode(_signature(pieces, pair, form.hash_name))
    return field.removesuffix(b"\r\n") + signature + b"\r\n" + raw


def _signature(pieces: bytes, pair: KeyPair, hash_name: str) -> bytes:
    key = load_pem_private_key(pair.private_pem, None)
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(hashlib.new(hash_name, pieces).digest())
    assert isinstance(key, RSAPrivateKey)
    return key.sign(pieces, PKCS1v15(), hashes.SHA1() if hash_name == "sha1" else hashes.SHA256())
