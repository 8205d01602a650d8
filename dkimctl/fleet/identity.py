"""The identity of a host: an age key pair, for which the fleet key is wrapped, and its fingerprint. The door to pyrage.

age rather than RSA-OAEP of `cryptography`: one short text is the recipient, an operator can open the same envelope with
the `age` program, and a recipient may later be a hardware token without another format.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from dkimctl.errors import ConfigError, Refused, UsageError, shell_word
from dkimctl.files import create_file, make_directory, read_with_status
from dkimctl.names import printable

IDENTITY = "/etc/dkimctl/relay.age"
"""The file of this host's identity."""
_CONSONANTS, _VOWELS = "bdfghjklmnprstvz", "aiou"
_WORDS = 5


@dataclass(frozen=True, slots=True)
class Identity:
    """An age key pair. The secret part is not in the repr."""

    recipient: str
    """The public half, `age1…`."""
    secret: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Return what people compare on both hosts."""
        return fingerprint(self.recipient)


def fingerprint(recipient: str) -> str:
    """Return five words that can be read out on a telephone: 80 bits of the recipient's SHA-256."""
    digest = sha256(recipient.encode("utf-8", "surrogatepass")).digest()
    return "-".join(_word(int.from_bytes(digest[2 * n : 2 * n + 2])) for n in range(_WORDS))


def _word(bits: int) -> str:
    """Return 16 bits as consonant, vowel, consonant, vowel, consonant."""
    shifts = ((12, _CONSONANTS), (10, _VOWELS), (6, _CONSONANTS), (4, _VOWELS), (0, _CONSONANTS))
    return "".join(letters[bits >> shift & (len(letters) - 1)] for shift, letters in shifts)


def new_identity() -> Identity:
    """Return a new key pair. Raises UsageError where the extra is not installed."""
    made = _pyrage().x25519.Identity.generate()
    return Identity(str(made.to_public()), str(made))


def read_identity(path: Path) -> Identity | None:
    """Return the identity in a file; None when there is none.

    Raises ConfigError when it is damaged, another user's, or other users can read it, DiskError, UsageError as
    `new_identity`.
    """
    found = read_with_status(path)
    if found is None:
        return None
    content, status = found
    if status.st_mode & 0o077:
        raise ConfigError(
            f"{path} can be read by other users, and it opens the fleet's keys", hint=f"chmod 600 {shell_word(path)}"
        )
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"{path} belongs to another user (uid {status.st_uid}), who may have made it",
            hint=f"if it is this host's own: chown root {shell_word(path)}",
        )
    pyrage = _pyrage()
    lines = content.decode("utf-8", "replace").splitlines()
    secret = next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")
    try:
        return Identity(str(pyrage.x25519.Identity.from_str(secret).to_public()), secret)
    except pyrage.IdentityError as error:
        raise ConfigError(
            f"{path} holds no age identity", hint="restore it from a backup, or remove it and join again"
        ) from error


def make_identity(path: Path) -> Identity:
    """Return the identity in a file, made there (0600) when there is none. Raises as `read_identity`, and DiskError."""
    if found := read_identity(path):
        return found
    made = new_identity()
    make_directory(path.parent, mode=0o755)
    text = f"# the identity of this host in its fleet: a secret\n# public key: {made.recipient}\n{made.secret}\n"
    try:
        create_file(path, text.encode(), mode=0o600)
    except Refused:
        if found := read_identity(path):  # another command has made one meanwhile
            return found
        raise
    return made


def wrap(secret: bytes, recipients: Sequence[str]) -> bytes:
    """Return the secret in an envelope that each of these recipients can open. Raises Refused for one that is none."""
    pyrage = _pyrage()
    try:
        return bytes(pyrage.encrypt(secret, [pyrage.x25519.Recipient.from_str(one) for one in recipients]))
    except (pyrage.RecipientError, pyrage.EncryptError) as error:
        named = ", ".join(printable(one, 80) for one in recipients)
        raise Refused(f"not an age recipient: {named}", hint="it begins with age1") from error


def unwrap(envelope: bytes, identity: Identity) -> bytes:
    """Return the secret in an envelope. Raises Refused when it was not made for this identity, or is damaged."""
    pyrage = _pyrage()
    try:
        return bytes(pyrage.decrypt(envelope, [pyrage.x25519.Identity.from_str(identity.secret)]))
    except pyrage.DecryptError as error:
        raise Refused(
            f"the fleet key was not wrapped for this identity ({identity.fingerprint})",
            hint="compare the fingerprint with the control host's: dkimctl fleet status",
        ) from error


def _pyrage() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise UsageError(
            "this command needs pyrage, which is not installed", hint="pip install 'dkimctl[fleet]'"
        ) from error
    return pyrage
