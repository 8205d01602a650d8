"""The configuration of a signer, as values: which keys sign, its files and directories with owners and modes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dkimctl.files import ANY, Expected


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A domain and the key that signs for it."""

    domain: str
    selector: str
    path: str
    """The private key's file as the daemon sees it (without `--root`)."""
    subdomains: bool
    """True when mail from below the domain is signed as well."""
    algorithm: str = "rsa"
    """`rsa` or `ed25519`."""

    @property
    def name(self) -> str:
        """The key record's owner name."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class Selection:
    """The keys that sign."""

    keys: tuple[SigningKey, ...]
    """Sorted by domain; two for a domain where the signer makes two signatures, the RSA key first."""
    algorithm: str
    """`rsa` or `ed25519`: the one of all of them, for a signer that has one."""
    notices: tuple["Notice", ...] = ()
    unread: tuple[str, ...] = ()
    """Domains of which not all keys can be read: they sign as before, or not at all."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to look at before it is put in place."""

    message: str
    hint: str = ""
    blocking: bool = False
    """True when mail would be lost or go unsigned: it is then not installed."""
    lines: tuple[str, ...] = ()
    """What the hint says to add, as it is to be pasted."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file's content, made each time it is read, so that 1,000,000 domains are never in memory as text."""

    produce: Callable[[], Iterable[bytes]]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.produce())


def fixed(content: bytes) -> Content:
    """A short content that is known already."""
    return Content(lambda: (content,))


class Excerpt(NamedTuple):
    """The rows of a table that may change; the others stay as they are installed."""

    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """The wanted content, owner and mode of one file."""

    path: str
    """As the daemons see it (without `--root`)."""
    content: Content = field(repr=False)
    mode: int = 0o644
    owner: str = ""
    """USER:GROUP; empty for a file that everybody may read, which then belongs to the user who installs it."""
    is_shown: bool = False
    """True for a file with an owner that holds no secret, so that its content may be shown."""
    made_from: Expected = field(default=ANY, repr=False)
    """The version of the installed file whose lines are in the content: only this version may be replaced by it."""
    excerpt: Excerpt | None = field(default=None, repr=False)
    """The rows of some domains, where only those were rendered: what is checked before it is installed."""

    @property
    def is_private(self) -> bool:
        """Return True for a file that only its owner may read."""
        return bool(self.owner)

    @property
    def is_secret(self) -> bool:
        """Return True for a private key: never shown, and never written anywhere else."""
        return self.is_private and not self.is_shown


@dataclass(frozen=True, slots=True)
class RenderedDirectory:
    """A directory that must exist with this owner and mode."""

    path: str
    mode: int
    owner: str
    """USER:GROUP."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """The whole wanted configuration of this host."""

    signer: str
    keys: tuple[SigningKey, ...] = field(repr=False)
    files: tuple[RenderedFile, ...]
    """In the order in which they are put in place: the one that makes the daemon read the others comes last."""
    directories: tuple[RenderedDirectory, ...]
    postfix: Mapping[str, str]
    """main.cf settings by name; empty where Postfix is not configured."""
    notices: tuple[Notice, ...]
    main_cf: Expected = field(default=ANY, repr=False)
    """The version of main.cf from which `postfix` was decided."""
    leftovers: tuple[str, ...] = field(default=(), repr=False)
    """Copies of private keys that no daemon reads any more, as system paths: removed at the end, kept nowhere."""
    unread: tuple[str, ...] = ()
    """Domains of which not all keys can be read: they are rendered as they are."""

    @property
    def is_part(self) -> bool:
        """Return True when it was made for some domains, and `keys` are only theirs."""
        return any(file.excerpt for file in self.files)
