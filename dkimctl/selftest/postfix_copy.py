"""The configuration of a second Postfix: the settings of the real one, but everything ends in the sink.

What is copied: main.cf as it is set, and the milter settings of the smtpd that takes mail from outside. What is
replaced: where mail goes (only to the sink), who may send (only this machine), and every copy to others (bcc,
notices). A content filter is not asked, because it would hand the mail back to the real Postfix: what it is to get
goes, unchanged, to a copy of the service at which its mail comes back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dkimctl.files import make_directory, status_of, write_file
from dkimctl.owners import find_owner
from dkimctl.postfix import postconf
from dkimctl.postfix.milters import milter_socket, split_milters

_FILTERS = ("content_filter", "smtpd_proxy_filter")
_OF_SERVICE = ("smtpd_milters", "milter_default_action", "milter_protocol", "receive_override_options")
_PORT_25 = ("smtp/inet", "25/inet", "smtpd/pass")
"""The last gets its mail from postscreen, which itself has no milters."""
_MILTERS = ("smtpd_milters", "non_smtpd_milters")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
_EMPTY = (
    "alias_database",
    "alias_maps",
    "always_bcc",
    "content_filter",
    "fallback_transport",
    "local_recipient_maps",
    "multi_instance_directories",
    "multi_instance_wrapper",
    "mydestination",
    "notify_classes",
    "recipient_bcc_maps",
    "relay_domains",
    "sender_bcc_maps",
    "sender_dependent_default_transport_maps",
    "sender_dependent_relayhost_maps",
    "smtp_fallback_relay",
    "smtpd_client_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_etrn_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_proxy_filter",
    "smtpd_recipient_restrictions",
    "smtpd_sender_restrictions",
    "transport_maps",
    "virtual_alias_domains",
    "virtual_alias_maps",
    "virtual_mailbox_domains",
)
_FIXED = {
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "mynetworks": "127.0.0.0/8",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtpd_delay_reject": "yes",
    "smtpd_tls_security_level": "none",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_client_connection_count_limit": "0",
    "smtp_bind_address": "127.0.0.1",  # whatever a map or a check says: from here nobody outside can be reached
    "smtp_tls_security_level": "none",
    "smtp_sasl_auth_enable": "no",
    "smtp_sender_dependent_authentication": "no",
    "default_transport": "sink",
    "relay_transport": "sink",
    "smtp_host_lookup": "native",
    "multi_instance_enable": "no",
    "master_service_disable": "",
    "debug_peer_list": "",
    "queue_minfree": "0",
}
# Only the service `sink` sends mail, and only main.cf's own settings lead to it: a FILTER in a person's header checks,
# which names `smtp` and a host, ends there, and not in the real filter.
_MASTER = """\
{smtpd}pickup unix n - n 60 1 pickup{pickup}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
sink unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of 127.0.0.1 that belong to the second Postfix."""

    sink: int
    """Where it delivers everything."""
    smtp: int
    """Where it takes mail."""
    back: int
    """Where it takes mail that would have gone through a content filter."""


@dataclass(frozen=True, slots=True)
class Copied:
    """The settings of the real Postfix that decide about signatures."""

    milters: Mapping[str, str]
    """What is asked about mail over SMTP and about local mail, macros expanded, in the order in which it is asked."""
    filters: tuple[str, ...]
    """The content filters, as `name = value`."""
    way_back: str
    """The service at which mail comes back from them; empty where there is no such one, or more than one."""


def copy_settings(place: Path, directory: Path, ports: Ports) -> Copied:
    """Write main.cf and master.cf below `place` after those in `directory`. Raises Unavailable, DiskError."""
    values = postconf.read_settings(directory, ("mail_owner", "queue_directory", *_MILTERS, *_FILTERS), expanded=True)
    spelled = {name: _absolute(values[name], values["queue_directory"]) for name in _MILTERS}
    door, pickup = (_overrides(directory, places) for places in (_PORT_25, ("pickup/unix",)))
    filters = {name: value for name in _FILTERS if (value := door.get(name, values[name]))}
    local = pickup.get("content_filter", values["content_filter"])
    back = _way_back(directory, values, [*filters.values(), *([local] if local else [])])
    returned = _overrides(directory, (back,))
    make_directory(place / "config", mode=0o711)
    make_directory(place / "queue", mode=0o755)
    make_directory(place / "data", mode=0o700, owner=find_owner(values["mail_owner"]))
    _write_copy(place, directory, "main.cf", _main_cf(place, directory, ports.sink, spelled))
    detour = _detour(ports.back) if back else {}
    smtpd = _smtpd(ports.smtp, {**_asking(door, values), **{name: detour[name] for name in filters if back}})
    smtpd += _smtpd(ports.back, _asking(returned, values)) if back else ""
    options = _options({"content_filter": detour["content_filter"]} if local and back else {})
    _write_copy(place, directory, "master.cf", _MASTER.format(smtpd=smtpd, pickup=options))
    milters_on_return = _listed(returned, spelled, values) if back else []
    milters = {
        _MILTERS[0]: ", ".join([*_listed(door, spelled, values), *(milters_on_return if filters else [])]),
        _MILTERS[1]: ", ".join([*split_milters(spelled[_MILTERS[1]]), *(milters_on_return if local else [])]),
    }
    return Copied(milters, tuple(f"{name} = {value}" for name, value in filters.items()), back)


def _write_copy(place: Path, directory: Path, name: str, text: str) -> None:
    """Write a file of the second Postfix, which nobody may read who may not read the real one: passwords are in it."""
    original = status_of(directory / name)
    mode = 0o600 if original is None else original.st_mode & 0o644
    write_file(place / "config" / name, text.encode("utf-8", "surrogateescape"), mode=mode | 0o600)


def _way_back(directory: Path, values: Mapping[str, str], filters: Iterable[str]) -> str:
    """The one smtpd that only this machine can reach and that has no filter, such as `127.0.0.1:10025/inet`.

    Empty when there is not one or no filter, or a filter is a program: that hands mail to sendmail(1).
    """
    ends = [value.rpartition(":")[2] for value in filters]
    if not ends or not all(map(str.isdecimal, ends)):
        return ""
    rows = postconf.service_fields(directory)
    found = [f"{row[0]}/inet" for row in rows if row[1] == "inet" and row[7].split()[0] == "smtpd"]
    local = [place for place in found if place.rpartition(":")[0] in _LOOPBACK and place not in _PORT_25]
    back = [p for p in local if not any(_overrides(directory, (p,)).get(n, values[n]) for n in _FILTERS)]
    return back[0] if len(back) == 1 else ""


def _detour(port: int) -> dict[str, str]:
    """The filters' settings that lead to the copy of the way back."""
    return {"content_filter": f"sink:[127.0.0.1]:{port}", "smtpd_proxy_filter": f"127.0.0.1:{port}"}


