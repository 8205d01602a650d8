"""What other programs may import: complete, typed, documented, and loaded only when it is used."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import dkimctl
from dkimctl.version import VERSION
from tests.conftest import REPOSITORY, DkimctlInside

SOURCE = ast.parse((REPOSITORY / "dkimctl/__init__.py").read_text())


def names_for_type_checkers() -> set[str]:
    """What the `if TYPE_CHECKING:` block imports."""
    [block] = [node for node in SOURCE.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def test_all_is_what_type_checkers_see() -> None:
    """The list, the imports for type checkers and what can really be had are the same names."""
    assert sorted(dkimctl.__all__) == sorted(names_for_type_checkers())
    assert set(dkimctl.__all__) <= set(dir(dkimctl))


@pytest.mark.parametrize("name", sorted(set(dkimctl.__all__) - {"__version__"}))
def test_every_public_name_is_there_and_documented(name: str) -> None:
    """Each can be imported and says what it is, in its own words."""
    value = getattr(dkimctl, name)
    text = inspect.getdoc(value) or ""
    assert len(text) > 15
    assert not text.startswith(f"{name}("), "the docstring that a dataclass makes up by itself"


def test_version() -> None:
    """The version is the one that the command shows."""
    assert dkimctl.__version__ == VERSION


def test_what_is_not_public_is_an_attribute_error() -> None:
    """A wrong name fails as in every other module."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = dkimctl.nonsense  # type: ignore[attr-defined]


def test_import_costs_nothing() -> None:
    """`import dkimctl` loads no other module: the console script begins with it."""
    script = "import sys; before = set(sys.modules); import dkimctl; print(*sorted(set(sys.modules) - before))"
    ended = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["dkimctl"]


def test_the_sandbox_is_an_attribute() -> None:
    """`dkimctl.sandbox` needs no import of its own, and is loaded only when it is used."""
    script = "import dkimctl, sys; assert 'dkimctl.sandbox' not in sys.modules; print(dkimctl.sandbox.Sandbox.__name__)"
    ended = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ended.stdout == "Sandbox\n"


def test_what_commands_do_is_one_call_each(dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is published, seen in DNS and in the status, and installed in a tree; `selftest` misses the daemon."""
    assert dkimctl_inside("genkey", "example.com", "-s", "s1").code == 0
    with dkimctl.sandbox.Sandbox(["example.com"]) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        settings = dkimctl.load_settings(root=str(dkimctl_inside.root))
        [planned] = dkimctl.api.publish(settings, provider="ovh", dry_run=True)
        assert planned.outcome is dkimctl.PublishOutcome.PLANNED
        [done] = dkimctl.api.publish(settings, ["example.com"], provider="ovh")
        assert (done.served, done.error) == (True, None)
        [report] = dkimctl.check([dkimctl.Target("s1", "example.com")], settings.lookup)
        assert report.verdict is dkimctl.Verdict.RIGHT
    assert [key.phase for key in dkimctl.api.status(settings).keys] == [dkimctl.Phase.VERIFIED]
    assert "/etc/opendkim/KeyTable" in [
        file.path for file in dkimctl.api.install(settings).switched.installed.changed.files
    ]
    with pytest.raises(dkimctl.UsageError):
        dkimctl.api.status(settings, ["example.org"])
    with pytest.raises(dkimctl.Unavailable):
        dkimctl.api.selftest(settings)


def test_a_typed_program_can_use_it(tmp_path: Path) -> None:
    """The example of the module's documentation passes mypy --strict as a program of another user."""
    example = inspect.cleandoc(dkimctl.__doc__ or "").split("\n\n    ", 1)[1].rsplit("\n\nEvery", 1)[0]
    program = tmp_path / "program.py"
    program.write_text(inspect.cleandoc("    " + example) + "\n")
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(program)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_example_works() -> None:
    """A key, its record, and the record read back are one."""
    pair = dkimctl.generate_key(dkimctl.Algorithm.ED25519)
    record = dkimctl.record_for(pair.public, pair.algorithm, dkimctl.Tags())
    assert dkimctl.parse_record(record.text) == record
    assert pair.public.base64 in record.text
