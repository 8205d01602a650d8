"""Loads the configuration file and the environment. All mistakes of a file are reported at once."""

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from dkimctl.config.lifecycle import DEFAULT_TTL, common_rules, rules_of
from dkimctl.config.schema import Problems, Table, read_document
from dkimctl.config.settings import (
    MILTER_ACTIONS,
    SIGNERS,
    DomainSettings,
    Fleet,
    KeyDefaults,
    Lifecycle,
    Lookup,
    Paths,
    Settings,
    Signing,
)
from dkimctl.errors import ConfigError, UsageError, shell_word
from dkimctl.files import read_file, status_of
from dkimctl.names import SLOTS, delegated_name, domain_name, port_number
from dkimctl.programs import search

DEFAULT_FILE = "/etc/dkimctl/dkimctl.toml"


def load_settings(
    file: str | None = None, root: str | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Return the settings from `file` (absent is fine unless it was named), the environment, and the defaults.

    A default file in a directory that this user cannot pass is `unread`: what is public can be asked without it.
    Raises ConfigError with every problem found, DiskError when the file cannot be read.
    """
    top = Path(root or environment.get("DKIMCTL_ROOT") or "/")
    found = status_of(top)
    if found is None or not stat.S_ISDIR(found.st_mode):
        raise UsageError(f"--root {top} is not a directory", hint=f"make it first: mkdir -p {shell_word(top)}")
    named = file or environment.get("DKIMCTL_CONFIG")
    settings = Settings(root=top)
    path = Path(named) if named else settings.at(DEFAULT_FILE)
    if not named and not _may_pass(path.parent):
        settings = replace(settings, unread=f"cannot read {path}: permission denied")
    text = None if settings.unread else read_file(path)
    if text is None and named:
        raise ConfigError(f"no such configuration file: {path}", hint="check --config and DKIMCTL_CONFIG")
    if text is not None:
        settings = _from_document(settings, path, text)
    search.configure(settings.paths.programs)
    return replace(settings, lookup=_lookup_from_environment(settings.lookup, environment))


def _may_pass(directory: Path) -> bool:
    try:
        os.stat(f"{directory}/.")
    except PermissionError:
        return False
    except OSError:
        return True  # reading the file says what is wrong, or that there is none
    return True


def _from_document(settings: Settings, path: Path, text: bytes) -> Settings:
    problems = Problems()
    document = read_document(path, text)
    top = Table(document, "", problems)
    signing = top.table("signing")
    signer = signing.choice("signer", settings.signing.signer, tuple(SIGNERS))
    lifecycle = common_rules(top.table("lifecycle"))
    loaded = replace(
        settings,
        source=path,
        provider=top.text("provider"),
        paths=_paths(top.table("paths"), path),
        keys=_keys(top.table("keys")),
        signing=_signing(signing),
        lifecycle=lifecycle,
        lookup=_lookup(top.table("dns")),
        fleet=_fleet(top.table("fleet")),
        providers=_providers(top.table("providers")),
        domains=_domains(top.table("domains"), lifecycle),
    )
    top.finish()
    if problems.found:
        count = len(problems.found)
        raise ConfigError(
            f"{path}: {count} mistake{'s' if count > 1 else ''}",
            hint=f"fix {'them' if count > 1 else 'it'} and run the command again; every key is in: man dkimctl.toml",
            problems=[f"{path}: {line}" for line in problems.found],
        )
    return loaded.signed_by(signer)


def _paths(table: Table, source: Path) -> Paths:
    default = Paths()
    paths = Paths(
        keys=table.path("keys", default.keys),
        opendkim_conf=table.path("opendkim_conf", default.opendkim_conf),
        opendkim_directory=table.path("opendkim_directory", default.opendkim_directory),
        postfix_directory=table.path("postfix_directory", default.postfix_directory),
        tmpfiles_directory=table.path("tmpfiles_directory", default.tmpfiles_directory),
        pid_file=table.path("pid_file", default.pid_file),
        backups=table.path("backups", default.backups),
        programs=table.texts("programs", default.programs),
    )
    if not all(place.startswith("/") for place in paths.programs):
        table.problem("programs", "must be absolute paths of directories")
    if paths.programs and (node := search.changeable_source(source)):
        table.problem("programs", f"not taken as root from a file that others can change ({node})")
    table.finish()
    return paths


def _keys(table: Table) -> KeyDefaults:
    default = KeyDefaults()
    keys = KeyDefaults(
        algorithm=table.choice("algorithm", default.algorithm, ("rsa", "ed25519")),
        bits=table.number("bits", default.bits, 2048, 4096),
        selector=table.text("selector") or default.selector,
        owner=table.text("owner") or default.owner,
    )
    table.finish()
    return keys


def _signing(table: Table) -> Signing:
    default = Signing()
    signing = Signing(
        socket=table.matching("socket", default.socket, r"local:/\S+|inet:\d+@\S+", "local:/PATH or inet:PORT@HOST"),
        tables=table.choice("tables", default.tables, ("file", "refile")),
        canonicalization=table.matching(
            "canonicalization",
            default.canonicalization,
            r"(simple|relaxed)/(simple|relaxed)",
            "two of simple and relaxed, such as relaxed/simple",
        ),
        subdomains=table.flag("subdomains", default.subdomains),
        trusted_hosts=table.texts("trusted_hosts", default.trusted_hosts),
        milter_default_action=table.choice("milter_default_action", default.milter_default_action, MILTER_ACTIONS),
    )
    table.finish()
    return signing


def _lookup(table: Table) -> Lookup:
    default = Lookup()
    lookup = Lookup(
        nameservers=table.texts("nameservers", default.nameservers),
        port=table.number("port", default.port, 1, 65535),
        timeout=float(table.number("timeout", int(default.timeout), 1, 60)),
    )
    table.finish()
    return lookup


def _fleet(table: Table) -> Fleet:
    fleet = Fleet(
        database=table.text("database") or "",
        database_file=table.path("database_file", ""),
        identity=table.path("identity", Fleet().identity),
        max_stale=table.duration("max_stale", 0, 0, 366 * 86400),
    )
    table.finish()
    return fleet


def _providers(table: Table) -> MappingProxyType[str, Mapping[str, str | int | bool | tuple[str, ...]]]:
    return MappingProxyType({name: table.table(name).options() for name in table.names()})


def _domains(table: Table, lifecycle: Lifecycle) -> MappingProxyType[str, DomainSettings]:
    domains = {}
    for name in table.names():
        entry = table.table(name)
        delegate, ttl = _delegate(entry, name), entry.number("ttl", None, 60, 604800)
        own = rules_of(entry, lifecycle, slot_ttl=(ttl or DEFAULT_TTL) if delegate else None)
        settings = DomainSettings(
            selector=entry.text("selector"),
            provider=entry.text("provider"),
            zone=entry.text("zone"),
            ttl=ttl,
            subdomains=entry.flag("subdomains", None),
            delegate=delegate,
            lifecycle=None if own == lifecycle else own,
            automation=own.automation if "automation" in entry.names() else None,
        )
        entry.finish()
        try:
            domains[domain_name(name)] = settings
        except UsageError as error:
            entry.problem("", error.message)
    return MappingProxyType(domains)


def _delegate(entry: Table, name: str) -> str | None:
    """Return the domain to which this one's records are delegated."""
    text = entry.text("delegate")
    if text is None:
        return None
    try:
        delegate = domain_name(text)
        delegated_name(SLOTS[0], domain_name(name), delegate)
    except UsageError as error:
        entry.problem("delegate", error.message)
        return None
    if f".{delegate}".endswith(f".{domain_name(name)}"):
        entry.problem("delegate", f"{delegate} is in the domain itself; it must be one of the operator's own")
    return delegate


def _lookup_from_environment(lookup: Lookup, environment: Mapping[str, str]) -> Lookup:
    servers = environment.get("DKIMCTL_NAMESERVERS", "").replace(",", " ").split()
    port = environment.get("DKIMCTL_DNS_PORT", "")
    if port and not port_number(port):
        raise UsageError(
            f"DKIMCTL_DNS_PORT is not a port: {port}", hint="set it to a number from 1 to 65535, or unset it"
        )
    return replace(lookup, nameservers=tuple(servers) or lookup.nameservers, port=port_number(port) or lookup.port)
