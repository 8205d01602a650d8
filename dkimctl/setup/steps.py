"""One step of `setup` as it is reported, and the context in which the steps run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.keys.store import KeyStore
from dkimctl.lifecycle.relays import Relays
from dkimctl.publish.stop import Stop


class StepState(StrEnum):
    """The result of one step."""

    DONE = "done"
    ALREADY = "already"
    TODO = "to do"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One finished step of `setup`, with its proof."""

    name: str
    """One or two words: `key`, `record`, `in DNS`."""
    state: StepState
    proof: str
    """The evidence in one line: for a failed step the error, for one to do what is missing."""
    subject: str = ""
    """The domain it is about; empty when it is about the whole machine."""
    details: tuple[str, ...] = ()
    """More of the proof, a line each, shown as they are."""
    hint: str = ""
    """The next command to type, or empty."""
    exit_code: int = 0


def failed(name: str, error: DkimctlError, subject: str = "") -> SetupStep:
    """Return the failed step for an error."""
    return SetupStep(name, StepState.FAILED, error.message, subject, hint=error.hint, exit_code=error.exit_code)


@dataclass(frozen=True, slots=True)
class Site:
    """The context of one setup: configuration, key store, clock, and the callbacks that report it."""

    settings: Settings
    store: KeyStore
    clock: Clock
    report: Callable[[SetupStep], None]
    """Called with each step as it ends."""
    progress: Callable[[str], None]
    """Called with one line for each event inside a step."""
    stop: Stop = field(default_factory=Stop)
    """Requested by Ctrl-C: then no further step begins."""
    relays: Relays | None = None
    """Those of a fleet, which sign instead of this host."""
