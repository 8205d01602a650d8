"""README says what is true: its tables and help are made from the program, its commands are run, its files compared."""

import os
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.config.load import load_settings
from dkimctl.config.settings import DomainSettings, Settings
from dkimctl.errors import ConfigError
from dkimctl.providers.ovh.credentials import OPTIONS as OVH_OPTIONS
from dkimctl.providers.registry import BUILT_IN
from dkimctl.providers.rfc2136.server import OPTIONS as RFC2136_OPTIONS
from tests import regenerate
from tests.conftest import REPOSITORY, Dkimctl, Scratch, needs

README = (REPOSITORY / "README.md").read_text()

ELSEWHERE = {
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/dkimctl demo": "tests/test_packaging.py runs it",
    "sh tests/run": "it runs these tests",
    "sudo apt-get install opendkim opendkim-tools python3-venv": "changes the machine",
    "sudo python3 -m venv /opt/dkimctl": "changes the machine",
    "sudo /opt/dkimctl/bin/pip install .": "changes the machine",
    "sudo ln -s /opt/dkimctl/bin/dkimctl /usr/local/bin/dkimctl": "changes the machine",
    "sudo install -D -m 600 /dev/null /etc/dkimctl/ovh.conf": "changes the machine",
    "sudo editor /etc/dkimctl/ovh.conf": "is done by a person",
}
"""The lines that are not run here, and why."""


