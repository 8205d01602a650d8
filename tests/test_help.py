"""`--help`: complete, with an example, and readable in a terminal of 80 columns."""

import importlib

import click
import pytest

from dkimctl.cli.commands import COMMANDS
from dkimctl.cli.layout import Command, CommandGroup
from tests.conftest import DkimctlInside

COMMON = ("--json", "--schema", "-q, --quiet", "-v, --verbose", "--config FILE", "--root DIR", "-h, --help")


def command_named(name: str) -> Command | CommandGroup:
    """The command itself, or the group of the commands below a word."""
    found = importlib.import_module(f"dkimctl.cli.{name.replace('-', '_')}").command
    assert isinstance(found, Command | CommandGroup)
    return found


def every_command() -> dict[str, Command]:
    """What is typed after `dkimctl`, and the command that it runs."""
    commands: dict[str, Command] = {}
    for name in COMMANDS:
        found = command_named(name)
        below = found.commands.items() if isinstance(found, CommandGroup) else ()
        for word, command in [(name, found), *((f"{name} {below_name}", inner) for below_name, inner in below)]:
            if isinstance(command, Command):
                commands[word] = command
    return commands


EVERY_COMMAND = every_command()
GROUPS = [name for name in COMMANDS if isinstance(command_named(name), CommandGroup)]


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_overview_lists_every_command(dkimctl_inside: DkimctlInside, option: str) -> None:
    """Every command with its short help, in the order of use, within 80 columns."""
    ran = dkimctl_inside(option)
    assert (ran.code, ran.err) == (0, "")
    listed = [line.split(maxsplit=1) for line in ran.out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()]
    assert listed == [list(pair) for pair in COMMANDS.items()]
    assert max(map(len, ran.out.splitlines())) <= 80


def test_without_a_word_the_overview_is_shown(dkimctl_inside: DkimctlInside) -> None:
    """`dkimctl` alone asked for nothing: the overview goes to stderr, exit code 2."""
    ran = dkimctl_inside()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == dkimctl_inside("--help").out


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_help_of_each_command(dkimctl_inside: DkimctlInside, name: str) -> None:
    """It says what the command does, every option in words, the common ones, and ends with an example to copy."""
    ran = dkimctl_inside(*name.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert dkimctl_inside(*name.split(), "-h").out == ran.out
    assert ran.out.startswith(f"Usage: dkimctl {name} ")
    for option in COMMON:
        assert f"\n  {option}" in ran.out.partition("Common options:")[2], option
    example = ran.out.partition("\nExample:\n")[2].splitlines()
    assert any(f"dkimctl {name}" in line for line in example)
    assert max(map(len, ran.out.splitlines())) <= 80


@pytest.mark.parametrize("name", GROUPS)
def test_help_of_each_group(dkimctl_inside: DkimctlInside, name: str) -> None:
    """It lists its commands, each with a whole sentence, and ends with an example; alone it asks for one of them."""
    ran = dkimctl_inside(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    listed = ran.out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [f"{name} {line.split()[0]}" for line in listed] == [word for word in EVERY_COMMAND if word.startswith(name)]
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)
    assert f"dkimctl {name}" in ran.out.partition("\nExample:\n")[2]
    assert max(map(len, ran.out.splitlines())) <= 80
    alone = dkimctl_inside(name)
    assert (alone.code, alone.out, alone.err) == (2, "", ran.out)


@pytest.mark.parametrize("name", GROUPS)
def test_an_unknown_command_of_a_group(dkimctl_inside: DkimctlInside, name: str) -> None:
    """What was typed, and what there is."""
    ran = dkimctl_inside(name, "nonsense")
    assert (ran.code, ran.out) == (2, "")
    assert f"no such command: {name} nonsense" in ran.err
    assert all(f"dkimctl {word}" in ran.err for word in EVERY_COMMAND if word.startswith(f"{name} "))


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_every_option_is_explained(name: str) -> None:
    """No option without help, in whole sentences."""
    options = [parameter for parameter in EVERY_COMMAND[name].params if isinstance(parameter, click.Option)]
    for option in options:
        words = option.help or ""
        assert len(words) > 10, option.name
        assert words.endswith("."), (option.name, words)


@pytest.mark.parametrize("name", COMMANDS)
def test_short_help_says_the_same(name: str) -> None:
    """The table that `dkimctl --help` is made from begins with the verb of the command's own first sentence."""
    command = command_named(name)
    assert command.name == name
    own, short = (command.help or "").split(), COMMANDS[name].split()
    assert own[0] == short[0], f"{own[0]} … and {short[0]} …"
    assert len(COMMANDS[name]) <= 60
    assert COMMANDS[name].endswith(".")


@pytest.mark.parametrize("name", [*EVERY_COMMAND, *GROUPS])
def test_examples_use_only_what_exists(name: str) -> None:
    """Every `dkimctl COMMAND …` line of an example parses: commands, options and their values."""
    example = EVERY_COMMAND[name].example if name in EVERY_COMMAND else command_named(name).example
    for line in example.splitlines():
        words = _words(line)
        if words is None:
            continue
        word = next((word for word in (" ".join(words[:2]), words[0]) if word in EVERY_COMMAND), "")
        assert word, line
        with EVERY_COMMAND[word].make_context(word, words[len(word.split()) :], resilient_parsing=False):
            pass


def _words(line: str) -> list[str] | None:
    """What follows `dkimctl` on a line, as a shell would split it up to a pipe or a redirection."""
    import shlex

    lexer = shlex.shlex(line, posix=True, punctuation_chars="|>&;<")
    lexer.whitespace_split = True
    words = list(lexer)
    if "dkimctl" not in words:
        return None
    after = words[words.index("dkimctl") + 1 :]
    end = next((i for i, word in enumerate(after) if set(word) <= set("|>&;<")), len(after))
    return after[:end]