def _overrides(directory: Path, places: Sequence[str]) -> dict[str, str]:
    """Return the copied settings that master.cf overrides for these services."""
    found = postconf.service_overrides(directory, (*_OF_SERVICE, *_FILTERS))
    return {override.name: override.value for override in found if override.service in places}


def _asking(overrides: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """The options of a service about milters."""
    queue = values["queue_directory"]
    return {name: _absolute(overrides[name], queue) for name in _OF_SERVICE if name in overrides}


def _listed(overrides: Mapping[str, str], spelled: Mapping[str, str], values: Mapping[str, str]) -> Sequence[str]:
    """The milters that a service asks."""
    if "no_milters" in overrides.get("receive_override_options", ""):
        return []
    return split_milters(_asking(overrides, values).get(_MILTERS[0], spelled[_MILTERS[0]]))


def _smtpd(port: int, options: Mapping[str, str]) -> str:
    return f"127.0.0.1:{port} inet n - n - - smtpd{_options(options)}\n"


def _options(options: Mapping[str, str]) -> str:
    return "".join(f"\n  -o {{ {name} = {value} }}" for name, value in options.items())


def _main_cf(place: Path, directory: Path, sink_port: int, milters: Mapping[str, str]) -> str:
    own = {
        **dict.fromkeys(_EMPTY, ""),
        **_FIXED,
        **milters,
        "queue_directory": f"{place}/queue",
        "data_directory": f"{place}/data",
        "maillog_file": f"{place}/maillog",
        "maillog_file_prefixes": str(place),
        "relayhost": f"[127.0.0.1]:{sink_port}",
    }
    own_place = {*own, "config_directory"}
    copied = {n: v for n, v in postconf.set_values(directory).items() if n not in own_place}
    shown = {n: v.replace("$config_directory", str(directory)) for n, v in copied.items()}
    return "".join(f"{name} = {value}\n" for name, value in {**shown, **own}.items())


def _absolute(milters: str, queue: str) -> str:
    """The milters with whole paths: the second Postfix has another queue directory."""
    found: Sequence[str] = split_milters(milters)
    spelled = []
    for milter in found:
        socket = milter_socket(milter, queue)
        if socket is None or not socket.is_unix:
            spelled.append(milter)
            continue
        path = socket.path
        if not Path(path).exists() and Path(queue + path).exists():  # as seen from the chroot
            path = queue + path
        old = next(part for part in split_milters(milter.strip("{} \t")))
        spelled.append(milter.replace(old, f"unix:{path}", 1))
    return ", ".join(spelled)