def fences(language: str) -> list[str]:
    """The contents of the code blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


SCRIPTS = ["".join(f"{line}\n" for line in block.splitlines() if line not in ELSEWHERE) for block in fences("sh")]


@pytest.mark.parametrize("name", regenerate.BLOCKS)
def test_generated_block_is_up_to_date(name: str) -> None:
    """Help, exit codes, findings, rights and the rest are what the program says; `python -m tests.regenerate` mends."""
    assert README.count(f"<!-- begin {name} -->") == README.count(f"<!-- end {name} -->") == 1
    kept = README.partition(f"<!-- begin {name} -->\n\n")[2].partition(f"\n\n<!-- end {name} -->")[0]
    assert kept == regenerate.BLOCKS[name]()


def test_prose_is_readable_in_a_terminal() -> None:
    """No line of prose is longer than 120 characters."""
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE)
    assert [line for line in prose.splitlines() if len(line) > 120 and not line.startswith(("|", "<http"))] == []


def test_no_other_marker() -> None:
    """A block that nothing makes would go stale unseen."""
    assert set(re.findall(r"<!-- begin (\S+) -->", README)) == set(regenerate.BLOCKS)


def test_lines_not_run_still_stand_there() -> None:
    """The list of exceptions holds no line that README has lost."""
    lines = {line for block in fences("sh") for line in block.splitlines()}
    assert set(ELSEWHERE) <= lines


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def relay(scratch: Scratch) -> Iterator[dict[str, str]]:
    """A machine below a scratch root whose DNS account is the sandbox, `sudo` and `dkimctl` on its PATH."""
    programs = scratch.home / "bin"
    programs.mkdir()
    python = shlex.quote(sys.executable)
    for name, line in (("dkimctl", f'exec {python} -m dkimctl "$@"'), ("sudo", 'exec "$@"')):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    (scratch.home / "domains.txt").write_text("example.com\n")
    zone_file = scratch.root / "etc/bind/db.example.com"
    zone_file.parent.mkdir(parents=True)
    zone_file.write_text(
        "$ORIGIN example.com.\n$TTL 3600\n@ IN SOA ns hostmaster 1 3600 600 86400 60\n@ IN NS ns\nns IN A 127.0.0.1\n"
    )
    environment = scratch.environment({"PATH": f"{programs}:{os.environ['PATH']}"})
    with subprocess.Popen(
        [sys.executable, "-m", "dkimctl", "sandbox", "--zone", "example.com"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        exported = [process.stdout.readline().removeprefix("export ").strip().partition("=") for _ in range(7)]
        yield {**environment, **{name: shlex.split(value)[0] for name, _, value in exported}}
        process.terminate()


def test_every_command_of_readme_works(relay: dict[str, str], scratch: Scratch) -> None:
    """All its shell blocks, typed one after the other on one machine, succeed without a bug or a traceback."""
    for script in filter(None, SCRIPTS):
        ended = subprocess.run(
            ["sh", "-eu", "-c", script],
            env=relay,
            cwd=scratch.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ended.returncode == 0, f"{script}\n{ended.stdout}\n{ended.stderr}"
        assert "Traceback" not in ended.stderr


def test_every_other_line_is_a_command_of_ours() -> None:
    """What stands in a shell block is dkimctl, or one of the few lines of the shell that its example needs."""
    shell = re.compile(r"mkdir -p trial|\. \./sandbox\.env|until \[ -s sandbox\.env \]; do sleep 1; done|kill \$!")
    for line in "".join(SCRIPTS).splitlines():
        assert line.removeprefix("sudo ").startswith("dkimctl ") or shell.fullmatch(line), line


def test_python_example_is_python() -> None:
    """The example that sends a mail compiles; a real one is sent by tests/real."""
    for block in fences("python"):
        compile(block, "README.md", "exec")


# --- the configuration file -------------------------------------------------------------------------------------------

[EXAMPLE] = fences("toml")


def test_configuration_example_is_the_defaults(tmp_path: Path) -> None:
    """The file in README loads, and its values are those of no file at all, but for its own domain and provider."""
    file = tmp_path / "dkimctl.toml"
    file.write_text(EXAMPLE)
    loaded, default = load_settings(str(file), "/", {}), Settings()
    assert (loaded.paths, loaded.keys, loaded.signing) == (default.paths, default.keys, default.signing)
    assert loaded.lookup == default.lookup
    assert loaded.provider in BUILT_IN
    assert loaded.domains["example.com"] != DomainSettings()


def test_configuration_example_names_every_key(tmp_path: Path) -> None:
    """Each table shows all its keys: what the program says it knows there."""
    document = tomllib.loads(EXAMPLE)
    tables = [[name] for name in ("keys", "signing", "dns", "paths")] + [["domains", "example.com"], []]
    for path in tables:
        table, header = document, ".".join(f'"{name}"' for name in path)
        for name in path:
            table = table[name]
        file = tmp_path / "dkimctl.toml"
        file.write_text((f"[{header}]\n" if path else "") + "nonsense = 1\n")
        with pytest.raises(ConfigError) as caught:
            load_settings(str(file), "/", {})
        known = caught.value.problems[0].partition("known here: ")[2].split(", ")
        assert sorted(table) == sorted(known), path
    assert sorted(document["providers"]["ovh"]) == sorted(OVH_OPTIONS)
    assert sorted(document["providers"]["rfc2136"]) == sorted(RFC2136_OPTIONS)


def test_every_provider_is_mentioned() -> None:
    """README says how to use each provider that is built in."""
    for name in BUILT_IN:
        assert f"--provider {name}" in README, name


# --- files and modes --------------------------------------------------------------------------------------------------


@needs("opendkim", "postfix", root=True)
def test_files_have_the_modes_that_readme_says(dkimctl: Dkimctl) -> None:
    """After genkey and render-config --install each file of the table is there, with its mode and owner."""
    import grp
    import pwd

    assert dkimctl("genkey", "example.com", "-s", "mail").code == 0
    made = dkimctl("render-config", "--install")
    assert made.code == 0, made.err
    section = README.partition("## Files and modes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(/\S+)` \| (\d{4}) \| (\S+) \|", section, re.MULTILINE)
    assert len(rows) == 10
    for path, mode, owner in rows:
        real = dkimctl.root / path.lstrip("/").replace("DOMAIN", "example.com").replace("SELECTOR", "mail")
        status = real.stat()
        names = f"{pwd.getpwuid(status.st_uid).pw_name}:{grp.getgrgid(status.st_gid).gr_name}"
        assert (f"{stat.S_IMODE(status.st_mode):04o}", names) == (mode, owner), path


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_links_and_paths_lead_somewhere() -> None:
    """Every link inside README has its heading, every file it names is there."""
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-") for line in headings_of(README)}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= headings
    for path in re.findall(r"(?:sh |`)((?:tests|completions|dkimctl)/[\w./-]+)", README):
        assert (REPOSITORY / path).exists(), path


def headings_of(text: str) -> list[str]:
    """The headings, code blocks apart."""
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^#+ (.*)$", without_code, re.MULTILINE)
