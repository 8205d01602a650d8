"""Checks of the host lists: InternalHosts itself, and compared with Postfix's mynetworks."""

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import filterfalse

from dkimctl.catalogue import tables as c
from dkimctl.doctor.base import Diagnosis, diagnosis, with_severity
from dkimctl.doctor.commands import append, chain, comment_out_row, edit_row, rewrite, rewrite_row, set_parameter
from dkimctl.doctor.ignored_mail import without_row
from dkimctl.errors import UsageError
from dkimctl.findings import Severity
from dkimctl.host.datasets import FILES, DataSet, is_marked
from dkimctl.host.installation import words
from dkimctl.host.internal_hosts import HostList
from dkimctl.host.socketplace import effective_socket
from dkimctl.host.world import World
from dkimctl.opendkim.hosts import LOOPBACK, canonical_host, host_problem, is_everybody, usable_hosts
from dkimctl.opendkim.tables import Row
from dkimctl.postfix.lists import list_items

Network = IPv4Network | IPv6Network
_TWIN = {"0.0.0.0/0": "::/0", "::/0": "0.0.0.0/0"}


def check_hosts(world: World) -> Iterator[Diagnosis]:
    """Check the host lists."""
    for name in ("InternalHosts", "ExternalIgnoreList", "PeerList"):
        listed = world.data_sets.get(name)
        if listed and listed.is_known:
            yield from _spelling(world, name, listed)
    internal = world.internal_hosts
    if not internal.is_known or not world.opendkim.signs:
        return
    yield from _everybody(world, internal)
    if world.opendkim.find("MTA") or world.opendkim.find("MacroList"):
        return  # a macro of the receiving service decides as well, whatever the client is
    yield from _loopback(world, internal, HostList(internal))
    yield from _relay_clients(world, internal)


def _takes_logins(world: World) -> bool:
    """Return whether a client can log in, whose mail is signed from any address; True where that is not known."""
    services = [(instance, service) for instance in world.postfix for service in instance.services_of("smtpd")]
    return not services or any(i.effective(service, "smtpd_sasl_auth_enable") == "yes" for i, service in services)


def _spelling(world: World, name: str, listed: DataSet) -> Iterator[Diagnosis]:
    for row in filterfalse(is_marked, listed.rows):
        where = listed.at(row)
        if listed.patterns and row.key.startswith("*"):
            yield diagnosis(c.HOST_PATTERN, where, f"{where}: {row.key} ({name})", _whole_names(world, listed, row))
            continue
        if row.key == "-" and listed.kind not in FILES:
            continue  # the usual notation of an empty list
        problem = host_problem(row.key.removeprefix("!"))
        if problem:
            seen = f"{where}: {row.key} {problem} ({name})"
            yield diagnosis(c.HOST_SPELLING, where, seen, _respelled(world, listed, row, meant_host(row.key)))


def meant_host(entry: str) -> str:
    """Return the entry in the spelling that matches; empty when the intention is unclear."""
    with suppress(UsageError):
        return canonical_host(entry.replace("*.", ".", 1) if entry.startswith(("*.", "!*.")) else entry)
    return ""


def _respelled(world: World, listed: DataSet, row: Row, meant: str) -> str:
    """Return the command that replaces an entry with `meant`; without `meant`, one that opens an editor."""
    if not meant:
        return edit_row(world, listed, row)
    if listed.kind not in FILES:
        setting = listed.setting
        others = (meant if word == row.key else word for word in words(setting.value))
        return rewrite(world, setting.file, setting.line, f"{setting.name} csl:{','.join(others)}")
    if any(other.key == meant for other in listed.rows):
        return comment_out_row(world, listed, row, f"{meant} is already in the table")
    return rewrite_row(world, listed, row, meant)


def _whole_names(world: World, listed: DataSet, row: Row) -> str:
    """Return the command that makes the list a `file:` one, where `.example.com` means all hosts below it."""
    setting, meant = listed.setting, meant_host(row.key)
    if not meant:
        return edit_row(world, listed, row, "write the networks themselves")
    plain = rewrite(world, setting.file, setting.line, f"{setting.name} file:{listed.place}")
    return chain(plain, _respelled(world, listed, row, meant))  # the second one may end in a comment


def _loopback(world: World, internal: DataSet, hosts: HostList) -> Iterator[Diagnosis]:
    missing = [host for host in LOOPBACK if not hosts.has(host, "localhost")]
    excluded = {fit.row: host for host in missing if (fit := hosts.fit(host, "localhost"))}
    for row, host in excluded.items():  # an entry with ! counts before any other of its kind
        seen = f"{internal.at(row)}: {row.key}: {host} is left out of InternalHosts"
        yield diagnosis(c.LOOPBACK, "InternalHosts", seen, without_row(world, internal, row))
    if missing and not excluded:
        seen = (
            f"{' and '.join(missing)} not in InternalHosts ({internal.place if internal.kind in FILES else 'inline'})"
        )
        found = diagnosis(c.LOOPBACK, "InternalHosts", seen, _add(world, internal, missing))
        is_empty = not any(usable_hosts(row.key) for row in internal.rows if not row.key.startswith("!"))
        yield with_severity(found, Severity.ERROR) if is_empty and not _takes_logins(world) else found


def _add(world: World, internal: DataSet, entries: list[str]) -> str:
    if internal.kind in FILES:
        return append(world, internal.place, *entries)
    kept = usable_hosts(internal.setting.value)
    return set_parameter(world, "InternalHosts", f"csl:{','.join([*kept, *entries])}")


def _everybody(world: World, internal: DataSet) -> Iterator[Diagnosis]:
    wide = [row for row in internal.rows if is_everybody(row.key)]
    if not wide or not _reaches_anybody(world):
        return
    keys = {row.key for row in wide}
    twin = _TWIN[wide[0].key] if len(keys) == 1 else ""
    missing = f", but not {'IPv6' if ':' in twin else 'IPv4'} clients" if twin else ""
    where = internal.at(wide[0])
    fix = edit_row(world, internal, wide[0], "name your own networks instead")
    yield diagnosis(c.EVERYBODY, where, f"{where}: {' and '.join(sorted(keys))}{missing}", fix)


def _reaches_anybody(world: World) -> bool:
    """Return whether a service of Postfix, or one that is not known here, hands the daemon mail from anybody."""
    socket = effective_socket(world.opendkim)
    if not world.postfix or (socket and not socket.is_unix and socket.endpoint[0] != "localhost"):
        return True
    return any(i.accepts_unknown_clients(service) for i in world.postfix for service in i.services_of("smtpd"))


def _relay_clients(world: World, internal: DataSet) -> Iterator[Diagnosis]:
    listed = [net for row in internal.rows if (net := _network(row.key)) is not None]
    for instance in world.postfix:
        words = list_items(instance.values["mynetworks"])
        lacking = [str(n) for word in words if (n := _network(word)) is not None and not _covered(n, listed)]
        if lacking:
            seen = f"mynetworks of {instance.directory} has {', '.join(lacking)}, InternalHosts does not"
            yield diagnosis(c.RELAY_CLIENTS, "InternalHosts", seen, _add(world, internal, lacking))


def _network(text: str) -> Network | None:
    try:
        return ip_network(text.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None  # a table, a path, a name or an exception with `!`


def _covered(network: Network, listed: list[Network]) -> bool:
    if network.network_address.is_loopback:
        return True  # reported separately, as mail from this machine itself
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        return True  # the same IPv4 clients in another spelling
    return any(n.version == network.version and network.subnet_of(n) for n in listed)  # type: ignore[arg-type]
