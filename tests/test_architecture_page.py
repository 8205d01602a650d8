"""dkimctl/README.md, the page for maintainers, is true: its rooms are those of the package, its files exist."""

import re

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
    for path in re.findall(r"`((?:\w+/)+\w*)", PAGE):
        name = re.sub(r"/$", "", path)
        root = REPOSITORY if name.startswith("tests") else PACKAGE
        assert (root / name).exists() or (root / f"{name}.py").exists() or _is_member(name), name


def _is_member(path: str) -> bool:
    """Return True for `room/module` followed by a name in it, as in `providers/base.Provider`."""
    return (PACKAGE / f"{path}.py").exists()


def test_it_fits_on_a_screen_or_two() -> None:
    """A page that is read, not a manual."""
    assert PAGE.count("\n") <= 80
