"""Rewrite what is made from the program:  python -m tests.regenerate

The shell completions, and in README every block between `<!-- begin NAME -->` and `<!-- end NAME -->`.
`test_completions.py` and `test_readme.py` compare what is kept with what this makes.
"""

import sys
from pathlib import Path

from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from dkimctl.cli.main import COMPLETE, PROGRAM, cli

REPOSITORY = Path(__file__).parent.parent

FIRST_CALL = "$zsh_eval_context[-1] == loadautofunc"
EVERY_CALL = "$funcstack[1] == _dkimctl"


class ZshFunction(ZshComplete):
    """Click's script as a file on zsh's fpath; as it comes, only every other press of the tab key is answered."""

    source_template = ZshComplete.source_template.replace(FIRST_CALL, EVERY_CALL)


COMPLETIONS: dict[str, type[ShellComplete]] = {
    "dkimctl.bash": BashComplete,
    "_dkimctl": ZshFunction,
    "dkimctl.fish": FishComplete,
}


def completion(name: str) -> str:
    """The script of one shell."""
    # BashComplete.source() would ask the installed bash for its version first
    return ShellComplete.source(COMPLETIONS[name](cli, {}, PROGRAM, COMPLETE)).strip() + "\n"


def main() -> int:
    """Write every file that differs, and name it."""
    for path, text in made().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(path.relative_to(REPOSITORY))
    return 0


def made() -> dict[Path, str]:
    """Every file with the content it should have."""
    return {REPOSITORY / "completions" / name: completion(name) for name in COMPLETIONS}


if __name__ == "__main__":
    sys.exit(main())
