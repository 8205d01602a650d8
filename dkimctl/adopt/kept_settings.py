"""Settings of the installation that differ from dkimctl's defaults: kept by writing them to dkimctl.toml."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dkimctl.adopt.candidates import Candidate
from dkimctl.config.load import DEFAULT_FILE
from dkimctl.config.schema import read_document
from dkimctl.config.settings import MILTER_ACTIONS, KeyDefaults, Paths, Settings, Signing
from dkimctl.errors import UsageError
from dkimctl.files import read_file
from dkimctl.host.world import World
from dkimctl.opendkim.hosts import canonical_host
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.signers.rendered import Notice

_HEADER = """\
# Written by `dkimctl adopt`: settings of the installation that it took over,
# which dkimctl keeps. You may edit it.
"""
Value = str | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeptSetting:
    """A setting that dkimctl.toml must have so that signing stays as it is."""

    table: str
    key: str
    value: Value

    @property
    def line(self) -> str:
        """`key = value` in TOML."""
        return f"{self.key} = {_toml(self.value)}"


def kept_settings(world: World, candidates: list[Candidate], *, patterns: bool) -> tuple[KeptSetting, ...]:
    """Return the settings that differ from dkimctl's defaults."""
    return (*_paths(world), *_keys(world), *_signing(world, patterns), *_subdomains(candidates))


def with_kept_settings(world: World, wanted: tuple[KeptSetting, ...]) -> Settings:
    """Return the settings as the installation has them."""
    settings = world.settings
    changes: dict[str, dict[str, Any]] = {"paths": {}, "keys": {}, "signing": {}}
    for setting in wanted:
        if setting.table in changes:
            changes[setting.table][setting.key] = setting.value
    hosts = tuple(_sayable_hosts(world))
    signing = settings.signing._replace(trusted_hosts=hosts or settings.signing.trusted_hosts)
    return replace(
        settings,
        paths=settings.paths._replace(**changes["paths"]),
        keys=settings.keys._replace(**changes["keys"]),
        signing=signing._replace(**changes["signing"]),
    )


def daemon_owner(world: World) -> str:
    """Return the USER:GROUP that the daemon becomes."""
    account = world.account
    user = world.opendkim.user or "root"
    group = world.opendkim.group or (world.accounts.group_name(account.gid) if account else user)
    return f"{user}:{group}"


def _paths(world: World) -> Iterator[KeptSetting]:
    if world.opendkim.conf_path != Paths().opendkim_conf:
        yield KeptSetting("paths", "opendkim_conf", world.opendkim.conf_path)
    pid_file = world.opendkim.get("PidFile", Paths().pid_file)
    if pid_file.removeprefix("/var") != Paths().pid_file and pid_file.startswith("/"):  # /var/run is /run
        yield KeptSetting("paths", "pid_file", pid_file)


def _keys(world: World) -> Iterator[KeptSetting]:
    if daemon_owner(world) != KeyDefaults().owner:
        yield KeptSetting("keys", "owner", daemon_owner(world))


def _signing(world: World, patterns: bool) -> Iterator[KeptSetting]:
    default = Signing()
    try:
        socket = parse_socket(world.opendkim.get("Socket", default.socket))
        if str(socket) != default.socket and (socket.is_unix or socket.host):
            yield KeptSetting("signing", "socket", str(socket))
    except UsageError:
        pass  # opendkim does not start with it either; doctor reports it
    if patterns:  # a panel goes on writing rows such as *@example.com
        yield KeptSetting("signing", "tables", "refile")
    header, slash, body = world.opendkim.get("Canonicalization", "simple").lower().partition("/")
    form = f"{header}/{body if slash else 'simple'}"
    if form != default.canonicalization:
        yield KeptSetting("signing", "canonicalization", form)
    hosts = _hosts(world)
    if hosts is not None and set(hosts) != set(default.trusted_hosts):
        yield KeptSetting("signing", "trusted_hosts", hosts)
    action = next((p.values.get("milter_default_action", "") for p in world.postfix), "")
    if action in MILTER_ACTIONS and action != default.milter_default_action:
        yield KeptSetting("signing", "milter_default_action", action)


