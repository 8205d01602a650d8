"""Existing signing on this host: a setup must leave it as it is, or nothing is installed."""

from collections.abc import Iterator

from dkimctl.adopt.comparison import signing_changes
from dkimctl.config.settings import Settings
from dkimctl.errors import Refused, Unavailable, shell_word
from dkimctl.files import scratch_directory
from dkimctl.host.installation import where
from dkimctl.host.othersigners import OtherSigner, other_signers
from dkimctl.host.process import listener
from dkimctl.host.socketplace import effective_socket
from dkimctl.host.world import World, read_world
from dkimctl.install.way_back import both_lists, refuse_signing_outside_mail
from dkimctl.install.write import write_tree
from dkimctl.milter.client import greet
from dkimctl.postfix.milters import milter_socket, names_opendkim, split_milters
from dkimctl.setup.steps import SetupStep, Site, StepState
from dkimctl.signers.registry import signer_of
from dkimctl.signers.rendered import Rendering

_ADOPT = "take the installation over first: dkimctl adopt --install; then run the same command again"
_SHOWN = 3


def check_beside(site: Site) -> None:
    """Report other signers that Postfix asks, as warnings.

    Raises Refused where this host signs in a way that a setup cannot leave as it is, and where a content filter would
    have mail from outside signed.
    """
    world = read_world(site.settings)
    refuse_signing_outside_mail(world, both_lists(world))
    if signer_of(site.settings).explains:
        _refuse_other_configuration(world)
        _refuse_replaced_milter(world)
    for other in other_signers(world):
        if other.place or other.program != site.settings.signing.signer:
            site.report(_warning(other, site.settings))


def _warning(other: OtherSigner, settings: Settings) -> SetupStep:
    signer = settings.signing.signer
    proof = f"Postfix passes mail to {other.title}: where that signs as well, mail gets two signatures"
    hint = f"see what mail looks like today: dkimctl selftest; to sign only with it, leave {signer} out"
    if other.is_supported:
        hint = f"to sign with {other.program} instead: the same command with --signer {other.program}"
    return SetupStep("signer", StepState.WARNING, proof, hint=hint)


def _refuse_other_configuration(world: World) -> None:
    """Raise Refused when opendkim was started with another configuration than the one that would be written."""
    daemon, wanted = world.opendkim, world.settings.paths.opendkim_conf
    if daemon.conf_path != wanted:
        raise Refused(
            f"opendkim is started with -x {daemon.conf_path}, and a setup would write {wanted}, which it does not read",
            hint=_ADOPT,
        )
    option = next((found for name in ("Domain", "KeyFile", "Selector") if (found := daemon.service.option(name))), None)
    if option is not None:
        raise Refused(
            f"opendkim signs by options on its command line ({where(option)}: {option.name} {option.value}), "
            "with which it does not start when there are tables",
            hint=f"move them into {wanted} (Domain, Selector and KeyFile), start it without them, then: dkimctl adopt",
        )


def _refuse_replaced_milter(world: World) -> None:
    """Raise Refused when a milter that looks like opendkim by name or port is not the opendkim of this host."""
    if not world.is_live:
        return
    own = effective_socket(world.opendkim)
    for instance in world.postfix:
        for milter in split_milters(instance.values["smtpd_milters"]):
            socket = milter_socket(milter, instance.queue)
            if socket is None or not names_opendkim(milter, instance.queue, ()) or socket == own:
                continue
            process = listener(socket)
            if process is not None and process.is_local_opendkim:
                continue
            try:
                greet(socket)
            except Unavailable:
                continue
            raise Refused(
                f"Postfix asks a milter at {milter} that answers and is not the opendkim of this host: "
                "a setup would replace it, and mail that it signs would go unsigned",
                hint="add the domain where that milter runs, or take it out of smtpd_milters first; see who it is: "
                f"ss -lp | grep -F {shell_word(socket.path or f':{socket.port}')}",
            )


def refuse_changed_signing(settings: Settings, rendering: Rendering) -> None:
    """Raise Refused when mail that is signed today would be signed in another way, or not at all, afterwards."""
    if not signer_of(settings).explains:
        return
    now = read_world(settings)
    changes = list(_limited(now, settings, rendering))
    if changes:
        more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        raise Refused(
            f"nothing was installed: it would change how mail is signed today: {'; '.join(changes[:_SHOWN])}{more}",
            hint=_ADOPT,
        )


def _limited(now: World, settings: Settings, rendering: Rendering) -> Iterator[str]:
    from pathlib import Path

    with scratch_directory("setup") as directory:
        write_tree(rendering, directory)
        new = {file.path for file in rendering.files if not file.is_secret}

        def at(path: str) -> Path:
            return directory / path.lstrip("/") if path in new else settings.at(path)

        yield from signing_changes(now, read_world(settings, at), settings)
