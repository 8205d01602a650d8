"""Content filters: an installation that would have other people's mail signed on its return is refused."""

from collections.abc import Mapping
from dataclasses import replace

from dkimctl.config.settings import Settings
from dkimctl.doctor.filters import outside_mail_signed
from dkimctl.doctor.mail_routes import MailRoute
from dkimctl.errors import Refused, shell_word
from dkimctl.host.postfix import Service
from dkimctl.host.world import World, read_world
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.postfix.milters import postfix_spelling
from dkimctl.postfix.postconf import read_settings
from dkimctl.signers.registry import signer_of

_LISTS = ("smtpd_milters", "non_smtpd_milters")


def refuse_signing_outside_mail(world: World, wanted: Mapping[str, str]) -> None:
    """Raise Refused when mail from outside would be signed with these settings of main.cf, and is not today.

    It returns from a content filter as if it came from this machine (DKIM828).
    """
    socket = parse_socket(world.settings.signing.socket)
    for instance in world.postfix[:1]:  # the one whose main.cf is written
        values = {**instance.values, **wanted}
        values = {**values, _LISTS[1]: values[_LISTS[1]].replace(f"${_LISTS[0]}", values[_LISTS[0]])}
        coming = MailRoute(world, replace(instance, values=values), socket)
        now = MailRoute(world, instance, signer_of(world.settings).listens_at(world.settings) or socket)
        for service in coming.smtpd_services():
            if coming.signs_outside_mail(service) and not now.signs_outside_mail(service):
                raise _refusal(coming, service)


def refuse_in_rendering(wanted: Mapping[str, str], settings: Settings) -> None:
    """Raise Refused as above for the settings of a rendering; nothing where it leaves Postfix as it is."""
    if wanted and read_settings(settings.at(settings.paths.postfix_directory), tuple(wanted)) != dict(wanted):
        refuse_signing_outside_mail(read_world(settings), wanted)


def both_lists(world: World) -> dict[str, str]:
    """Return the settings with which Postfix asks the signer to be set up, and nobody else."""
    socket = parse_socket(world.settings.signing.socket)
    return {name: postfix_spelling(socket, world.postfix[0].queue) for name in _LISTS} if world.postfix else {}


def _refusal(route: MailRoute, service: Service) -> Refused:
    seen = outside_mail_signed(route, service).finding.seen
    if route.is_piped(service):
        setting, then = "pickup/unix/receive_override_options=no_milters", "mail from sendmail(1) then goes unsigned: "
    else:
        back = filter(route.signs, route.return_services(service))
        setting = " ".join(shell_word(route.without_daemon(returning)) for returning in back)
        then = "have mail signed where it comes in, and not where it returns: "
    return Refused(
        f"nothing was installed: mail from outside with one of your domains in From would be signed: {seen}",
        hint=f"{then}{route.postconf} -P {setting}; then run the same command again (more: dkimctl inspect DKIM828)",
    )
