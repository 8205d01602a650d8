"""How a unit runs this dkimctl."""

import sys
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import Refused, shell_word
from dkimctl.programs import changeable_at, find_program

_PACKAGED = "/usr/bin/dkimctl"


def own_program(settings: Settings) -> list[str]:
    """Return the program and arguments that run this dkimctl; below `--root` the place where a package has it.

    Raises Refused when another user than root can change it.
    """
    if not settings.is_live:
        return [_PACKAGED]
    started = Path(sys.argv[0]).absolute()
    found = str(started) if started.name == "dkimctl" and started.is_file() else find_program("dkimctl")
    program = [found] if found else [sys.executable, "-m", "dkimctl"]
    if node := changeable_at(program[0]):
        raise Refused(
            f"{program[0]} is not run as root every day: others can change {node}",
            hint=f"install dkimctl where only root can write; see who may write there: namei -l {shell_word(node)}",
        )
    return program
