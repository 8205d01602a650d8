"""Checks of MTA and MacroList: a service open to everybody may not send what they list."""

from collections.abc import Iterator

from dkimctl.catalogue import tables as c
from dkimctl.doctor.base import Diagnosis, diagnosis, with_severity
from dkimctl.doctor.commands import edit
from dkimctl.doctor.mail_routes import mail_routes
from dkimctl.errors import shell_word
from dkimctl.findings import Severity
from dkimctl.host.daemonnames import NAME, listed_names, signing_macro
from dkimctl.host.installation import where
from dkimctl.host.world import World

_OTHER_NAME = "INBOUND"


def check_signing_macros(world: World) -> Iterator[Diagnosis]:
    """Report each service of Postfix that accepts mail from anybody and has all of it signed."""
    for route in mail_routes(world) if world.opendkim.signs else ():
        for service in route.smtpd_services():
            name = signing_macro(world, route.instance, service)
            setting = world.opendkim.find(name) if name else None
            if setting is None or not (route.signs(service) and route.instance.accepts_unknown_clients(service)):
                continue
            sent = route.instance.effective(service, NAME)
            seen = f"{where(setting)}: {name} {setting.value}; {service.place} sends daemon_name={sent} with all mail"
            why = "and name in InternalHosts the networks whose mail to sign"
            fix = edit(world, setting.file, setting.line, f"list no macro that every service sends, {why}")
            if name == "MTA" and _OTHER_NAME not in listed_names(world):
                fix = f"{route.postconf} -P {shell_word(f'{service.place}/{NAME}={_OTHER_NAME}')}  # {why}"
            yield with_severity(diagnosis(c.EVERYBODY, service.place, seen, fix), Severity.ERROR)