def _hosts(world: World) -> tuple[str, ...] | None:
    """Return the hosts whose mail is signed; None when their list stays where it is, or its meaning is not known.

    No host at all for `InternalHosts -`: only MTA, MacroList or a login decide.
    """
    hosts = world.internal_hosts
    home = f"{world.settings.paths.opendkim_directory}/TrustedHosts"
    if hosts.place == home and not hosts.patterns:
        return None
    found = tuple(_sayable_hosts(world))
    return found if found or [row.key for row in hosts.rows] == ["-"] else None


def _sayable_hosts(world: World) -> Iterator[str]:
    for row in world.internal_hosts.rows:
        try:
            yield canonical_host(row.key)
        except UsageError:
            continue


def hosts_notice(world: World) -> tuple[Notice, ...]:
    """Return a notice about entries that match no host, as opendkim reads them: they have no effect, and get none."""
    hosts = world.internal_hosts
    lost = []
    for row in hosts.rows:
        try:
            canonical_host(row.key)
        except UsageError:
            lost.append((row.key, f"{row.key} ({hosts.at(row)})"))
    named = [place for key, place in lost if key != "-"]
    if not named:
        return ()
    message = f"opendkim signs for no host by these entries, and dkimctl does not keep them: {', '.join(named[:3])}"
    hint = 'where such mail is to be signed: trusted_hosts in dkimctl.toml, ".example.com" for all hosts below it'
    return (Notice(message, hint),)


def _subdomains(candidates: list[Candidate]) -> Iterator[KeptSetting]:
    """Yield the settings for sub-domains: one for all domains when they agree."""
    without = [c.domain for c in candidates if not c.subdomains]
    if candidates and len(without) == len(candidates):
        yield KeptSetting("signing", "subdomains", False)
        return
    for domain in without:
        yield KeptSetting(f'domains."{domain}"', "subdomains", False)


def toml(settings: tuple[KeptSetting, ...]) -> bytes:
    """The file."""
    return "\n".join((_HEADER, *_lines(settings), "")).encode()


def _lines(settings: Iterable[KeptSetting]) -> list[str]:
    """Return the settings as lines of TOML, each table under its header."""
    tables: dict[str, list[str]] = {}
    for setting in settings:
        tables.setdefault(setting.table, []).append(setting.line)
    blocks = ("\n".join((f"[{table}]", *lines)) for table, lines in tables.items())
    return "\n\n".join(blocks).splitlines()


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def missing_settings(settings: Settings, wanted: tuple[KeptSetting, ...]) -> tuple[Notice, ...]:
    """Return notices of the settings that are missing from the existing configuration file, as lines to paste."""
    missing = [s for s in wanted if not _says(settings, s)]
    if not missing or settings.source is None:
        return ()
    message = f"{settings.source} does not say what this installation does"
    present = _tables_of(settings.source)
    new = [s for s in missing if s.table not in present]
    notices = [Notice(message, "add these lines at its end:", lines=tuple(_lines(new)))] if new else []
    for table in dict.fromkeys(s.table for s in missing if s.table in present):
        lines = tuple(s.line for s in missing if s.table == table)
        notices.append(Notice(message, f"add these lines right after its line [{table}]:", lines=lines))
    return tuple(notices)


def _tables_of(source: Path) -> frozenset[str]:
    """Return the tables that the file has already: TOML allows each once."""
    document = read_document(source, read_file(source) or b"")
    domains = document.get("domains")
    names = [f'domains."{name}"' for name in domains] if isinstance(domains, dict) else []
    return frozenset((*document, *names))


def _says(settings: Settings, wanted: KeptSetting) -> bool:
    if wanted.table.startswith("domains."):
        own = settings.domain(wanted.table.removeprefix('domains."').removesuffix('"'))
        now = settings.signing.subdomains if own.subdomains is None else own.subdomains
    else:
        now = getattr(getattr(settings, wanted.table), wanted.key)
    return bool(now == wanted.value)


CONFIG_FILE = DEFAULT_FILE
