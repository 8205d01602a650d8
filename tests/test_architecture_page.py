"""dkimctl/README.md, the page for maintainers, is true: its rooms are those of the package, its files exist."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "dkimctl/README.md").read_text()
PACKAGE = REPOSITORY / "dkimctl"


def test_its_rooms_are_those_of_the_package() -> None:
    """Every folder and module right below the package is in the table, and nothing else."""
    listed = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE))))
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert listed == there - {"__init__", "__main__"}


def test_its_paths_exist() -> None:
    """Every `room/module` that it names is there."""
    paths = re.findall(r"`((?:\w+/)+\w*)", PAGE)
    assert paths
    for path in paths:
        name = re.sub(r"/$", "", path)
        root = REPOSITORY if name.startswith("tests") else PACKAGE
        assert (root / name).exists() or (root / f"{name}.py").exists(), name


def test_its_names_exist() -> None:
    """What follows a `room/module.` is defined there, as in `providers/base.Provider`."""
    members = re.findall(r"`(\w+(?:/\w+)+)\.(?!py)(\w+)`", PAGE)
    assert members
    for path, member in members:
        assert re.search(rf"^(?:class |def )?{member}\b", (PACKAGE / f"{path}.py").read_text(), re.MULTILINE), path


@pytest.mark.parametrize(
    "room", sorted(path.parent for path in PACKAGE.rglob("__init__.py")), ids=lambda room: room.name
)
def test_a_room_that_lists_its_modules_lists_all(room: Path) -> None:
    """A list in which some are missing leads astray."""
    listed = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    modules = {path.stem for path in room.glob("*.py")} - {"__init__"}
    missing = {module for module in modules if not re.search(rf"\b{module}\b", listed)}
    is_list = listed.count("\n") > 2 and len(missing) <= len(modules) / 2
    assert not (is_list and missing)


def test_it_fits_on_a_screen_or_two() -> None:
    """A page that is read, not a manual."""
    assert PAGE.count("\n") <= 100
