"""What this host is in its fleet: a relay, or a control host; and what is refused because of that."""

from dkimctl.config.settings import Settings
from dkimctl.errors import Refused
from dkimctl.files import is_there
from dkimctl.fleet.identity import IDENTITY
from dkimctl.fleet.state import STATE
from dkimctl.install.eligible_keys import installed_keys


def is_control(settings: Settings) -> bool:
    """Return True on a fleet's control host: where the operator's identity is, or nothing of a relay's.

    A host may be both: what concerns the fleet is then as on a control host, what concerns its signer as on a relay.
    """
    if not settings.fleet:
        return False
    return is_there(settings.at(settings.fleet.identity)) or not is_member(settings)


def is_relay(settings: Settings) -> bool:
    """Return True on a relay of a fleet: its keys come from the fleet's database."""
    return bool(settings.fleet) and not is_control(settings)


def signs_here(settings: Settings) -> bool:
    """Return False on a control host without a signer: nothing is to be checked, rendered or tested there.

    Raises DiskError when the signer's tables cannot be read.
    """
    return not is_control(settings) or is_member(settings) or bool(installed_keys(settings))


def is_member(settings: Settings) -> bool:
    """Return True on a host that joined a fleet as a relay, also one that has lost its identity since."""
    return bool(settings.fleet) and any(is_there(settings.at(place)) for place in (IDENTITY, STATE))


def refuse_on_relay(settings: Settings) -> None:
    """Raise Refused on a relay of a fleet, where the next sync would undo what is changed."""
    if is_relay(settings):
        raise Refused(
            "this host is a relay of a fleet: its keys come from the fleet's database, and nothing changes them here",
            hint="type the same on the control host; what came of it here: sudo dkimctl fleet sync",
        )


def refuse_without_signer(settings: Settings) -> None:
    """Raise Refused on a control host without a signer, for a command that is about one."""
    if not signs_here(settings):
        raise Refused(
            "this host controls a fleet and signs nothing: its relays do, each by its own copy of the keys",
            hint="type the same on a relay; what the relays do: dkimctl fleet status",
        )
