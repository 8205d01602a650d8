"""Months in seconds: dkimctl alone sees a clock that libfaketime moved; no variable of dkimctl's does that."""

import json
from pathlib import Path
from typing import Any

from tests.real.machine import Machine

DAY = 24
"""In hours, the unit of every moment here: hours after the test began."""


def libfaketime() -> str:
    """The library, which is loaded before all others."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return str(library)


def at(machine: Machine, hours: float, *arguments: str, code: int | None = 0, before: tuple[str, ...] = ()) -> Any:
    """Run dkimctl so many hours from now; its JSON. `code`: how it must end; None when that does not matter.

    `before`: words before the command, such as those of a sandbox.
    """
    faked = {
        "LD_PRELOAD": libfaketime(),
        "FAKETIME": f"{hours * 3600:+.0f}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    machine.run("mkdir", "-p", "-m", "1777", "/dev/shm")  # libfaketime shares its start between processes
    ended = machine.dkimctl(*arguments, "--json", check=False, env=faked if hours else {}, before=before)
    assert code in (None, ended.returncode), f"{ended.returncode}\n{ended.stdout}{ended.stderr}{machine.log}"
    return json.loads(ended.stdout)


def steps(document: Any) -> list[str]:
    """The steps of a run: `make`, `publish`, …"""
    return [step["action"] for step in document["rotation"]["steps"]]
