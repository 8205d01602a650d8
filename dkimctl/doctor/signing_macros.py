"""Checks of the macros by which opendkim signs for any client: MTA, MacroList, and Postfix's milter_macro_defaults."""

from collections.abc import Iterator
from dataclasses import replace

from dkimctl.catalogue import tables as c
from dkimctl.doctor.base import Diagnosis, diagnosis, with_severity
from dkimctl.doctor.commands import edit, edit_row, rewrite, rewrite_row
from dkimctl.doctor.mail_routes import MailRoute, mail_routes
from dkimctl.errors import shell_word
from dkimctl.findings import Severity
from dkimctl.host.daemonnames import listed_names, signing_macro
from dkimctl.host.datasets import FILES, DataSet
from dkimctl.host.installation import where
from dkimctl.host.postfix import Service
from dkimctl.host.sent_macros import DEFAULTS, NAME, bare, is_ever_sent, lets_anybody_in
from dkimctl.host.world import World
from dkimctl.opendkim.tables import Row
from dkimctl.postfix.lists import list_items

_OTHER_NAME = "INBOUND"
_NEVER_SENT = replace(
    c.FITS_NOTHING,
    title="an item of MacroList that matches no mail",
    meaning="opendkim expects a macro's name without braces, and Postfix sends only those of its milter_*_macros "
    "settings, so this item never matches.",
)


def check_signing_macros(world: World) -> Iterator[Diagnosis]:
    """Report each service of Postfix that has mail from anybody signed, and the items that have no effect."""
    if not world.opendkim.signs:
        return
    for route in mail_routes(world):
        for service in route.smtpd_services():
            name = signing_macro(world, route.instance, service)
            if name and route.signs(service) and route.instance.accepts_unknown_clients(service):
                found = _by_default(route, service) if name == DEFAULTS else _by_setting(route, service, name)
                yield with_severity(found, Severity.ERROR)
    macros = world.data_sets.get("MacroList")
    if macros and macros.is_known:
        yield from _never_sent(world, macros)


def _never_sent(world: World, macros: DataSet) -> Iterator[Diagnosis]:
    """Report the items of MacroList that have no effect."""
    for row in macros.rows:
        if not is_ever_sent(row, world):
            seen = f"{macros.at(row)}: {row.key}: no service of Postfix sends a macro of this name"
            fix = _without_braces(world, macros, row)
            yield with_severity(diagnosis(_NEVER_SENT, f"MacroList {row.key}", seen, fix), Severity.WARNING)


def _by_setting(route: MailRoute, service: Service, name: str) -> Diagnosis:
    """Report MTA or MacroList."""
    world, setting = route.world, route.world.opendkim.find(name)
    sent = route.instance.effective(service, NAME)
    what = f"sends daemon_name={sent} with all mail" if name == "MTA" else "sends such a macro with mail from anybody"
    place = f"{where(setting)}: {name} {setting.value}" if setting else name
    seen = f"{place}; {service.place} {what}"
    why = "and name in InternalHosts the networks whose mail to sign"
    comment = f"list no macro that every service sends, {why}"
    fix = edit(world, setting.file, setting.line, comment) if setting else ""
    if name == "MTA" and _OTHER_NAME not in listed_names(world):
        fix = f"{route.postconf} -P {shell_word(f'{service.place}/{NAME}={_OTHER_NAME}')}  # {why}"
    return diagnosis(c.EVERYBODY, service.place, seen, fix)


def _by_default(route: MailRoute, service: Service) -> Diagnosis:
    """Report a default for {auth_type}, the macro by which the daemon knows who has logged in."""
    value = route.instance.effective(service, DEFAULTS)
    kept = " ".join(w for w in list_items(value) if bare(w.partition("=")[0]) != "auth_type")
    seen = f"{DEFAULTS} = {value}; {service.place} sends auth_type with all mail, as for clients that have logged in"
    if DEFAULTS in service.overrides:
        setting = f"{service.place}/{DEFAULTS}={kept.replace(' ', ',')}"
        fix = f"{route.postconf} -P {shell_word(setting)}"
    else:
        fix = f"{route.postconf} -e {shell_word(f'{DEFAULTS} = {kept}')}"
    return diagnosis(c.EVERYBODY, service.place, seen, fix)


def _without_braces(world: World, macros: DataSet, row: Row) -> str:
    """Return the command that takes the braces away, unless anybody's mail would then be signed."""
    meant = row._replace(key=bare(row.key))
    services = [(i, service) for i in world.postfix for service in i.services_of("smtpd")]
    if meant == row or not is_ever_sent(meant, world) or any(lets_anybody_in(meant, i, s) for i, s in services):
        return edit_row(world, macros, row, "remove it, or name a macro whose value only your own mail has")
    if macros.kind in FILES:
        return rewrite_row(world, macros, row, f"{meant.key} {row.value}".strip())
    items = [meant if other == row else other for other in macros.rows]
    inline = ",".join(f"{item.key}={item.value}" if item.value else item.key for item in items)
    return rewrite(world, macros.setting.file, macros.setting.line, f"{macros.setting.name} {inline}")
