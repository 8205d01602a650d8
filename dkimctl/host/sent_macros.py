"""The macros that a service of Postfix sends with mail from anybody, in the spelling of opendkim's MacroList.

Measured: MacroList has names without braces, values after `=` and `|`. Braces match nothing. In Postfix's lists a name
of more than one letter needs its braces. Of the macros of these lists opendkim sees those up to DATA. It compares
MacroList with `i`, `daemon_name` and `auth_type` as well, which it asks for itself, too late for MTA and logins.
"""

from ipaddress import ip_address

from dkimctl.host.postfix import PostfixInstance, Service
from dkimctl.host.world import World
from dkimctl.opendkim.tables import Row
from dkimctl.postfix.lists import list_items

NAME = "milter_macro_daemon_name"
DEFAULTS = "milter_macro_defaults"
_LISTS = tuple(f"milter_{stage}_macros" for stage in ("connect", "helo", "mail", "rcpt", "data"))
_ASKED_FOR = frozenset(("i", "daemon_name", "auth_type"))
_OF_TLS = frozenset(("tls_version", "cipher", "cipher_bits"))
_CHOSEN = frozenset(f"{of}_{what}" for of in ("mail", "rcpt") for what in ("addr", "host", "mailer")) | {
    "_",
    "client_port",
    "client_ptr",
}
"""Whatever value is listed, a client can bring it about."""
_GIVEN = _CHOSEN | {"j", "v", "i", "daemon_name", "daemon_addr", "daemon_port", "client_addr", "client_name"}
_GIVEN |= {"client_connections", "client_resolve"}
"""Those that have a value for every client."""
_NEVER_LOCAL = "unknown"
"""The client_name of a client without a confirmed name."""


def bare(name: str) -> str:
    """Return a macro's name without braces."""
    return name.strip().removeprefix("{").removesuffix("}")


def in_lists(instance: PostfixInstance, service: Service) -> frozenset[str]:
    """Return the macros that a service sends where they have a value, and with which MacroList is compared."""
    return _listed(instance, service) | _ASKED_FOR


def tells(name: str, instance: PostfixInstance, service: Service) -> bool:
    """Return whether a service sends the macro that MTA is compared with, or that of a login, in time."""
    return name in _listed(instance, service)


def _listed(instance: PostfixInstance, service: Service) -> frozenset[str]:
    words = [word for name in _LISTS for word in list_items(instance.effective(service, name))]
    return frozenset(bare(word) for word in words if len(word) == 1 or (word[0], word[-1]) == ("{", "}"))


def defaults(instance: PostfixInstance, service: Service) -> dict[str, str]:
    """Return the values that macros have for every client for which Postfix knows no other (milter_macro_defaults)."""
    pairs = (word.partition("=") for word in list_items(instance.effective(service, DEFAULTS)))
    return {bare(name): value for name, equals, value in pairs if equals and value}


def lets_anybody_in(row: Row, instance: PostfixInstance, service: Service) -> bool:
    """Return whether a row of MacroList has the mail of any client signed that the service accepts."""
    if row.key not in in_lists(instance, service):
        return False
    values = row.value.split("|") if row.value else []
    usual = defaults(instance, service).get(row.key, "")
    if usual and (not values or usual in values):
        return True
    if row.key in _OF_TLS:
        return instance.effective(service, "smtpd_tls_security_level") in ("may", "encrypt") or (
            instance.effective(service, "smtpd_use_tls") == "yes"
        )
    if not values:
        return row.key in _GIVEN
    if row.key in _CHOSEN:
        return True
    if row.key == "daemon_addr":
        return any(_is_reached(value, service) for value in values)
    return _constant(row.key, instance, service) in values


def _constant(name: str, instance: PostfixInstance, service: Service) -> str:
    """Return the one value that a macro has, or that any client can have; empty where it depends on the client."""
    return {
        "daemon_name": instance.effective(service, NAME),
        "j": instance.values["myhostname"],
        "v": instance.effective(service, "milter_macro_v"),
        "client_name": _NEVER_LOCAL,
        "daemon_port": service.name.rpartition(":")[2].replace("smtp", "25"),
    }.get(name, "")


def _is_reached(address: str, service: Service) -> bool:
    """Return whether other hosts connect to a service at this address; a private one may be behind a NAT."""
    try:
        return not ip_address(address).is_loopback and service.host.strip("[]") in ("", address)
    except ValueError:
        return False


def is_ever_sent(row: Row, world: World) -> bool:
    """Return whether a service sends the macro of a row at all; True where Postfix is not known."""
    services = [(instance, service) for instance in world.postfix for service in instance.services_of("smtpd")]
    return not services or any(row.key in in_lists(instance, service) for instance, service in services)
