"""Installations that cannot be taken over as they are, and what to do about each."""

from dkimctl.errors import UsageError
from dkimctl.host.installation import where
from dkimctl.host.othersigners import OtherSigner, other_signers
from dkimctl.host.world import World


def nothing_to_adopt(world: World) -> UsageError:
    """Return the error for a host whose opendkim signs nothing: with the signers that Postfix asks instead."""
    others = other_signers(world)
    nothing = f"nothing to take over: {world.opendkim.conf_path} has opendkim sign nothing"
    if not others:
        return UsageError(nothing, hint="begin with: dkimctl setup DOMAIN")
    named = ", ".join(other.title for other in others)
    return UsageError(f"{nothing}; Postfix passes mail to {named}, which may sign it", hint=_next(others[0]))


def _next(other: OtherSigner) -> str:
    """Return the command with which to continue."""
    if other.is_supported:
        return (
            f'see whether it signs: signer = "{other.program}" in dkimctl.toml, table [signing], then dkimctl why; '
            "rspamd's keys are then taken over by dkimctl adopt"
        )
    where_it_is = other.place or "there"
    return f"see whether it signs: {other.proof}; its keys and settings are {where_it_is}"


def refuse_command_line(world: World) -> None:
    """Raise UsageError for a daemon that signs by options: they stay above every file that could be written."""
    daemon = world.opendkim.service
    found = [option for name in ("Domain", "Selector", "KeyFile") if (option := daemon.option(name))]
    if found:
        lines = "; ".join(f"{option.name} {option.value}" for option in found)
        raise UsageError(
            f"opendkim signs by options on its command line ({where(found[0])}), which no file can change",
            hint=f"write into {world.opendkim.conf_path}: {lines}; start opendkim without these options; then adopt",
        )
