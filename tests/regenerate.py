"""Rewrite what is made from the program:  python -m tests.regenerate

The shell completions, and in README every block between `<!-- begin NAME -->` and `<!-- end NAME -->`.
`test_completions.py` and `test_readme.py` compare what is kept with what this makes.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from dkimctl.cli.commands import COMMANDS
from dkimctl.cli.main import COMPLETE, PROGRAM, cli
from dkimctl.manual.commands import EXIT_STATUS
from dkimctl.providers.ovh.rights import token_page

REPOSITORY = Path(__file__).parent.parent

FIRST_CALL = "$zsh_eval_context[-1] == loadautofunc"
EVERY_CALL = "$funcstack[1] == _dkimctl"


class ZshFunction(ZshComplete):
    """Click's script as a file on zsh's fpath; as it comes, only every other press of the tab key is answered.

    What comes before the value of `--option=value` stays on the line (not so with `-U`), and no space follows a colon.
    """

    source_template = (
        ZshComplete.source_template.replace(FIRST_CALL, EVERY_CALL)
        .replace("completions_with_descriptions -U", "completions_with_descriptions $whatever")
        .replace("compadd -U", "compadd $whatever")
        .replace("    local -a response\n", "    local -a unfinished\n    local -a response\n")
        .replace(
            "    for type key descr",
            "    local -a whatever=(-U)\n    compset -P '--[^=]##=' && whatever=()\n\n    for type key descr",
        )
        .replace(
            "            else\n",
            '            elif [[ "$key" == *: ]]; then\n'
            '                unfinished+=("$key":"$descr")\n            else\n',
        )
        .replace(
            '    if [ -n "$completions" ]',
            "    if [ -n \"$unfinished\" ]; then\n        _describe -V unsorted unfinished $whatever -S ''\n    fi\n\n"
            '    if [ -n "$completions" ]',
        )
    )


class BashFunction(BashComplete):
    """Click's script; what follows a colon, which bash takes for a word of its own, is a file name.

    So it does with the `=` of `--option=value`, which is given to the program as two words.
    """

    source_template = BashComplete.source_template.replace(
        "    response=",
        "    if [[ ${COMP_WORDS[COMP_CWORD]} == : || ${COMP_WORDS[COMP_CWORD-1]} == : ]]; then\n"
        "        compopt -o default\n        return 0\n    fi\n\n"
        '    local -a words=("${COMP_WORDS[@]}")\n    local word=$COMP_CWORD\n'
        '    if [[ ${words[word-1]} == = ]]; then\n        unset "words[word-1]"\n        ((word--))\n    fi\n\n'
        "    response=",
    )
    source_template = source_template.replace(
        'COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD', 'COMP_WORDS="${words[*]}" COMP_CWORD=$word'
    ).replace(
        "            COMPREPLY+=($value)\n",
        "            COMPREPLY+=($value)\n            [[ $value != *: ]] || compopt -o nospace\n",
    )


class FishFunction(FishComplete):
    """Click's script; as it comes, a description ends at its first comma, and `--option=value` has no completion."""

    source_template = (
        FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')
        .replace(
            "    for completion",
            "    set -l option (string match --regex -- '^--[^=]+=' (commandline -ct));\n\n    for completion",
        )
        .replace("(commandline -t)", "(commandline -ct)")
        .replace(
            "__fish_complete_directories $metadata[2];",
            'printf "%%s\\n" "$option"(__fish_complete_directories $metadata[2]);',
        )
        .replace("__fish_complete_path $metadata[2];", 'printf "%%s\\n" "$option"(__fish_complete_path $metadata[2]);')
        .replace("echo $metadata[2];", 'echo "$option"$metadata[2];')
    )


COMPLETIONS: dict[str, type[ShellComplete]] = {
    "dkimctl.bash": BashFunction,
    "_dkimctl": ZshFunction,
    "dkimctl.fish": FishFunction,
}


def completion(name: str) -> str:
    """The script of one shell."""
    # BashComplete.source() would ask the installed bash for its version first
    return ShellComplete.source(COMPLETIONS[name](cli, {}, PROGRAM, COMPLETE)).strip() + "\n"


def every_command() -> Iterator[str]:
    """What may be typed after `dkimctl`: the commands, and in the place of a group those below it."""
    top = click.Context(cli, info_name=PROGRAM, **cli.context_settings)
    for name in COMMANDS:
        found = cli.get_command(top, name)
        below = found.list_commands(top) if isinstance(found, click.Group) else []
        yield from (f"{name} {word}" for word in below) if below else (name,)


def table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A table as Markdown has them."""
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


BLOCKS: dict[str, Callable[[], str]] = {
    "exit-codes": lambda: table(("exit code", "means"), EXIT_STATUS.items()),
    "token-page": lambda: f"<{token_page('example.com')}>",
}
"""What README has between `<!-- begin NAME -->` and `<!-- end NAME -->`."""


def readme(text: str) -> str:
    """README with every such block made again."""

    def block(match: re.Match[str]) -> str:
        return f"{match[1]}\n\n{BLOCKS[match[2]]()}\n\n{match[3]}"

    return re.sub(r"(<!-- begin ([a-z-]+) -->).*?(<!-- end \2 -->)", block, text, flags=re.DOTALL)


def made() -> dict[Path, str]:
    """Every file with the content it should have."""
    completions = {REPOSITORY / "completions" / name: completion(name) for name in COMPLETIONS}
    return {**completions, REPOSITORY / "README.md": readme((REPOSITORY / "README.md").read_text())}


def main() -> int:
    """Write every file that differs, and name it."""
    for path, text in made().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(path.relative_to(REPOSITORY))
    return 0


if __name__ == "__main__":
    sys.exit(main())
