"""The scenes of the demo for people, at most 80 columns wide."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that was shown and held."""

    title: str
    command: str
    """What a person types for it on a real relay; empty when there is no such command."""
    proof: tuple[str, ...]
    """What was seen, a line each."""


def opening_text(domain: str, directory: Path, *, keep: bool) -> str:
    """What is going to happen, and where."""
    end = "it stays there" if keep else "removed at the end"
    return (
        f"From nothing to a signed mail of {domain}, on this machine alone: an\n"
        f"OVH-compatible API, two name servers, and a relay below a scratch directory.\n"
        f"{directory} ({end})\n"
    )


def scene_text(number: int, scene: Scene) -> str:
    """The scene as a numbered block."""
    lines = ["", f"{number:>2}. {scene.title}"]
    if scene.command:
        lines.append(f"    $ {scene.command}")
    for line in scene.proof:
        lines += textwrap.wrap(
            line, _WIDTH, initial_indent="    ok  ", subsequent_indent=" " * 8, break_on_hyphens=False
        )
    return "\n".join(lines) + "\n"


def end_text(count: int) -> str:
    """The last words, when everything held."""
    return (
        f"\nAll {count} steps are proven. On a real relay one command does them all:\n"
        "    sudo dkimctl setup example.com --provider ovh\n"
    )
