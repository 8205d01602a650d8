"""What a signer must be able to do."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import NamedTuple, Protocol

from dkimctl.config.settings import Settings
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.signers.habits import NOT_TAKEN_OVER, Habits
from dkimctl.signers.rendered import Notice, RenderedDirectory, RenderedFile, Rendering, Selection
from dkimctl.signers.service import Running, Service

Name = tuple[str, str]
"""Domain and selector."""
Names = Set[Name]
"""Where there may be a million of them, `packed_names.PackedNames`."""


class Tables(Protocol):
    """The installed tables of a signer, of which the rows of some domains can be exchanged."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Return their system paths."""

    def installed(self, domains: Iterable[str]) -> frozenset[Name]:
        """Return the keys that they name for these domains."""

    def files(self, selection: Selection, domains: Iterable[str]) -> tuple[RenderedFile, ...]:
        """Return them with the rows of a selection for these domains; one without a key gets none."""


class ConfiguredKey(NamedTuple):
    """A private key that a signer's effective configuration names."""

    domain: str
    selector: str
    path: str
    source: str
    """The part of the configuration that names it, such as `domain example.com`."""
    user: str
    """The user that reads the file."""


class Signer(Protocol):
    """A daemon that signs: one folder below this one each, found by `registry.signer_of`.

    What is not abstract answers for a daemon of whose own files nothing is read.
    """

    name: str
    """As in `config.settings.SIGNERS`; also of its program, its systemd unit and its Debian package."""
    signs_twice: bool
    """True when it puts an RSA and an Ed25519 signature on one message."""
    explains: bool
    """True when its own files can be read here, so that `doctor` and `why` can say what it will do and why.

    Of any other signer `why` asks the daemon itself, with a message that is not delivered.
    """
    proven_before_postfix: bool
    """True when Postfix gets its socket only after it has signed probes; False when both change together."""
    key_copies: tuple[str, ...]
    """The directories with its own copies of private keys, as system paths: its own first, then earlier versions'."""

    # what to write

    @abstractmethod
    def files(self, settings: Settings, selection: Selection) -> tuple[tuple[RenderedFile, ...], tuple[Notice, ...]]:
        """Return its files, and what to say about them. Reads what is installed, writes nothing."""

    @abstractmethod
    def directories(self, settings: Settings) -> tuple[RenderedDirectory, ...]:
        """Return the directories that it needs."""

    def transition_notices(self, settings: Settings, selection: Selection) -> tuple[Notice, ...]:
        """Return what changes for mail that its installed configuration signs today, whichever signer is to sign."""
        return ()

    # what is installed

    def tables(self, settings: Settings) -> Tables | None:
        """Return its installed tables; None where rows cannot be exchanged, and all has to be rendered."""
        return None

    @abstractmethod
    def installed(self, settings: Settings) -> Names:
        """Return the keys that the installed configuration names; none when there is none. Raises DiskError."""

    @abstractmethod
    def sockets(self, settings: Settings) -> tuple[MilterSocket, ...]:
        """Return where it will listen, then where the installed configuration has it listen."""

    def retired_sockets(self, settings: Settings) -> tuple[MilterSocket, ...]:
        """Return the sockets whose place in Postfix goes to another signer that replaces this one.

        None for a daemon that does more than sign: its place stays.
        """
        return ()

    @abstractmethod
    def listens_at(self, settings: Settings) -> MilterSocket | None:
        """Return where the daemon of this machine listens; None when its configuration names no valid socket."""

    # before and after the files change

    def check_socket(self, settings: Settings, before: Running) -> None:
        """Raise Refused when another program listens where this daemon is to move: it would not start.

        Nothing is checked for a daemon of whose socket Postfix is told only when it answers there.
        """

    @abstractmethod
    def dry_run(self, rendering: Rendering, settings: Settings, staged: Mapping[str, Path]) -> str:
        """Try the staged files on this machine without installing them.

        `staged`: system path → where its new content can be read. Returns what was tried, or why nothing could be.
        Raises Refused when the daemon cannot work with them.
        """

    @abstractmethod
    def service(self, settings: Settings) -> Service:
        """Return how its daemon is started and reloaded."""

    @abstractmethod
    def running(self, settings: Settings) -> Running:
        """Return what the daemon runs with, by the files that are installed now. Raises DiskError."""

    @abstractmethod
    def needs_restart(self, settings: Settings, before: Running, changed: Mapping[str, bool]) -> bool:
        """Return True when a reload is not enough for the files that are installed now.

        `before`: taken before they changed. `changed`: the system paths that changed; True for a new file.
        """

    def configured_keys(self, settings: Settings) -> tuple[ConfiguredKey, ...]:
        """Return the keys that its effective configuration on this machine names; none where it is not read here."""
        return ()

    def habits(self, settings: Settings) -> Habits:
        """Return how its effective configuration on this machine has it sign, for `adopt`."""
        return NOT_TAKEN_OVER

    def reasons_for_unsigned(self, domain: str, client: str, login: str) -> tuple[str, ...] | None:
        """Return why such mail is unsigned by its own files, made by hand; None where they are not read here."""
        return None
