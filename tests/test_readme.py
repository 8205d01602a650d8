"""README says what is true: its tables and help are made from the program, its commands are run, its files compared."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dkimctl.config.load import load_settings
from dkimctl.providers.registry import BUILT_IN
from tests import regenerate
from tests.conftest import REPOSITORY, Dkimctl, DkimctlInside, Scratch, needs, open_to_others

README = (REPOSITORY / "README.md").read_text()

ELSEWHERE = {
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/dkimctl demo": "tests/test_packaging.py runs it",
    "sh tests/run": "it runs these tests",
    "sudo apt install ../dkimctl_*.deb": "tests/release installs it",
    "sudo python3 -m venv /opt/dkimctl": "changes the machine",
    "sudo /opt/dkimctl/bin/pip install .": "changes the machine",
    "sudo ln -s /opt/dkimctl/bin/dkimctl /usr/bin/dkimctl": "changes the machine",
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
    """The generated blocks are what the program says; `python -m tests.regenerate` rewrites them."""
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


def test_lines_not_run_are_still_in_the_readme() -> None:
    """The list of exceptions holds no line that README has lost."""
    lines = {line for block in fences("sh") for line in block.splitlines()}
    assert set(ELSEWHERE) <= lines


# --- the commands -----------------------------------------------------------------------------------------------------

NOBODY = 65_534
LIBRARIES_LEFT_OUT = ("mypy*", "*ruff*", "hypothesis*", "_pytest", "pytest*", "xdist*", "lexicon*", "__pycache__")


@dataclass(frozen=True)
class Relay:
    """A machine below a scratch root whose DNS account is the sandbox, with an ordinary user and root."""

    home: Path
    environment: dict[str, str]
    """What both have; sudo passes on what leads to the scratch root and the sandbox, and drops the rest."""
    has_user: bool
    """False where this test is not root, or Python cannot be reached by an ordinary user: everything is one user."""

    def type(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a block: line by line where sudo is in it, each by its user; otherwise as one script of the user."""
        lines = script.splitlines()
        if not any(line.startswith("sudo ") for line in lines):
            return self._run(script, by_root=False)
        for line in lines:
            ended = self._run(line.removeprefix("sudo "), by_root=line.startswith("sudo "))
            if ended.returncode:
                break
        return ended

    def _run(self, script: str, *, by_root: bool) -> subprocess.CompletedProcess[str]:
        kept = ("DKIMCTL_", "OVH_", "PATH", "PYTHON", "COLUMNS", "TMPDIR")
        sudo = {name: value for name, value in self.environment.items() if name.startswith(kept)}
        user = {} if by_root or not self.has_user else {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        return subprocess.run(
            ["sh", "-eu", "-c", f"trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n{script}"],
            env={**sudo, "HOME": "/root"} if by_root else self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            **user,  # type: ignore[call-overload]
        )


def user_python() -> str:
    """A Python that an ordinary user can run with this one's libraries; empty where there is none."""
    python = f"/usr/bin/python3.{sys.version_info.minor}"
    return python if os.geteuid() == 0 and Path(python).exists() else ""


def install_for_everybody(home: Path) -> None:
    """`dkimctl` in `home/bin`, with libraries that an ordinary user can read."""
    libraries, python = home / "lib", user_python()
    if python:
        site = Path(sysconfig.get_path("purelib"))
        shutil.copytree(site, libraries, ignore=shutil.ignore_patterns(*LIBRARIES_LEFT_OUT))
        shutil.copytree(REPOSITORY / "dkimctl", libraries / "dkimctl", dirs_exist_ok=True)
    program = home / "bin/dkimctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(python or sys.executable)} -P -m dkimctl "$@"\n')
    program.chmod(0o755)


@pytest.fixture
def relay(scratch: Scratch) -> Iterator[Relay]:
    """The machine on which README is typed."""
    install_for_everybody(scratch.home)
    (scratch.home / "domains.txt").write_text("example.com\n")
    zone_file = scratch.root / "etc/bind/db.example.com"
    zone_file.parent.mkdir(parents=True)
    zone_file.write_text(
        "$ORIGIN example.com.\n$TTL 3600\n@ IN SOA ns hostmaster 1 3600 600 86400 60\n@ IN NS ns\nns IN A 127.0.0.1\n"
    )
    has_user = bool(user_python())
    if has_user:
        open_to_others(scratch.home / "bin/dkimctl")
        os.chown(scratch.home, NOBODY, NOBODY)
    own = {"PATH": f"{scratch.home / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"}
    if has_user:
        own["PYTHONPATH"] = str(scratch.home / "lib")
    environment = scratch.environment(own)
    with subprocess.Popen(
        [sys.executable, "-m", "dkimctl", "sandbox", "--zone", "example.com"],
        env=scratch.environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        exported = [process.stdout.readline().removeprefix("export ").strip().partition("=") for _ in range(7)]
        yield Relay(
            scratch.home, {**environment, **{name: shlex.split(value)[0] for name, _, value in exported}}, has_user
        )
        process.terminate()


def test_every_command_of_readme_works(relay: Relay) -> None:
    """All its shell blocks, typed one after the other on one machine by the user they are typed as, succeed."""
    for script in filter(None, SCRIPTS):
        ended = relay.type(script)
        assert ended.returncode == 0, f"{script}\n{ended.stdout}\n{ended.stderr}"
        assert "Traceback" not in ended.stderr


def test_every_other_line_is_a_command_of_ours() -> None:
    """What a shell block has is dkimctl, or one of the few lines of the shell that its example needs."""
    shell = re.compile(r"mkdir -p trial|\. \./sandbox\.env|until \[ -s sandbox\.env \]; do sleep 1; done|kill \$!")
    for line in "".join(SCRIPTS).splitlines():
        assert line.removeprefix("sudo ").startswith("dkimctl ") or shell.fullmatch(line), line


def test_every_command_of_readme_exists() -> None:
    """Each `dkimctl …` in prose, tables and consoles names a command that exists."""
    known = set(regenerate.every_command())
    for command in re.findall(
        r"(?:`|\$ |^)(?:sudo )?dkimctl ([a-z][a-z-]*(?: (?:login|whoami|join|simulate))?)", README, re.MULTILINE
    ):
        assert command in known, command


def test_python_examples_run(relay: Relay) -> None:
    """The example of the Python API runs as it is; the one that sends a mail compiles (real mail is sent elsewhere)."""
    mail, api = fences("python")
    compile(mail, "README.md", "exec")
    assert relay.type("sudo dkimctl genkey example.com -s s1").returncode == 0
    ended = subprocess.run(
        [sys.executable, "-c", api],
        env={**relay.environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    published, checked, state = ended.stdout.splitlines() or ("", "", ended.stderr)
    assert published == "s1._domainkey.example.com published True None"
    assert checked.startswith("s1._domainkey.example.com right ")
    assert "KeyStatus" in state


def test_configuration_examples_load(tmp_path: Path) -> None:
    """Every TOML block is a configuration that loads."""
    blocks = fences("toml")
    assert blocks
    for block in blocks:
        file = tmp_path / "dkimctl.toml"
        file.write_text(block)
        load_settings(str(file), "/", {})


def test_the_container_is_told_what_it_signs(dkimctl_inside: DkimctlInside) -> None:
    """Its last line configures the signer, and starts it only then; tests/release makes it up, step by step."""
    [recipe] = fences("dockerfile")
    assert recipe.count("\n") <= 10
    command, start = recipe.splitlines()[-1].removeprefix("CMD dkimctl ").split(" && ")
    assert dkimctl_inside("genkey", "example.com").code == 0
    refused = dkimctl_inside(*command.split())
    assert (refused.code, start) == (1, "exec opendkim -f"), "a key that DNS does not serve"
    assert dkimctl_inside(*command.split(), "--allow-unproven").code == 0
    conf = (dkimctl_inside.root / "etc/opendkim.conf").read_text()
    assert re.search("^Socket +inet:8891@0.0.0.0$", conf, re.MULTILINE)


def test_every_provider_is_mentioned() -> None:
    """README says how to use each provider that is built in."""
    for name in BUILT_IN:
        assert f"--provider {name}" in README, name


def test_length() -> None:
    """A newcomer reads it in one sitting: at most 400 lines."""
    assert README.count("\n") <= 400


# --- files and modes --------------------------------------------------------------------------------------------------


@needs("opendkim", "postfix", root=True)
def test_files_have_the_modes_that_readme_says(dkimctl: Dkimctl) -> None:
    """After genkey and render-config --install each file of the table is there, with its mode and owner."""
    import grp
    import pwd

    assert dkimctl("genkey", "example.com", "-s", "mail").code == 0
    made = dkimctl("render-config", "--install", "--allow-unproven")
    assert made.code == 0, made.err
    section = README.partition("## What it writes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(/\S+)` \| (\d{4}) \| (\S+) \|", section, re.MULTILINE)
    assert len(rows) == 10
    for path, mode, owner in rows:
        real = dkimctl.root / path.lstrip("/").replace("DOMAIN", "example.com").replace("SELECTOR", "mail")
        status = real.stat()
        names = f"{pwd.getpwuid(status.st_uid).pw_name}:{grp.getgrgid(status.st_gid).gr_name}"
        assert (f"{stat.S_IMODE(status.st_mode):04o}", names) == (mode, owner), path


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_links_and_paths_lead_somewhere() -> None:
    """Every link inside README has its heading, every section is in the list at the top, every file named is there."""
    links = set(re.findall(r"\]\(#([^)]+)\)", README))
    assert links <= {anchor(line) for line in headings_of(README)}
    assert {anchor(line) for line in headings_of(README, "##")} <= links
    for path in re.findall(r"(?:sh |`)((?:tests|completions|dkimctl)/[\w./-]+)", README):
        assert (REPOSITORY / path).exists(), path


def anchor(heading: str) -> str:
    """The name of a heading in links."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).strip().replace(" ", "-")


def headings_of(text: str, level: str = "#+") -> list[str]:
    """The headings, code blocks apart."""
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(rf"^{level} (.*)$", without_code, re.MULTILINE)
