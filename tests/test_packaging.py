"""What is installed: README's first command in a fresh copy of the sources, then used from elsewhere.

A flat source tree hides packaging mistakes, because everything can be imported from it. These tests do not see it.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dkimctl.cli.commands import COMMANDS
from dkimctl.version import VERSION
from tests import regenerate
from tests.conftest import REPOSITORY, needs

TOP_LEVEL = {"pyproject.toml", "dkimctl", "tests", "README.md", "completions", "LICENSE", "CHANGELOG.md", "debian"}


NOT_SOURCES = re.compile(r"\.git|\.venv.*|\.\w+_cache|\.hypothesis|__pycache__|dist|build")


def sources() -> list[str]:
    """The files of the project: as git knows them, or, in an unpacked archive, all but what tools leave behind."""
    try:
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        paths = (path.relative_to(REPOSITORY) for path in REPOSITORY.rglob("*") if path.is_file())
        return [str(path) for path in paths if not any(NOT_SOURCES.fullmatch(part) for part in path.parts)]
    return [name for name in listed.stdout.splitlines() if (REPOSITORY / name).is_file()]


def environment(**extra: str) -> dict[str, str]:
    """Without anything that would let Python find the sources or this environment's packages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**kept, **extra}


@pytest.fixture(scope="session")
def fresh_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources as a new clone has them."""
    copy = tmp_path_factory.mktemp("fresh") / "dkimctl"
    for name in sources():
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, target)
    return copy


@pytest.fixture(scope="session")
def installed(fresh_copy: Path) -> Path:
    """The environment that README's first command makes; its `bin/dkimctl` is the program."""
    programs = fresh_copy.parent / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"))
    ended = subprocess.run(
        ["sh", "-c", " && ".join(first_command()[:-1])],
        cwd=fresh_copy,
        env=environment(PATH=f"{programs}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
    )
    if ended.returncode != 0 and "No matching distribution" in ended.stderr + ended.stdout:
        pytest.skip("pip cannot download the dependencies (no network)")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return fresh_copy / ".venv"


def first_command() -> list[str]:
    """README's first command, in its parts: make the environment, install, demo."""
    lines = (REPOSITORY / "README.md").read_text().splitlines()
    [line] = [line.strip() for line in lines if line.strip().startswith("python3 -m venv .venv && ")]
    return line.split(" && ")


def run(installed: Path, *arguments: str, cwd: Path) -> str:
    """What the installed program prints; it must succeed."""
    ended = subprocess.run(
        [installed / "bin/dkimctl", *arguments],
        cwd=cwd,
        env=environment(COLUMNS="80"),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_top_level_holds_nothing_else() -> None:
    """A visitor sees at once what there is; dot files apart."""
    names = {name.split("/")[0] for name in sources()}
    assert {name for name in names if not name.startswith(".")} == TOP_LEVEL


def test_readme_names_both_commands() -> None:
    """The two commands that do all the set-up are in README as they are tested here and run in CI."""
    assert first_command() == ["python3 -m venv .venv", ".venv/bin/pip install .", ".venv/bin/dkimctl demo"]
    assert "\nsh tests/run\n" in (REPOSITORY / "README.md").read_text()
    assert "exec sh tests/run\n" in (REPOSITORY / ".ci/run").read_text()


def test_installed_program_works_from_elsewhere(installed: Path, tmp_path: Path) -> None:
    """Version, overview, and the help of every command, with the dependencies of users only."""
    assert run(installed, "--version", cwd=tmp_path) == f"dkimctl {VERSION}\n"
    assert "Commands:" in run(installed, "--help", cwd=tmp_path)
    for name in COMMANDS:
        assert run(installed, name, "--help", cwd=tmp_path).startswith(f"Usage: dkimctl {name} ")


def test_installed_demo(installed: Path, tmp_path: Path) -> None:
    """The last part of README's first command."""
    assert run(installed, "demo", cwd=tmp_path)


def test_nothing_for_tests_is_installed(installed: Path) -> None:
    """What users get needs no test library, and nothing that it needs is missing."""
    python = str(installed / "bin/python")
    listed = subprocess.run(
        [python, "-m", "pip", "list"], capture_output=True, text=True, env=environment(), check=True
    )
    assert {"pytest", "hypothesis", "mypy", "ruff"}.isdisjoint(line.split()[0] for line in listed.stdout.splitlines())
    subprocess.run([python, "-m", "pip", "check"], capture_output=True, env=environment(), check=True)
    assert not (installed / "tests").exists()


def test_script_starts_fast(installed: Path) -> None:
    """The script is ours: the one that pip makes for an entry point imports `re`, which costs more than --version."""
    lines = (installed / "bin/dkimctl").read_text().splitlines()
    assert lines[0] == f"#!{installed}/bin/python3" or lines[0] == f"#!{installed}/bin/python"
    assert "import re" not in lines


def test_types_are_shipped(installed: Path) -> None:
    """py.typed tells type checkers that the package is typed."""
    [marker] = installed.glob("lib/python3.*/site-packages/dkimctl/py.typed")
    assert marker.read_bytes() == b""


def manual_pages(installed: Path) -> list[Path]:
    """Every manual page that was installed."""
    return sorted(installed.glob("share/man/man*/dkimctl*"))


@needs("man")
def test_manual_pages(installed: Path) -> None:
    """There is a page for each command and file format, and man has nothing to complain about in any."""
    pages = manual_pages(installed)
    for page in pages:
        ended = subprocess.run(
            ["man", "--warnings=all", "-l", str(page)],
            env=environment(MANWIDTH="80", LC_ALL="C.UTF-8", MANPAGER="cat"),
            capture_output=True,
            text=True,
        )
        assert (ended.returncode, ended.stderr) == (0, ""), page.name
        headings = ["NAME", "DESCRIPTION", "SEE ALSO"]
        headings += ["EXIT STATUS", "ENVIRONMENT", "FILES", "COMMON OPTIONS"] if page.name == "dkimctl.1" else []
        assert all(f"\n{heading}\n" in ended.stdout for heading in headings), page.name
    names = {page.name for page in pages}
    assert {"dkimctl.1", "dkimctl.toml.5", "dkimctl-findings.7", "dkimctl-fleet.7"} <= names
    assert {f"dkimctl-{name.replace(' ', '-')}.1" for name in regenerate.every_command()} <= names


def test_completions_lie_where_shells_look(installed: Path) -> None:
    """In the folders from which bash-completion, zsh and fish load by themselves."""
    folders = {
        "dkimctl.bash": "share/bash-completion/completions/dkimctl",
        "_dkimctl": "share/zsh/site-functions/_dkimctl",
        "dkimctl.fish": "share/fish/vendor_completions.d/dkimctl.fish",
    }
    for name, place in folders.items():
        assert (installed / place).read_text() == (REPOSITORY / "completions" / name).read_text()


def test_source_archive_builds_the_same(fresh_copy: Path, tmp_path: Path) -> None:
    """The wheel made from the source archive holds the files of the wheel made from the sources."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path / "dist")],
        cwd=fresh_copy,
        capture_output=True,
        check=True,
    )
    [archive] = (tmp_path / "dist").glob("*.tar.gz")
    subprocess.run(["tar", "-xf", str(archive)], cwd=tmp_path, check=True)
    unpacked = tmp_path / f"dkimctl-{VERSION}"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "again")],
        cwd=unpacked,
        capture_output=True,
        check=True,
    )
    first, again = (zipfile.ZipFile(next((tmp_path / place).glob("*.whl"))) for place in ("dist", "again"))
    with first, again:
        assert sorted(first.namelist()) == sorted(again.namelist())
        assert not [name for name in first.namelist() if name.startswith(("tests/", "completions/"))]
    for name in ("tests/run", "tests/conftest.py", ".ci/run", "CHANGELOG.md", "LICENSE"):
        assert (unpacked / name).is_file(), name
