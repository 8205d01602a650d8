"""The settings as values. Every field has the default that an empty configuration file gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from dkimctl.files import as_place, is_live
from dkimctl.names import DEFAULT_SELECTOR, delegated_name, owner_name

Option = str | int | bool | tuple[str, ...]
"""What one key of a `[providers.NAME]` table may hold."""


class Paths(NamedTuple):
    """System paths, as the daemons see them: `Settings.at` puts `--root` in front."""

    keys: str = "/etc/opendkim/keys"
    opendkim_conf: str = "/etc/opendkim.conf"
    opendkim_directory: str = "/etc/opendkim"
    """KeyTable, SigningTable, TrustedHosts, and dkimctl.conf where a person maintains opendkim.conf."""
    postfix_directory: str = "/etc/postfix"
    """The directory of main.cf, for `postconf -c`."""
    tmpfiles_directory: str = "/etc/tmpfiles.d"
    """For the tmpfiles.d(5) file that creates the milter socket's directory."""
    pid_file: str = "/run/opendkim/opendkim.pid"
    """The one that Debian's unit waits for."""
    backups: str = "/var/backups/dkimctl"
    """Each `--install` that changes something saves the previous files below it."""
    programs: tuple[str, ...] = ()
    """Directories searched for programs before the system's; of this machine, also with `--root`."""

    @property
    def main_cf(self) -> str:
        """The configuration file of Postfix that `postconf -e` edits."""
        return f"{self.postfix_directory}/main.cf"


MILTER_ACTIONS = ("tempfail", "shutdown", "accept", "reject", "quarantine")
"""What Postfix can do while the signer does not answer (postconf(5)); `shutdown` in newer versions only."""


class KeyDefaults(NamedTuple):
    """The defaults of new keys."""

    algorithm: str = "rsa"
    """`rsa` or `ed25519`."""
    bits: int = 2048
    selector: str = DEFAULT_SELECTOR
    """A strftime pattern."""
    owner: str = "opendkim:opendkim"
    """USER:GROUP of the daemon that reads the keys."""


class Signing(NamedTuple):
    """The settings of the signer and of Postfix."""

    signer: str = "opendkim"
    """One of SIGNERS."""
    socket: str = "local:/var/spool/postfix/opendkim/opendkim.sock"
    """In opendkim's spelling: `local:/PATH` or `inet:PORT@HOST`."""
    tables: str = "file"
    """`file` (exact names, fast at any size) or `refile` (patterns)."""
    canonicalization: str = "relaxed/simple"
    subdomains: bool = True
    trusted_hosts: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses, CIDR networks and host names whose mail is signed."""
    milter_default_action: str = "tempfail"
    """What Postfix does while the daemon is down."""


class SignerDefaults(NamedTuple):
    """The defaults of a signer, and what it cannot do."""

    socket: str
    """Where it listens."""
    owner: str
    """The USER:GROUP it runs as."""
    has_signature_ttl: bool = False
    """True when it can put an end (`x=`) on its signatures."""


SIGNERS: Mapping[str, SignerDefaults] = MappingProxyType(
    {
        "opendkim": SignerDefaults(Signing().socket, KeyDefaults().owner, has_signature_ttl=True),
        "rspamd": SignerDefaults("inet:11332@localhost", "_rspamd:_rspamd"),
        "dkimpy-milter": SignerDefaults(
            "local:/var/spool/postfix/dkimpy-milter/dkimpy-milter.sock", "dkimpy-milter:dkimpy-milter"
        ),
    }
)
"""The daemons that can sign, by the name of their service."""


_DAY = 24 * 3600


class Lifecycle(NamedTuple):
    """The rules by which keys are replaced. All times are in seconds."""

    rotate_after: int = 180 * _DAY
    """The age of a key at which the next one takes over, ± 10 % by the domain."""
    publication_margin: int = 3600
    """A key that was proven in DNS waits so long before it signs."""
    keep_after: int = 14 * _DAY
    """The record stays so long after the last signature with its key."""
    revoked_for: int = 30 * _DAY
    """So long the record says `p=` before it is removed."""
    private_key_for: int = 90 * _DAY
    """So long after its last signature a private key stays on the disk, at most."""
    standby: bool = True
    """The next key is published right after a switch."""
    automation: str = "full"
    """`full`, `until-switch` (a person switches) or `off`."""
    hours: tuple[int, int] = (0, _DAY)
    """The time of the day in which a switch may happen, in UTC; over midnight when the second is the smaller."""
    days: tuple[int, ...] = tuple(range(7))
    """The days on which those hours may begin; Monday is 0."""
    canary: bool = True
    """One domain switches first, then 1 %, then the rest."""
    most_new_keys: int = 50
    """Of one run."""
    signature_ttl: int = 0
    """The lifetime of a signature (`x=`), for a signer that can set it; 0: none."""
    publish_retired: str = ""
    """The directory in which old private keys are published when nothing verifies with them any more; empty: none."""


class DomainSettings(NamedTuple):
    """The `[domains."NAME"]` table of one domain."""

    selector: str | None = None
    provider: str | None = None
    zone: str | None = None
    """The zone of the key record, where DNS and the provider do not show it."""
    ttl: int | None = None
    """Seconds; None leaves it to the provider."""
    subdomains: bool | None = None
    delegate: str | None = None
    """A domain of the operator, below which the records are published; the customer's names are CNAMEs to them."""
    lifecycle: Lifecycle | None = None
    """Its own rules, complete; None where all of them are those of `[lifecycle]`."""
    automation: str | None = None
    """What its table says of automation, which also counts for keys that were taken over; None when it says nothing."""


