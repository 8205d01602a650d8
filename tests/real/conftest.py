"""Fixtures with real daemons."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dkimctl.sandbox import Sandbox
from tests.real.relay import Relay, running_relay


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose name leaves room: the path of a unix socket has at most 107 characters."""
    with TemporaryDirectory(prefix="dk") as directory:
        yield Path(directory)


@pytest.fixture
def relay(short_path: Path, free_port: Callable[[], int]) -> Iterator[Relay]:
    """Debian's Postfix in a namespace, delivering to a sink; no signing yet."""
    with running_relay(short_path, free_port()) as running:
        yield running


@pytest.fixture
def ovh(relay: Relay) -> Iterator[Sandbox]:
    """An OVH account with the zone domain.tld; dkimctl on the relay's machine uses it."""
    with Sandbox(zones=["domain.tld"]) as sandbox:
        relay.machine.environment.update(sandbox.environment())
        yield sandbox
