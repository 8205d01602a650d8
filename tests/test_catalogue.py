"""The catalogue of findings: one place, each entry reported by some check."""

import ast
from pathlib import Path

from dkimctl import catalogue
from dkimctl.catalogue import CATALOGUE
from dkimctl.findings import Entry
from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "dkimctl"


def _entries() -> dict[str, Entry]:
    """Every entry by the name of its constant: `postfix.NO_MILTER`."""
    modules = (getattr(catalogue, name) for name in catalogue.__all__ if name != "CATALOGUE")
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Entry)
    }


def _names_used(path: Path) -> set[str]:
    """The catalogue constants that a file names, whatever it calls their module."""
    tree = ast.parse(path.read_text())
    modules: dict[str, str] = {}
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "dkimctl.catalogue":
            modules |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dkimctl.catalogue."):
            used |= {f"{(node.module or '').rpartition('.')[2]}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            used.add(f"{modules[node.value.id]}.{node.attr}")
    return used


def test_every_entry_is_reported_somewhere() -> None:
    """No code is documented that no check can report."""
    used = set().union(*(_names_used(path) for path in PACKAGE.rglob("*.py") if path.parent.name != "catalogue"))
    assert {name: entry.code for name, entry in _entries().items() if name not in used} == {}


def test_every_entry_has_one_constant() -> None:
    """A code belongs to one entry, and `CATALOGUE` has them all."""
    assert sorted(entry.code for entry in _entries().values()) == sorted(CATALOGUE)


def test_what_stops_the_daemon_is_an_error() -> None:
    """An entry that stops opendkim is an error about its configuration."""
    stopping = [entry for entry in CATALOGUE.values() if entry.stops_daemon]
    assert len(stopping) >= 13
    assert all(entry.severity == "error" and entry.code.startswith("DKIM7") for entry in stopping)


def test_what_is_about_dns() -> None:
    """Presence and delivery are about DNS; the text of a record and this host are not."""
    assert {entry.code[4] for entry in CATALOGUE.values() if entry.about_dns} == {"1", "5"}
