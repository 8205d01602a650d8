"""Completion in bash, zsh and fish: the scripts that are kept are the ones the program makes, and they work."""

import os
import pty
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from dkimctl.catalogue import CATALOGUE
from dkimctl.cli.commands import COMMANDS
from dkimctl.cli.completing import complete_providers
from dkimctl.cli.main import cli
from tests import regenerate
from tests.conftest import REPOSITORY, Dkimctl, Scratch, needs
from tests.test_help import EVERY_COMMAND

SCRIPTS = REPOSITORY / "completions"


@pytest.fixture
def shell_environment(scratch: Scratch) -> dict[str, str]:
    """An environment in which `dkimctl` is on PATH, and one domain has a key."""
    programs = scratch.home / "bin"
    programs.mkdir()
    program = programs / "dkimctl"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dkimctl "$@"\n')
    program.chmod(0o755)
    made = Dkimctl(scratch)("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519")
    assert made.code == 0, made.err
    return scratch.environment({"PATH": f"{programs}:{os.environ['PATH']}", "TERM": "dumb"})


@pytest.mark.parametrize("name", regenerate.COMPLETIONS)
def test_kept_scripts_are_up_to_date(name: str) -> None:
    """What is kept is what the program makes; `python -m tests.regenerate` rewrites it."""
    assert (SCRIPTS / name).read_text() == regenerate.completion(name)


def test_commands_are_offered_with_their_help(dkimctl: Dkimctl) -> None:
    """Completion of the first word offers every command, from the table."""
    ran = dkimctl(env={"_DKIMCTL_COMPLETE": "zsh_complete", "COMP_WORDS": "dkimctl ", "COMP_CWORD": "1"})
    lines = ran.out.splitlines()
    assert [(kind, word) for kind, word in zip(lines[::3], lines[1::3], strict=True)] == [
        ("plain", name) for name in COMMANDS
    ]
    assert lines[2::3] == list(COMMANDS.values())


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("inspect m", "file"),
        ("genkey --from-file m", "file"),
        ("verify-dns --key m", "file"),
        ("verify-dns --from-message m", "file"),
        ("record --config m", "file"),
        ("ovh login --credentials m", "file"),
        ("sandbox --log m", "file"),
        ("record --root m", "dir"),
        ("render-config --output m", "dir"),
        ("genkey -D m", "dir"),
    ],
)
def test_files_are_offered_where_one_is_wanted(dkimctl: Dkimctl, words: str, kind: str) -> None:
    """The shell is told to complete a file or a directory by itself."""
    count = str(len(words.split()))
    ran = dkimctl(env={"_DKIMCTL_COMPLETE": "bash_complete", "COMP_WORDS": f"dkimctl {words}", "COMP_CWORD": count})
    assert ran.out == f"{kind},m\n"


