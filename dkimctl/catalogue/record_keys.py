"""DKIM3xx: the key in the record."""

from dkimctl.catalogue.entries import ERROR, INFO, OK, WARNING, entry

RIGHT = entry(
    300,
    OK,
    "the key record is right",
    "Every authoritative server serves one record, and its key is the one on this disk.",
)
USABLE = entry(
    310,
    OK,
    "the key record is usable",
    "Every authoritative server serves one well-formed record with a usable key. It was not compared with a "
    "private key.",
)
WRONG_KEY = entry(
    301,
    ERROR,
    "another key than the one on this disk",
    "Signatures made with the key on this disk fail at every verifier (RFC 6376 §6.1.3).",
    "publish the key on this disk: dkimctl publish DOMAIN --provider NAME; or sign with the published one",
)
REVOKED = entry(
    302,
    ERROR,
    "the key is revoked",
    "An empty p= means that this key is revoked: every signature made with it fails (RFC 6376 §3.6.1).",
    "sign with another selector; never use a revoked one again",
    verifiers="opendkim and dkimpy refuse it",
)
TOO_WEAK = entry(
    303,
    ERROR,
    "the key is too short",
    "Verifiers must not accept RSA keys of less than 1024 bits (RFC 8301 §3.2).",
    "make a key of 2048 bits under a new selector: dkimctl genkey DOMAIN",
    verifiers="opendkim and dkimpy refuse it",
)
WEAK = entry(
    304,
    WARNING,
    "the key is short",
    "Signers should use at least 2048 bits (RFC 8301 §3.2).",
    "make a key of 2048 bits under a new selector: dkimctl genkey DOMAIN",
    verifiers="opendkim and dkimpy accept it",
)
TOO_LONG = entry(
    305,
    WARNING,
    "the key is longer than verifiers must support",
    "Verifiers must support RSA keys up to 4096 bits; some reject longer ones (RFC 8301 §3.2).",
    "make a key of 2048 bits under a new selector: dkimctl genkey DOMAIN",
    verifiers="opendkim and dkimpy accept it, opendkim as long as the record has at most 1023 octets; others may not",
)
UNKNOWN_TYPE = entry(
    306,
    ERROR,
    "unknown key type",
    "k= must be rsa or ed25519, in lower case (RFC 6376 §3.6.1, RFC 8463 §4); verifiers ignore a record of an "
    "unknown type.",
    "publish the record again, copied from: dkimctl record DOMAIN",
    verifiers="opendkim and dkimpy refuse it; opendkim accepts rsa and ed25519 in capitals",
)
EDWARDS_FORM = entry(
    307,
    ERROR,
    "the Ed25519 key is in the wrong form",
    "For k=ed25519 p= holds the raw 32 bytes, not a SubjectPublicKeyInfo (RFC 8463 §4).",
    "publish the record again, copied from: dkimctl record DOMAIN",
    verifiers="opendkim and dkimpy refuse it",
)
KNOWN_BAD = entry(
    309,
    ERROR,
    "the key is known to be bad",
    "Others can sign with it: its private key was leaked, it comes from a weak generator (Debian 2006 to 2008, ROCA), "
    "or its modulus can be factored. Found by the library badkeys; opendkim and verifiers do not check for this.",
    "make another key under a new selector, sign with it, and revoke this one: dkimctl genkey DOMAIN",
    verifiers="opendkim and dkimpy accept it, and so every forged signature as well",
)
SHARED = entry(
    311,
    INFO,
    "one key for several domains",
    "RFC 6376 allows it. A leak affects all of these domains, and the key has to be replaced for all of them at once.",
    "to give a domain its own key: dkimctl genkey DOMAIN",
    verifiers="opendkim and dkimpy accept it",
)
EDWARDS = entry(
    308,
    INFO,
    "an Ed25519 key",
    "Many receivers do not verify Ed25519 signatures yet: sign with an RSA key as well, under a selector of its own "
    "(RFC 8463 §6).",
    verifiers="opendkim and dkimpy accept it; Gmail, Outlook and Yahoo do not verify it, as senders report",
)
