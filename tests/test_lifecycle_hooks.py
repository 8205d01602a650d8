"""Hooks: what runs, what it is told, and that a failing one stops nothing."""

import os
from pathlib import Path

import pytest

from dkimctl.config.settings import Settings
from dkimctl.lifecycle import hooks
from dkimctl.lifecycle.hooks import HookResult, Occasion, Stage, run_directory, run_hooks
from tests.conftest import needs

OCCASION = Occasion("example.com", "dk2", "dk1", "active", "switch")


@pytest.fixture
def deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty deploy.d, on a machine without systemd."""
    monkeypatch.setattr(hooks, "can_start_units", lambda: False)
    directory = tmp_path / "deploy.d"
    directory.mkdir(mode=0o755)
    return directory


def hook(directory: Path, name: str, script: str, mode: int = 0o755) -> Path:
    """A hook of root's."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)
    return path


def test_executable_files_run_in_the_order_of_their_names(deploy: Path) -> None:
    """What cannot be executed, and what editors and dpkg leave, is passed over."""
    for name in ("20-b", "10-a", "30-c.sh", "40-d~", ".hidden", "50-e.dpkg-old"):
        hook(deploy, name, f"echo {name}")
    hook(deploy, "60-notes", "echo never", mode=0o644)
    (deploy / "70-directory").mkdir()
    ran = run_directory(deploy, Stage.DEPLOY, OCCASION)
    assert ran == [HookResult(f"deploy.d/{name}", 0, name) for name in ("10-a", "20-b", "30-c.sh")]
    assert not any(result.problem for result in ran)


def test_hooks_are_told_domain_selectors_and_phase(deploy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of our own environment, which may hold secrets."""
    monkeypatch.setenv("OVH_APPLICATION_SECRET", "hush")
    hook(deploy, "10-env", f"env > {deploy}/out; pwd >> {deploy}/out")
    run_directory(deploy, Stage.DEPLOY, OCCASION)
    *lines, place = (deploy / "out").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert {name: value for name, value in found.items() if name.startswith("DKIMCTL_")} == {
        "DKIMCTL_DOMAIN": "example.com",
        "DKIMCTL_SELECTOR": "dk2",
        "DKIMCTL_OLD_SELECTOR": "dk1",
        "DKIMCTL_PHASE": "active",
        "DKIMCTL_ACTION": "switch",
        "DKIMCTL_HOOK": "deploy",
    }
    assert "hush" not in " ".join(lines)
    assert place == "/"


def test_failing_hook_is_reported_and_the_next_one_runs(deploy: Path) -> None:
    """Its name, its exit code and its last line; control characters do not reach a terminal."""
    hook(deploy, "10-bad", "echo first; printf 'no \\033[31mspace\\n' >&2; exit 7")
    hook(deploy, "20-good", "true")
    bad, good = run_directory(deploy, Stage.DEPLOY, OCCASION)
    assert bad.problem == "the hook deploy.d/10-bad ended with 7: no \\x1b[31mspace"
    assert (good.code, good.problem) == (0, "")


def test_hook_that_does_not_end_is_ended(deploy: Path) -> None:
    """A deadline holds for each, so that one can delay a rotation, and cannot stop it."""
    hook(deploy, "10-endless", "exec sleep 1000")
    hook(deploy, "20-good", "true")
    endless, good = run_directory(deploy, Stage.DEPLOY, OCCASION, within=1)
    assert (
        endless.problem == "the hook deploy.d/10-endless did not run to its end: it took longer than 1 s and was ended"
    )
    assert good.code == 0


def test_hook_that_cannot_be_executed_is_reported(deploy: Path) -> None:
    """Such as a script whose interpreter is not there."""
    path = hook(deploy, "10-bad", "true")
    path.write_text("#!/nonexistent/interpreter\n")
    (bad,) = run_directory(deploy, Stage.DEPLOY, OCCASION)
    assert bad.problem.startswith("the hook deploy.d/10-bad ended with 127: ")


@needs(root=True)
@pytest.mark.parametrize("whose", ["another user's", "writable", "directory"])
def test_hook_that_others_can_change_is_refused(deploy: Path, whose: str) -> None:
    """What another user can put there would run as root."""
    path = hook(deploy, "10-theirs", f"touch {deploy}/ran")
    if whose == "another user's":
        os.chown(path, 65534, 65534)
    elif whose == "writable":
        path.chmod(0o775)
    else:
        deploy.chmod(0o777)
    (refused,) = run_directory(deploy, Stage.DEPLOY, OCCASION)
    assert refused.code is None
    assert "it is not run as root: others can change" in refused.problem
    assert not (deploy / "ran").exists()


def test_no_directory_is_no_hook(tmp_path: Path) -> None:
    """Nobody has to have hooks."""
    assert run_directory(tmp_path / "pre.d", Stage.PRE, OCCASION) == []


def test_hooks_of_a_tree_are_not_run(tmp_path: Path) -> None:
    """Programs below --root are another machine's."""
    place = tmp_path / "etc/dkimctl/hooks/post.d"
    place.mkdir(parents=True)
    hook(place, "10-tree", f"touch {tmp_path}/ran")
    assert run_hooks(Settings(root=tmp_path), Stage.POST, OCCASION) == []
    assert not (tmp_path / "ran").exists()
