"""What a longer procedure tells about each of its steps: how it ended, and the proof."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.keys.store import KeyStore
from dkimctl.publish.stop import Stop


class StepState(StrEnum):
    """How a step ended."""

    DONE = "done"
    ALREADY = "already"
    TODO = "to do"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One step of a procedure."""

    name: str
    """One or two words: `key`, `record`, `in DNS`."""
    state: StepState
    proof: str
    """What was seen, in one line: for a failed step what is wrong, for one to do what is missing."""
    subject: str = ""
    """The domain it is about; empty when it is about the whole machine."""
    details: tuple[str, ...] = ()
    """More of the proof, a line each, shown as they are."""
    hint: str = ""
    """What to type next, when there is something to type."""
    exit_code: int = 0


def failed(name: str, error: DkimctlError, subject: str = "") -> SetupStep:
    """The step that ended with this error."""
    return SetupStep(name, StepState.FAILED, error.message, subject, hint=error.hint, exit_code=error.exit_code)


@dataclass(frozen=True, slots=True)
class Site:
    """Where a procedure works, and who hears of it."""

    settings: Settings
    store: KeyStore
    clock: Clock
    tell: Callable[[SetupStep], None]
    """Gets each step as it ends."""
    progress: Callable[[str], None]
    """Gets what happens inside a step, in a line."""
    stop: Stop = field(default_factory=Stop)
    """Requested by Ctrl-C: then no further step begins."""
