"""What must be right before a relay fetches anything: this is its fleet, and no other host has its place there."""

import os

from dkimctl.config.settings import Settings
from dkimctl.errors import Refused, Unavailable, UsageError, shell_word
from dkimctl.fleet import relay_rows as rows
from dkimctl.fleet.identity import IDENTITY, Identity, read_identity
from dkimctl.fleet.state import RelayState, read_state


def own_identity(settings: Settings) -> Identity:
    """Return the identity of this relay. Raises UsageError on a host that never joined, and as `read_identity`."""
    found = read_identity(settings.at(IDENTITY))
    if found is None:
        raise UsageError("this host has not joined a fleet", hint="join it: dkimctl fleet join NAME")
    return found


def this_host() -> str:
    """Return this host in words: its name, and the start of its machine id where it has one."""
    from dkimctl.files import read_file

    machine = (read_file("/etc/machine-id") or b"").decode("ascii", "replace").strip()
    return f"{os.uname().nodename} {machine[:8]}".strip()


def admitted(row: rows.RelayRow | None, identity: Identity) -> rows.RelayRow:
    """Return the row of this relay. Raises Refused or Unavailable unless it was approved with this identity."""
    if row is None:
        raise Refused("the database knows no relay of this role", hint="join it: dkimctl fleet join NAME")
    if row.recipient != identity.recipient:
        raise Refused(
            f"the relay {row.name} joined with another identity than this host has now ({identity.fingerprint})",
            hint=f"restore {IDENTITY} from a backup; or remove it: dkimctl fleet remove {shell_word(row.name)}",
        )
    if row.state == "pending":
        raise Unavailable(
            f"the relay {row.name} waits for its approval: {identity.fingerprint}",
            hint=f"on the control host: dkimctl fleet approve {shell_word(row.name)}",
        )
    if row.state == "removed":
        raise Refused(
            f"the relay {row.name} was removed from the fleet: it keeps signing with the keys that it has",
            hint=f"remove {IDENTITY} and join again, or take dkimctl out of this host: dkimctl uninstall",
        )
    return row


def believed(settings: Settings, fleet: rows.FleetRow, relay: rows.RelayRow, *, accept_older: bool) -> RelayState:
    """Return what this relay has, where the database goes on from there. Raises Refused for another or older one."""
    state = read_state(settings) or RelayState(fleet.id, relay.name)
    if state.fleet != fleet.id:
        raise Refused(
            f"this is the database of another fleet ({fleet.id}); this relay is in {state.fleet}",
            hint="name the right one in [fleet] database; to change fleets, take dkimctl out first: dkimctl uninstall",
        )
    if fleet.generation >= state.generation:
        return state
    if accept_older:
        return state._replace(generation=0, proven=0)
    raise Refused(
        f"the database went back to generation {fleet.generation}, and this relay has {state.generation}: it may have "
        "been restored from an older backup, which does not know the newest keys; this relay keeps signing with them",
        hint="restore a newer backup; or import the keys of one relay: dkimctl fleet import DIR; then on each relay: "
        "dkimctl fleet sync --accept-older",
    )


def refuse_second_host(relay: rows.RelayRow, host: str) -> None:
    """Raise Refused where another host was this relay a moment ago."""
    if relay.host not in ("", host) and relay.silent is not None and relay.silent < rows.ALIVE:
        raise Refused(
            f"two hosts have the identity of the relay {relay.name}: {relay.host} and {host}",
            hint=f"on the copy remove {IDENTITY} and join under another name; after a move to another host wait ten "
            "minutes",
        )
