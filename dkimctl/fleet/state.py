"""What a relay remembers of its fleet between two runs: which fleet it is in, and how far it has come."""

import json
from typing import NamedTuple

from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, shell_word
from dkimctl.files import read_file, write_file
from dkimctl.lifecycle.machine import STATE_DIRECTORY, make_state_directory

STATE = f"{STATE_DIRECTORY}/fleet.json"
SCHEMA = 1


class RelayState(NamedTuple):
    """How far this relay has come."""

    fleet: str
    """The identity of the fleet; empty before the first sync."""
    relay: str
    """Its name in the fleet."""
    generation: int = 0
    """What its files hold: written, installed, and reloaded by the daemon."""
    proven: int = 0
    """The last generation that was proven by messages."""
    synced: str = ""
    """When a sync last reached the database: RFC 3339, UTC."""


def read_state(settings: Settings) -> RelayState | None:
    """Return what was noted; None on a host that never joined. Raises CheckFailed when it is damaged, DiskError."""
    path = settings.at(STATE)
    content = read_file(path)
    if content is None:
        return None
    try:
        noted = json.loads(content)
        if noted.pop("schema") != SCHEMA:
            raise CheckFailed(f"{path} has another schema; this dkimctl knows {SCHEMA}", hint="upgrade dkimctl")
        state = RelayState(**noted)
        if [type(value) for value in state] != [str, str, int, int, str]:
            raise TypeError("a value of another type")
        return state
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckFailed(
            f"{path} is damaged", hint=f"remove it: rm {shell_word(path)}; then: dkimctl fleet sync --full"
        ) from error


def write_state(settings: Settings, state: RelayState) -> None:
    """Note how far this relay has come. Raises DiskError."""
    make_state_directory(settings)
    content = json.dumps({"schema": SCHEMA, **state._asdict()}).encode() + b"\n"
    write_file(settings.at(STATE), content, mode=0o644)
