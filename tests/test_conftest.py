"""The tests' own promise: what cannot run is skipped loudly, and nothing leaves the machine."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SAMPLE = """
import pytest
import tests.conftest
from tests.conftest import needs

tests.conftest.debian_packages = lambda: {"no-such-program": "its-package"}

@needs("no-such-program")
def test_first(): ...

@pytest.mark.parametrize("case", [1, 2])
@needs("no-such-program", root=True)
def test_more(case): ...

def test_plain():
    pytest.skip("a reason of its own")

def test_runs(): ...
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_skips_are_the_last_lines(tmp_path: Path, workers: str) -> None:
    """After pytest's own counts: how many were skipped and why, each reason once, with the package that is missing."""
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    options = ["-p", "tests.conftest", "-n", workers, "--rootdir", str(tmp_path), "-o", "markers=needs"]
    options += ["--basetemp", str(tmp_path / "own")]  # else it would close the directory that all tests share
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=tmp_path,
        env={**inherited, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-2:] == [
        "skipped 1: a reason of its own",
        "skipped 3: no-such-program is not installed (apt-get install its-package)",
    ]
    assert "1 passed, 4 skipped" in ended.stdout


def test_nothing_leaves_the_machine() -> None:
    """A connection or a datagram to anywhere but loopback is refused inside the tests."""
    with pytest.raises(PermissionError, match="only loopback is allowed"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, pytest.raises(PermissionError):
        sender.sendto(b"hello", ("192.0.2.1", 53))


def test_ports_are_free_and_given_once(free_port: Callable[[], int]) -> None:
    """Each port can be bound by UDP and TCP, and none comes twice."""
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as bound:
            bound.bind(("127.0.0.1", ports[0]))