_NO_TABLE = DomainSettings()


@dataclass(frozen=True, slots=True)
class Lookup:
    """The settings of DNS queries."""

    nameservers: tuple[str, ...] = ()
    """HOST or HOST:PORT of the resolvers from which zone cuts and addresses are found; empty: the system's."""
    port: int = 53
    """The port at which authoritative servers are asked."""
    timeout: float = 3.0
    """Seconds for one answer."""


class Fleet(NamedTuple):
    """The `[fleet]` table: many relays, one truth in PostgreSQL."""

    database: str = ""
    """A connection string of libpq, without a password; empty: no fleet, unless `database_file` is set."""
    database_file: str = ""
    """A file of mode 0600 with the connection string, which may have a password; it counts then, and not `database`."""
    identity: str = "/etc/dkimctl/fleet.age"
    """The operator's age identity, which unwraps the fleet key; a relay has its own in /etc/dkimctl/relay.age."""
    max_stale: int = 0
    """On a relay: for so many seconds after it last reached the database its signer may be started; 0: for ever."""

    def __bool__(self) -> bool:
        """Return True when a database is configured."""
        return bool(self.database or self.database_file)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings: the configuration, the environment, the flags, and the defaults."""

    root: Path = Path("/")
    """Every system path is taken below it."""
    source: Path | None = None
    """The file that was read, or None when there is none."""
    unread: str = ""
    """Why the default file, if there is one, was not read: defaults stand for its settings."""
    paths: Paths = field(default_factory=Paths)
    keys: KeyDefaults = field(default_factory=KeyDefaults)
    signing: Signing = field(default_factory=Signing)
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    lookup: Lookup = Lookup()
    fleet: Fleet = field(default_factory=Fleet)
    provider: str | None = None
    """The provider for domains that name none."""
    providers: Mapping[str, Mapping[str, Option]] = field(default_factory=lambda: MappingProxyType({}))
    """The `[providers.NAME]` tables, checked by the providers themselves."""
    domains: Mapping[str, DomainSettings] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_live(self) -> bool:
        """Return True when the settings are for the running machine, not for a tree below `--root`."""
        return is_live(self.root)

    def at(self, path: str) -> Path:
        """Return where a system path is on this disk: below `--root`."""
        return as_place(self.root, path)

    @property
    def key_directory(self) -> Path:
        """The directory of all keys on this disk."""
        return self.at(self.paths.keys)

    def signed_by(self, signer: str) -> "Settings":
        """Return a copy with another signer; defaults of the old one become defaults of the new one."""
        old, new = SIGNERS[self.signing.signer], SIGNERS[signer]
        socket = new.socket if self.signing.socket == old.socket else self.signing.socket
        owner = new.owner if self.keys.owner == old.owner else self.keys.owner
        signing = self.signing._replace(signer=signer, socket=socket)
        return replace(self, signing=signing, keys=self.keys._replace(owner=owner))

    def domain(self, name: str) -> DomainSettings:
        """Return the settings of one domain; defaults when it has no table."""
        return self.domains.get(name, _NO_TABLE)

    def lifecycle_for(self, name: str) -> Lifecycle:
        """Return the rules of one domain."""
        return self.domain(name).lifecycle or self.lifecycle

    def published_at(self, selector: str, domain: str) -> str:
        """Return the name of a key's record: its owner name, or where the CNAME of a delegated domain leads."""
        delegate = self.domain(domain).delegate
        return delegated_name(selector, domain, delegate) if delegate else owner_name(selector, domain)

    def alias_of(self, selector: str, domain: str) -> str:
        """Return where the CNAME of a delegated domain leads; empty for any other."""
        return self.published_at(selector, domain) if self.domain(domain).delegate else ""

    def zone_for(self, domain: str) -> str | None:
        """Return the zone that is configured for a domain's records."""
        own = self.domain(domain)
        return own.zone or (self.domain(own.delegate).zone if own.delegate else None)

    def provider_for(self, domain: str) -> str | None:
        """Return the provider that is configured for a domain's records."""
        own = self.domain(domain)
        return own.provider or (self.domain(own.delegate).provider if own.delegate else None) or self.provider
