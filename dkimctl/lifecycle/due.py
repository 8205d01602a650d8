"""An action that is due: apart from what it does, which an idle run need not load."""

from collections.abc import Callable
from typing import NamedTuple

from dkimctl.keys.store import Key
from dkimctl.lifecycle.gather import Gathered
from dkimctl.lifecycle.plan import Action
from dkimctl.lifecycle.policy import Policy
from dkimctl.lifecycle.steps import RotationStep

Report = Callable[[RotationStep], None]


class Due(NamedTuple):
    """One action that is due, with what it was decided from."""

    gathered: Gathered
    policy: Policy
    action: Action

    @property
    def domain(self) -> str:
        """The domain that it is for."""
        return self.gathered.facts.domain

    @property
    def key(self) -> Key:
        """The key that it is for; not of an action that makes one."""
        return self.gathered.keys[self.action.key]
