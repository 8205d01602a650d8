"""The daemon name and the other macros that Postfix sends to milters, for which opendkim signs mail of any client."""

from collections.abc import Iterator

from dkimctl.host.postfix import PostfixInstance, Service
from dkimctl.host.sent_macros import DEFAULTS, NAME, defaults, lets_anybody_in, tells
from dkimctl.host.world import World


def names_sent(instances: tuple[PostfixInstance, ...]) -> Iterator[tuple[str, str]]:
    """Yield each service that takes mail over SMTP, as `submission/inet of /etc/postfix`, with the name it sends."""
    for instance in instances:
        for service in instance.services_of("smtpd"):
            if tells("daemon_name", instance, service):
                yield f"{service.place} of {instance.directory}", instance.effective(service, NAME)


def listed_names(world: World) -> frozenset[str]:
    """Return the names in MTA, which opendkim compares with regard to case; empty without the setting."""
    listed = world.data_sets.get("MTA")
    return frozenset(row.key for row in listed.rows) if listed else frozenset()


def signing_macro(world: World, instance: PostfixInstance, service: Service) -> str:
    """Return the setting (MTA, MacroList, milter_macro_defaults) by which all mail of a service is signed; or empty."""
    if instance.effective(service, NAME) in listed_names(world) and tells("daemon_name", instance, service):
        return "MTA"
    if defaults(instance, service).get("auth_type") and tells("auth_type", instance, service):
        return DEFAULTS  # every client is taken for one that has logged in
    macros = world.data_sets.get("MacroList")
    found = macros and any(lets_anybody_in(row, instance, service) for row in macros.rows)
    return "MacroList" if found else ""


def name_to_send(world: World) -> tuple[str, bool]:
    """Return the name that a probe sends as this host's Postfix would, and whether MTA has its mail signed.

    That of a service that MTA lists, where there is one; else main.cf's own; empty without Postfix.
    """
    listed = listed_names(world)
    signed = next((name for _, name in names_sent(world.postfix) if name in listed), "")
    usual = next((instance.values[NAME] for instance in world.postfix), "")
    return (signed, True) if signed else (usual, False)
