"""Ed25519 private keys in the form of signers other than opendkim: the 32 octets of RFC 8032 §5.1.5, in base64."""

from base64 import b64encode

from dkimctl.keys.pair import Algorithm, KeyPair


def signer_form(pair: KeyPair) -> bytes:
    """Return the private key as rspamd and dkimpy read it: PKCS#8 PEM for RSA, the seed in base64 for Ed25519."""
    if pair.algorithm is Algorithm.RSA:
        return pair.private_pem
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pair.private_pem, password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return b64encode(key.private_bytes_raw()) + b"\n"
