"""README's Ansible role sets up a relay, changes nothing the second time, and says with --check what it would do."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import REPOSITORY, Scratch, needs

pytestmark = needs("ansible-playbook")
PLAYBOOK = str(REPOSITORY / "tests/ansible/relay.yml")
DOMAINS = ["example.com", "example.org"]


class Ansible:
    """The playbook, run against this machine as a tree below a scratch root, with the sandbox as the DNS account."""

    def __init__(self, scratch: Scratch, sandbox: Sandbox) -> None:
        program = scratch.home / "dkimctl"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m dkimctl "$@"\n')
        program.chmod(0o755)
        self._variables = {
            "dkimctl_domains": DOMAINS,
            "dkimctl_program": str(program),
            "dkimctl_root": str(scratch.root),
            "dkimctl_become": False,
        }
        self._environment = scratch.environment(
            {
                **sandbox.environment(),
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(REPOSITORY),
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_LOCAL_TEMP": str(scratch.home / "ansible"),
                "ANSIBLE_REMOTE_TEMP": str(scratch.home / "ansible"),
                "ANSIBLE_NOCOLOR": "1",
            }
        )

    def __call__(self, *options: str) -> dict[str, int]:
        """Run it, and return the counts of its last line."""
        ended = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                "localhost,",
                "-c",
                "local",
                "-e",
                json.dumps(self._variables),
                *options,
                PLAYBOOK,
            ],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", ended.stdout)}


def test_the_second_run_changes_nothing(scratch: Scratch) -> None:
    """Keys, records and configuration are made once; --check before says that keys are missing, and makes none."""
    with Sandbox(DOMAINS) as sandbox:
        run = Ansible(scratch, sandbox)
        assert run("--check")["changed"] == 1
        assert not (scratch.root / "etc/opendkim").exists()
        assert run()["changed"] == 5
        assert all("_domainkey" in str(sandbox.zone(name).served) for name in DOMAINS)
        assert (scratch.root / "etc/opendkim/SigningTable").exists()
        assert run()["changed"] == 0
        assert run("--check")["changed"] == 0


def test_what_is_missing_is_named_by_check(scratch: Scratch) -> None:
    """--check compares records and files with what they should be, and changes neither."""
    with Sandbox(DOMAINS) as sandbox:
        run = Ansible(scratch, sandbox)
        run()
        table = scratch.root / "etc/opendkim/SigningTable"
        table.unlink()
        assert run("--check")["changed"] == 1
        assert not table.exists()


@pytest.mark.parametrize("path", sorted((REPOSITORY / "tests/ansible").rglob("*.yml")), ids=lambda path: path.name)
def test_the_files_are_yaml(path: Path) -> None:
    """Every file parses by itself, also those that a run here does not reach."""
    check = "import sys, yaml; yaml.safe_load(open(sys.argv[1]))"
    subprocess.run(["/usr/bin/python3", "-c", check, str(path)], check=True)
