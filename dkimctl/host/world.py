"""Everything on this host that decides whether mail is signed, read once for all checks and `why`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dkimctl.config.load import DEFAULT_FILE
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.host.accounts import Account, Accounts, read_accounts
from dkimctl.host.datasets import DataSet, read_data_set
from dkimctl.host.installation import DEFAULT_CONF, Installation, installation_of
from dkimctl.host.postfix import PostfixInstance, read_instances
from dkimctl.opendkim.conf import Setting

TABLES = (
    "KeyTable",
    "SigningTable",
    "InternalHosts",
    "ExternalIgnoreList",
    "PeerList",
    "ExemptDomains",
    "MTA",
    "MacroList",
)
"""Settings whose data sets are read."""
DEFAULT_INTERNAL = "csl:127.0.0.1,::1"
"""DEFINTERNAL of opendkim.h; the manual page forgets ::1."""
ROOT = Account("root", 0, 0, (0,))


@dataclass(frozen=True, slots=True)
class Unread:
    """A file or directory that could not be read."""

    what: str
    why: str
    hint: str


@dataclass(frozen=True, slots=True)
class World:
    """The host, as read."""

    settings: Settings
    accounts: Accounts = field(repr=False)
    opendkim: Installation
    account: Account | None
    """The daemon's user; None when UserID names an unknown user."""
    data_sets: dict[str, DataSet]
    """Data sets by setting, as in TABLES; only those that are set."""
    postfix: tuple[PostfixInstance, ...]
    unread: tuple[Unread, ...]
    at: Callable[[str], Path]
    """System path → the file on this disk with its content: the file itself, or the staged one that will replace it."""

    @property
    def root(self) -> Path:
        """The directory that stands for `/`."""
        return self.settings.root

    @property
    def is_live(self) -> bool:
        """Return True when this is the running machine, not a tree below `--root`."""
        return self.settings.is_live

    @property
    def internal_hosts(self) -> DataSet:
        """InternalHosts, or the daemon's default."""
        default = Setting("InternalHosts", DEFAULT_INTERNAL, "the default", 0)
        return self.data_sets.get("InternalHosts") or read_data_set(default, self.at)

    def shown(self, path: str) -> str:
        """Return a system path as a command on this machine must name it."""
        # a string, because a Path costs more than looking at the file, and there may be 10,000
        return path if self.is_live else f"{self.settings.root}{path}"


def read_world(settings: Settings, at: Callable[[str], Path] | None = None, *, tables: Iterable[str] = TABLES) -> World:
    """Return the state of the host. Files that cannot be read are listed in `unread`.

    `at`: system path → the file to read its content from; by default `settings.at`. `tables`: the settings whose data
    sets are read, for a caller that needs no table of a million rows.
    """
    at = at or settings.at
    unread = [Unread(DEFAULT_FILE, settings.unread, "run it as root (sudo dkimctl …)")] if settings.unread else []
    try:
        daemon = installation_of(settings, at)
    except DkimctlError as error:
        unread.append(Unread(settings.paths.opendkim_conf, error.message, error.hint))
        daemon = Installation(settings.paths.opendkim_conf or DEFAULT_CONF, None)
    base = daemon.get("BaseDirectory", "/")
    data_sets = {name: read_data_set(found, at, base) for name in tables if (found := daemon.find(name))}
    accounts = read_accounts(settings.root)
    try:
        instances = read_instances(settings)
    except DkimctlError as error:
        unread.append(Unread(settings.paths.postfix_directory, error.message, error.hint))
        instances = ()
    account = accounts.account(daemon.user) if daemon.user else ROOT
    return World(settings, accounts, daemon, account, data_sets, instances, tuple(unread), at)
