"""The macros that Postfix sends to milters, above all the daemon name, and those whose mail opendkim signs.

They are the settings MTA and MacroList (measured: MacroList has names without braces, values after `=` and `|`).
"""

from collections.abc import Iterator

from dkimctl.host.postfix import PostfixInstance, Service
from dkimctl.host.world import World

NAME = "milter_macro_daemon_name"
_ALWAYS = frozenset(("j", "v", "_", "i", "daemon_name", "client_addr", "client_name", "mail_addr", "rcpt_addr"))
"""Macros that Postfix sends with every mail."""


def names_sent(instances: tuple[PostfixInstance, ...]) -> Iterator[tuple[str, str]]:
    """Yield each service that takes mail over SMTP, as `submission/inet of /etc/postfix`, with the name it sends."""
    for instance in instances:
        for service in instance.services_of("smtpd"):
            yield f"{service.place} of {instance.directory}", instance.effective(service, NAME)


def listed_names(world: World) -> frozenset[str]:
    """Return the names in MTA, which opendkim compares with regard to case; empty without the setting."""
    listed = world.data_sets.get("MTA")
    return frozenset(row.key for row in listed.rows) if listed else frozenset()


def signing_macro(world: World, instance: PostfixInstance, service: Service) -> str:
    """Return the setting (MTA or MacroList) for which all mail of a service is signed; empty for none."""
    name = instance.effective(service, NAME)
    if name in listed_names(world):
        return "MTA"
    sent = {"daemon_name": name, "j": instance.values["myhostname"]}
    macros = world.data_sets.get("MacroList")
    for row in macros.rows if macros else ():
        values = row.value.split("|") if row.value else []
        if sent.get(row.key) in values or (not values and row.key in _ALWAYS):
            return "MacroList"
    return ""


def name_to_send(world: World) -> tuple[str, bool]:
    """Return the name that a probe sends as this host's Postfix would, and whether MTA has its mail signed.

    That of a service that MTA lists, where there is one; else main.cf's own; empty without Postfix.
    """
    listed = listed_names(world)
    signed = next((name for _, name in names_sent(world.postfix) if name in listed), "")
    usual = next((instance.values[NAME] for instance in world.postfix), "")
    return (signed, True) if signed else (usual, False)
