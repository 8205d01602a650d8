"""What a packaged build is made of: pinned, hashed, licensed, listed; and building runs nothing but what it must."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import REPOSITORY

LOCKS = sorted((REPOSITORY / "debian").glob("requirements-*.txt"))
ENTRY = re.compile(
    r"^([a-z0-9-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)((?:    #.*\n)+)", re.MULTILINE
)
ACCEPTED = {
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "LGPL-3.0-only",  # psycopg, as it is: with its source, or beside where that is fetched from
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
    "Zlib",
}
"""Licences that ask a distributor for no more than to keep their texts."""
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
WATCHED_BUILD = """
import sys
said = []
WATCHED = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")
sys.addaudithook(lambda event, arguments: said.append(f"{event} {arguments}") if event in WATCHED else None)
from hatchling.cli import hatchling
sys.argv = ["hatchling", "build", "-t", "wheel", "-d", sys.argv[1]]
assert not hatchling()
wanted = {"cryptography", "ovh", "requests", "dns", "rich", "dkim", "psycopg"}
print(said, sorted(wanted & set(sys.modules)), file=sys.stderr)
"""


def entries(lock: Path) -> dict[str, tuple[str, list[str], set[str]]]:
    """Name → version, hashes, and what needs it, of a file with nothing else in it."""
    text = lock.read_text()
    assert ENTRY.sub("", text) == "", "not an entry"
    return {
        name: (pin, re.findall(r"sha256:(\w+)", hashes), set(re.sub(r"# via|#", "", via).split("\n")))
        for name, pin, hashes, via in ENTRY.findall(text)
    }


def wanted() -> list[Requirement]:
    """What pyproject.toml asks for: to run, also as a part of a fleet, and to build."""
    project = PROJECT["project"]
    texts = [*project["dependencies"], *project["optional-dependencies"]["fleet"], *PROJECT["build-system"]["requires"]]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_the_lock_keeps_to_the_bounds(lock: Path) -> None:
    """Every dependency of pyproject.toml is pinned within its bounds, with hashes; nothing is there that none needs."""
    found = entries(lock)
    for requirement in wanted():
        assert found[canonicalize_name(requirement.name)][0] in requirement.specifier, requirement
    direct = {canonicalize_name(requirement.name) for requirement in wanted()}
    for name, (_, hashes, via) in found.items():
        assert hashes and len(set(hashes)) == len(hashes), name
        needed_by = {word.strip() for word in via if word.strip()}
        assert {word.partition(" ")[0] for word in needed_by} <= {"dkimctl", *found}, name
        assert (name in direct) == any(word.startswith("dkimctl ") for word in needed_by), name
    assert not re.search(r"://|index|trusted|find-links", lock.read_text())


def test_there_is_a_lock_for_each_debian() -> None:
    """Debian 12 has Python 3.11, Debian 13 has 3.13."""
    assert [lock.stem for lock in LOCKS] == ["requirements-3.11", "requirements-3.13"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_the_lock_is_closed(lock: Path) -> None:
    """What the pinned distributions need is pinned as well, as far as their metadata is at hand here."""
    found = entries(lock)
    python = {"python_version": lock.stem.partition("-")[2], "python_full_version": lock.stem.partition("-")[2] + ".0"}
    for name, (pin, _, _) in found.items():
        try:
            if version(name) != pin:
                continue
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, requires(name) or ()):
            if requirement.marker is None or requirement.marker.evaluate({**python, "extra": ""}):
                assert found[canonicalize_name(requirement.name)][0] in requirement.specifier, (name, requirement)


def licences() -> dict[str, str]:
    """Name → SPDX expression, of debian/licences.txt."""
    lines = (REPOSITORY / "debian/licences.txt").read_text().splitlines()
    return dict(line.split(None, 1) for line in lines if not line.startswith("#"))


def test_every_licence_is_accepted() -> None:
    """Each locked distribution has its licence in the list, each is one of those accepted, and none is left over."""
    assert list(licences()) == sorted({name for lock in LOCKS for name in entries(lock)})
    for name, expression in licences().items():
        assert any(choice in ACCEPTED for choice in expression.split(" OR ")), name
        assert " AND " not in expression, name


@pytest.mark.parametrize("name", licences())
def test_the_licence_is_that_of_the_distribution(name: str) -> None:
    """Where a distribution is installed here and states its licence in SPDX, the list says the same."""
    try:
        stated = metadata(name).get("License-Expression")
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed in this environment")
    assert stated in (None, licences()[name])


def test_the_bill_of_materials() -> None:
    """It is CycloneDX, and names all that dkimctl needs with versions, licences and who needs what."""
    tool = Path(sys.executable).with_name("cyclonedx-py")
    if not tool.exists():
        pytest.skip("cyclonedx-py is not installed (pip install cyclonedx-bom)")
    ended = subprocess.run(
        ["sh", "debian/sbom", sys.executable],
        cwd=REPOSITORY,
        env={**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}"},
        capture_output=True,
        check=True,
    )
    bill = json.loads(ended.stdout)
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "dkimctl")
    listed = {canonicalize_name(part["name"]): part for part in bill["components"]}
    for requirement in wanted():
        part = listed[canonicalize_name(requirement.name)]
        assert part["version"] == version(requirement.name)
        assert part.get("licenses") or requirement.name == "pyrage", requirement  # its wheel states none: MIT
    assert {"requests"} <= {need.partition("==")[0] for need in needs_of(bill, "ovh")}
    assert str(REPOSITORY) not in ended.stdout.decode()


def needs_of(bill: dict[str, list[dict[str, object]]], name: str) -> list[str]:
    """What a component depends on."""
    [needs] = [d["dependsOn"] for d in bill["dependencies"] if str(d["ref"]).startswith(f"{name}==")]
    assert isinstance(needs, list)
    return needs


def test_building_runs_nothing_else(tmp_path: Path) -> None:
    """The build starts no program, asks no network, reads no secret, and imports no library but click's."""
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED_BUILD, str(tmp_path)],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "OVH_APPLICATION_SECRET_FILE": "/absent", "DKIMCTL_CONFIG": "/absent"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.splitlines()[-1] == "[] []"
    assert list(tmp_path.glob("*.whl"))
