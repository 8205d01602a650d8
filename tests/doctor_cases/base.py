"""A case of `doctor`, and the changes that several of them make."""

from collections.abc import Callable
from dataclasses import dataclass

from dkimctl.keys.metadata import Metadata, Phase, to_json
from tests.host_tree import (
    KEY,
    OPENDKIM,
    SIGNING,
    Tree,
    key_pair,
)

Change = Callable[[Tree], object]


@dataclass(frozen=True)
class Case:
    """One installation: which pitfall of the field it shows, how it comes about, and what must be found."""

    name: str
    pitfall: int
    code: str
    break_it: Change


def both(*changes: Change) -> Change:
    """One change after the other."""

    def apply(tree: Tree) -> None:
        for change in changes:
            change(tree)

    return apply


DIRECTORY = "/etc/opendkim/keys/example.com"
SOCK = "/var/spool/postfix/opendkim"
EXEC = "[Service]\nExecStart=\nExecStart=/usr/sbin/opendkim "
BOM = b"\xef\xbb\xbf"
NAME = "mail._domainkey.example.com"
"""The name of the key in the KeyTable."""


def refile(tree: Tree) -> None:
    """The SigningTable as a table of patterns."""
    tree.conf("SigningTable", f"refile:{SIGNING}")


def rewritten(tree: Tree) -> None:
    """A key in use has lost its rows: someone rewrote the SigningTable."""
    metadata = Metadata("rsa", 2048, "2026-01-01T00:00:00Z", phase=Phase.ACTIVE)
    tree.write(KEY.replace(".private", ".json"), to_json(metadata), 0o600, OPENDKIM)
    tree.write(SIGNING, "example.org mail._domainkey.example.com\n")


def no_tables(tree: Tree) -> None:
    """Neither KeyTable nor SigningTable."""
    tree.conf("KeyTable", None)
    tree.conf("SigningTable", None)


def pem(algorithm: str = "rsa", bits: int = 2048) -> bytes:
    """A private key's PEM."""
    return key_pair(algorithm, bits).private_pem


def encrypted() -> bytes:
    """A private key with a passphrase."""
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(pem(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def inet(tree: Tree) -> None:
    """The daemon and Postfix talk over TCP."""
    tree.conf("Socket", "inet:8891@127.0.0.1")
    tree.main("smtpd_milters", "inet:127.0.0.1:8891")
