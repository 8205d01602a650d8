"""The scenes of the demo for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dkimctl.output.layout import GAP, Block, Line, Tone, heading, labelled, lines


@dataclass(frozen=True, slots=True)
class Scene:
    """A fact that the demo showed and verified."""

    title: str
    command: str
    """What to type for it on a real relay; empty when there is no such command."""
    proof: tuple[str, ...]
    """What was seen, a line each."""


def opening_blocks(domain: str, directory: Path, *, keep: bool) -> list[Line]:
    """Return what is going to happen, and where."""
    end = "it stays there" if keep else "removed at the end"
    return lines(
        f"From nothing to a signed mail of {domain}, on this machine only: an\n"
        f"OVH-compatible API, two name servers, and a relay below a scratch directory.\n"
        f"{directory} ({end})\n"
    )


def scene_blocks(number: int, scene: Scene) -> Iterator[Block]:
    """Return the scene as a numbered block."""
    yield GAP
    yield heading(f"{number:>2}. {scene.title}")
    if scene.command:
        yield Line(f"    $ {scene.command}", Tone.HINT)
    for line in scene.proof:
        yield labelled("ok", line, 8, margin=4, tone=Tone.OK, breaks_words=True)


def end_blocks(count: int) -> list[Block]:
    """Return the end, when every proof held."""
    return [
        GAP,
        heading(f"All {count} steps are proven. On a real relay one command does them all:", Tone.OK),
        Line("    sudo dkimctl setup example.com --provider ovh", Tone.HINT),
    ]