def test_the_root_on_the_line_counts(dkimctl: Dkimctl, tmp_path: Path) -> None:
    """Domains and selectors are those of the tree that --root names."""
    staged = tmp_path / "staged"
    staged.mkdir()
    assert dkimctl("genkey", "staged.example", "-s", "mail", "--algorithm", "ed25519", "--root", staged).code == 0
    words = f"dkimctl status --root {staged} st"
    ran = dkimctl(env={"_DKIMCTL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "4"})
    assert ran.out == "plain,staged.example\n"


@pytest.mark.parametrize("env", [{"COMP_WORDS": "dkimctl ", "COMP_CWORD": "x"}, {}, {"COMP_WORDS": "'"}])
def test_nothing_is_said_where_completion_fails(dkimctl: Dkimctl, env: dict[str, str]) -> None:
    """No error appears in the line that is being typed."""
    ran = dkimctl(env={"_DKIMCTL_COMPLETE": "bash_complete", **env})
    assert (ran.out, ran.err) == ("", "")
    assert ran.code != 0


@needs("fish")
def test_fish(shell_environment: dict[str, str]) -> None:
    """fish completes a command, an option, a choice and what is managed here; descriptions are whole."""

    def described(line: str) -> dict[str, str]:
        script = f"source {SCRIPTS}/dkimctl.fish; complete --do-complete {shlex.quote(line)}"
        ended = subprocess.run(
            ["fish", "--no-config", "-c", script], env=shell_environment, capture_output=True, text=True, timeout=60
        )
        return dict(offered.partition("\t")[::2] for offered in ended.stdout.splitlines())

    def complete(line: str) -> list[str]:
        return list(described(line))

    assert described("dkimctl publish --provider rf") == {"rfc2136:": complete_providers_help("rfc2136:")}
    assert described("dkimctl inspect DKIM10")["DKIM101"] == CATALOGUE["DKIM101"].title

    assert complete("dkimctl gen") == ["genkey"]
    assert complete("dkimctl record --for") == ["--format"]
    assert complete("dkimctl record --format o") == ["oneline", "ovh"]
    assert complete("dkimctl record exam") == ["example.com"]
    assert complete("dkimctl record example.com -s m") == ["mail"]
    assert complete("dkimctl record --format=onel") == ["--format=oneline"]
    assert described("dkimctl fleet dr") == {"drain": EVERY_COMMAND["fleet drain"].get_short_help_str(limit=200)}


def test_bash(shell_environment: dict[str, str]) -> None:
    """bash completes a command, an option, a choice, and what is managed here."""

    def complete(line: str) -> list[str]:
        words = line.split(" ")
        script = (
            f"source {SCRIPTS}/dkimctl.bash; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
            'complete -p dkimctl >/dev/null && _dkimctl_completion dkimctl; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        ended = subprocess.run(
            ["bash", "--norc", "-c", script], env=shell_environment, capture_output=True, text=True, timeout=60
        )
        return ended.stdout.split()

    assert complete("dkimctl gen") == ["genkey"]
    assert complete("dkimctl record --for") == ["--format"]
    assert complete("dkimctl record --format o") == ["oneline", "ovh"]
    assert complete("dkimctl record exam") == ["example.com"]
    assert complete("dkimctl record example.com -s m") == ["mail"]
    assert complete("dkimctl record --format = onel") == ["oneline"]  # as bash splits it


@needs("zsh")
def test_zsh(shell_environment: dict[str, str]) -> None:
    """zsh finds the script on its fpath; the tab key completes a command and a managed domain on the line."""
    with Typist(["zsh", "-f", "-i"], shell_environment) as zsh:
        zsh.type(f"fpath=({SCRIPTS} $fpath); autoload -Uz compinit; compinit -u -D; PS1='re''ady: '\n", until="ready:")
        zsh.type("dkimctl rec\t", until="record ")
        zsh.type("exam\t", until="example.com")
        zsh.type("-s ma\t", until="mail ")
        zsh.type("--for\t", until="--format ")
        zsh.type("onel\t", until="oneline ")
        zsh.type("\x15dkimctl record --format=onel\t\x01echo \n", until="\ndkimctl record --format=oneline")
    with Typist(["zsh", "-f", "-i"], shell_environment) as zsh:
        zsh.type(f"fpath=({SCRIPTS} $fpath); autoload -Uz compinit; compinit -u -D; PS1='re''ady: '\n", until="ready:")
        zsh.type("dkimctl publish --provider rfc\t", until="rfc2136:")
        zsh.type("\x15dkimctl inspect DKIM10\t\t", until=CATALOGUE["DKIM101"].title)


def test_bash_on_a_terminal(shell_environment: dict[str, str], tmp_path: Path) -> None:
    """The tab key completes a provider without a space after its colon, then a path, and the code of a finding."""
    (tmp_path / "db.example.com").touch()
    with Typist(["bash", "--norc", "-i"], shell_environment) as bash:
        bash.type(f"PS1='re''ady: '; source {SCRIPTS}/dkimctl.bash\n", until="ready:")
        bash.type("dkimctl publish --provider zo\t", until="zonefile:")
        bash.type(f"{tmp_path}/db\t", until="db.example.com")
        bash.type("\x15dkimctl inspect DKIM10\t\t", until="DKIM101")


@pytest.mark.parametrize("name", list(regenerate.every_command()))
def test_every_domain_selector_and_provider_is_completed(name: str) -> None:
    """Wherever a command takes one that may be there, the shell is offered those that are there."""
    command: click.Command = cli
    for word in name.split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    own = {"domains", "domain", "selector", "provider"}
    new = {
        "genkey": {"domains", "selector"},
        "setup": {"selector"},
        "ovh login": {"domains"},
        "ovh whoami": {"domains"},
    }
    for parameter in command.params:
        if parameter.name in own - new.get(name, set()):
            assert parameter._custom_shell_complete is not None, parameter.name


def complete_providers_help(form: str) -> str:
    """What is said of a provider."""
    [item] = complete_providers(click.Context(cli), cli.params[0], form)
    assert item.help and "," in item.help
    return item.help


class Typist:
    """A program in a terminal, and someone who types and reads along."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self._argv = argv
        self._environment = environment

    def __enter__(self) -> "Typist":
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.execvpe(self._argv[0], self._argv, self._environment)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._terminal)
        os.waitpid(self._process, 0)

    def type(self, keys: str, *, until: str) -> None:
        """Press the keys, then read until this is shown; fails after a minute."""
        os.write(self._terminal, keys.encode())
        shown, deadline = "", time.monotonic() + 60
        while until not in shown:
            if not select.select([self._terminal], [], [], deadline - time.monotonic())[0]:
                pytest.fail(f"{until!r} was never shown, only {shown!r}")
            shown += os.read(self._terminal, 4096).decode(errors="replace")


def test_scripts_are_where_the_package_looks() -> None:
    """Every kept script is one of the three, so that none goes stale unseen."""
    kept = {path.name for path in SCRIPTS.iterdir() if path.is_file() and path.suffix != ".py"}
    assert kept == set(regenerate.COMPLETIONS)
