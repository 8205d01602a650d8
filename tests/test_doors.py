"""What is loaded when: help, version and completion stay fast because the slow libraries stay outside."""

import subprocess
import sys

import pytest

from dkimctl.cli.commands import COMMANDS
from tests.conftest import REPOSITORY, Scratch

SLOW = {"ovh", "requests", "dns", "rich", "cryptography", "dkim", "asyncio", "importlib.metadata"}

WATCH = """
import sys
from dkimctl.entry import main
try:
    main()
except SystemExit:
    pass
finally:
    sys.stderr.write("\\n" + " ".join(sys.modules))
"""


def loaded(scratch: Scratch, *arguments: str, **environment: str) -> set[str]:
    """The modules in memory after a command has ended."""
    ended = subprocess.run(
        [sys.executable, "-c", WATCH, *arguments],
        env=scratch.environment(environment),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return set(ended.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("nonsense",)])
def test_help_loads_nothing_slow(scratch: Scratch, arguments: tuple[str, ...]) -> None:
    """The overview and a mistyped command load no slow library and no command."""
    modules = loaded(scratch, *arguments)
    assert modules & SLOW == set()
    assert {f"dkimctl.cli.{name.replace('-', '_')}" for name in COMMANDS} & modules == set()


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_does_not_even_load_click(scratch: Scratch, option: str) -> None:
    """The version is a constant, answered before anything else."""
    modules = loaded(scratch, option)
    ours = {name for name in modules if name.startswith("dkimctl")}
    assert ours == {"dkimctl", "dkimctl.entry", "dkimctl.version"}
    assert modules & {*SLOW, "click", "dataclasses", "re"} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_loads_nothing_slow(scratch: Scratch, name: str) -> None:
    """`COMMAND --help` loads that command alone."""
    modules = loaded(scratch, name, "--help")
    assert modules & SLOW == set()
    others = {f"dkimctl.cli.{other.replace('-', '_')}" for other in COMMANDS if other != name}
    assert modules & others == set()


@pytest.mark.parametrize("words", ["dkimctl ge", "dkimctl record --f", "dkimctl record ex"])
def test_completion_loads_nothing_slow(scratch: Scratch, words: str) -> None:
    """A press of the tab key loads no slow library, not even when it looks up the managed domains."""
    modules = loaded(
        scratch, _DKIMCTL_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1)
    )
    assert modules & SLOW == set()


def test_render_config_stays_off_the_network(scratch: Scratch) -> None:
    """Rendering, not only its help, needs neither the API's library nor DNS."""
    modules = loaded(scratch, "render-config", "--check")
    assert modules & {"ovh", "requests", "dns", "rich"} == set()
    assert "dkimctl.cli.render_config" in modules


@pytest.mark.parametrize(
    "words",
    [("status",), ("doctor", "--no-dns"), ("verify-dns", "a.example", "-s", "mail", "--nameserver", "127.0.0.1:9")],
)
def test_pipes_load_no_layout(scratch: Scratch, words: tuple[str, ...]) -> None:
    """What a program reads, and messages beside it, are written without the library that lays out terminals."""
    assert "rich" not in loaded(scratch, *words)
