"""`doctor` on whole hosts: every broken one is found with the right code, and nothing is wrong with a sound one."""

import pytest

from tests.conftest import DkimctlInside, needs
from tests.doctor_cases import BROKEN, SOUND, Case, Change
from tests.host_tree import Tree


@needs("postconf", root=True)
@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_broken(dkimctl_inside: DkimctlInside, case: Case) -> None:
    """The pitfall is found under its code, with evidence and with what to do about it."""
    case.break_it(Tree(dkimctl_inside.root))
    ran = dkimctl_inside("doctor", "--json")
    found = {f["code"]: f for f in ran.json["findings"]}
    assert case.code in found, ran.out
    assert found[case.code]["seen"]
    assert ran.code == (1 if any(f["severity"] == "error" for f in found.values()) else 0), ran.out


@needs("postconf", root=True)
@pytest.mark.parametrize(("name", "change"), SOUND, ids=lambda value: value if isinstance(value, str) else "")
def test_sound(dkimctl_inside: DkimctlInside, name: str, change: Change) -> None:
    """No error, nothing unknown and no warning in an installation that signs as it should."""
    change(Tree(dkimctl_inside.root))
    ran = dkimctl_inside("doctor", "--json")
    wrong = [f for f in ran.json["findings"] if f["severity"] in ("error", "unknown", "warning")]
    assert wrong == []
    assert ran.code == 0


MENDED = ["key world-readable", "key of another user", "grandparent 0777", "key directory of another user"]
MENDED += ["key 0600 of root", "key directory 0700 of root", "KeyTable 0600 of root", "the same domain twice"]


@needs("postconf", root=True)
@pytest.mark.parametrize("case", [c for c in BROKEN if c.name in MENDED], ids=lambda case: case.name)
def test_fix(dkimctl_inside: DkimctlInside, case: Case) -> None:
    """`--fix` says what it does, does it, and the pitfall is gone; a second run finds nothing to mend."""
    case.break_it(Tree(dkimctl_inside.root))
    fixed = dkimctl_inside("doctor", "--fix", "--json")
    assert case.code not in {f["code"] for f in fixed.json["findings"]}
    assert any(word in fixed.err for word in ("chown", "chmod", "sed -i"))
    again = dkimctl_inside("doctor", "--fix", "--json")
    assert (again.err, again.code) == ("", fixed.code)


@needs("postconf", root=True)
def test_fix_leaves_alone_what_could_hurt(dkimctl_inside: DkimctlInside) -> None:
    """A directory that others need, such as /tmp or somebody's home, keeps its mode: the key has to move."""
    tree = Tree(dkimctl_inside.root)
    tree.move_key("/tmp/keys/mail.private")
    ran = dkimctl_inside("doctor", "--fix")
    assert ran.code == 1
    assert tree.at("/tmp").stat().st_mode & 0o7777 == 0o1777
    assert "move the keys" in ran.out
