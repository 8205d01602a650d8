"""`adopt` and what is wrong with an installation: told, left as it is, and no hindrance to the rest."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Dkimctl, DkimctlOfNobody, Run, needs
from tests.handmade import article, mail_in_a_box, plain_files
from tests.host_tree import CONF_PATH, KEYS, NOBODY, OPENDKIM, SIGNING, Tree, key_pair

pytestmark = needs(root=True)
BAD = "/etc/opendkim/keys/bad.example/mail.private"


@pytest.fixture
def adopt(dkimctl_inside: Dkimctl) -> Callable[..., Run]:
    """`adopt(tree, *options)`."""
    return lambda tree, *options: dkimctl_inside("adopt", "--root", tree.root, *options)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A sound domain, and bad.example beside it."""
    tree = plain_files(tmp_path / "host")
    tree.directory("/etc/opendkim/keys/bad.example", 0o700, OPENDKIM)
    tree.key(BAD)
    tree.append(KEYS, f"bad bad.example:mail:{BAD}\n")
    tree.append(SIGNING, "bad.example bad\n")
    return tree


def weak(tree: Tree) -> None:
    """Too short for verifiers."""
    from tests.doctor_cases import WEAK

    tree.key(BAD, WEAK)


FAULTS: dict[str, tuple[Callable[[Tree], None], str]] = {
    "weak": (weak, "768 bits"),
    "missing": (lambda tree: tree.at(BAD).unlink(), "there is no file"),
    "not the daemon's": (lambda tree: tree.change(BAD, 0o600, (0, 0)), "opendkim cannot open"),
    "open to others": (lambda tree: tree.change(BAD, 0o644), "can be read or written by other users"),
    "unsafe directory": (lambda tree: tree.change("/etc/opendkim/keys/bad.example", 0o777), "not secure"),
    "another user's": (lambda tree: tree.change(BAD, 0o644, NOBODY), "not owned by the executing uid"),
    "no key": (lambda tree: tree.key(BAD, b"hello\n"), "not a private key in PEM form"),
    "empty": (lambda tree: tree.key(BAD, b""), "it is empty"),
    "other algorithm": (
        lambda tree: tree.key(BAD, key_pair("ed25519").private_pem),
        "SignatureAlgorithm is rsa-sha256",
    ),
    "other d=": (lambda tree: tree.swap(KEYS, "bad bad.example", "bad example.org"), "signs with d=example.org"),
    "no KeyTable row": (lambda tree: tree.swap(KEYS, "bad bad.example", "good bad.example"), "there is no key bad"),
    "shadowed": (
        lambda tree: tree.swap(SIGNING, "boss@", "bad.example main\nboss@"),
        "an earlier row matches its mail first",
    ),
    "inline key": (lambda tree: tree.swap(KEYS, BAD, "MIICXAIB"), "written in the table itself"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_and_the_rest_goes_on(tree: Tree, adopt: Callable[..., Run], name: str) -> None:
    """The sound domain is taken over; the other keeps its lines, with the reason beside the place."""
    damage, words = FAULTS[name]
    damage(tree)
    before = tree.at(SIGNING).read_text()
    ran = adopt(tree, "--install")
    said = " ".join(ran.out.split())
    assert words in said, ran.out + ran.err
    assert ran.code in (0, 1), ran.err
    assert "take over example.com and all below it: s1" in said
    assert tree.at("/etc/opendkim/keys/example.com/s1.json").exists()
    after = tree.at(SIGNING).read_text()
    assert "bad.example bad\n" in after
    assert "bad.example bad\n" in before
    assert not tree.at("/etc/opendkim/keys/bad.example/mail.json").exists()


def test_a_short_key_that_signs_is_taken_over_with_a_word(tree: Tree, adopt: Callable[..., Run]) -> None:
    """1024 bits: verifiers accept it, so nothing is lost by taking it over; doctor's finding says what to do."""
    tree.key(BAD, key_pair("rsa", 1024).private_pem)
    ran = adopt(tree, "--install")
    assert ran.code == 0, ran.err
    assert "bad.example: mail (rsa 1024)" in ran.out
    assert "dkimctl genkey bad.example" in " ".join(ran.out.split())


@needs(namespaces=True)
def test_an_ordinary_user_is_told_what_cannot_be_read(dkimctl_of_nobody: DkimctlOfNobody) -> None:
    """Exit 3: a key that cannot be read is not taken over, and not said to be right."""
    article(dkimctl_of_nobody.root)
    ran = dkimctl_of_nobody("adopt")
    assert ran.code == 3, ran.err
    assert "permission denied" in ran.err
    assert "nothing to take over" in ran.out


def test_a_configuration_of_the_admin_is_not_touched(tmp_path: Path, adopt: Callable[..., Run]) -> None:
    """dkimctl.toml that is there stays; what it should say as well is told, ready to be copied."""
    tree = mail_in_a_box(tmp_path / "host")
    tree.write("/etc/dkimctl/dkimctl.toml", '[signing]\nsocket = "inet:8891@127.0.0.1"\n')
    ran = adopt(tree, "--install")
    for line in ("right after its line [signing]:", 'tables = "refile"', "subdomains = false"):
        assert line in " ".join(ran.err.split()), ran.err
    assert "socket = " not in ran.err
    assert tree.at("/etc/dkimctl/dkimctl.toml").read_text() == '[signing]\nsocket = "inet:8891@127.0.0.1"\n'


@pytest.mark.parametrize(
    ("conf", "code", "words"),
    [
        ("Syslog yes\n", 2, "begin with: dkimctl setup"),
        ("Mode v\nKeyTable file:/x\nSigningTable file:/y\n", 2, "nothing to take over"),
        ("KeyTable dsn:pgsql://u:p@h/d\nSigningTable file:/etc/opendkim/SigningTable\n", 2, "a database"),
        ("KeyTable file:/etc/opendkim/None\nSigningTable file:/etc/opendkim/SigningTable\n", 2, "no such file"),
    ],
)
def test_what_cannot_be_taken_over_is_said(
    tree: Tree, adopt: Callable[..., Run], conf: str, code: int, words: str
) -> None:
    """No installation, one that only verifies, a database, a table that is not there."""
    tree.write(CONF_PATH, conf)
    ran = adopt(tree, "--install")
    assert ran.code == code
    assert words in ran.err


def test_options_that_exclude_each_other(tree: Tree, adopt: Callable[..., Run]) -> None:
    """Looking, doing and undoing at once is wrong usage."""
    assert adopt(tree, "--install", "--undo").code == 2
    assert adopt(tree, "--check", "--install").code == 2


def test_undo_does_not_overwrite_what_came_after(tree: Tree, adopt: Callable[..., Run]) -> None:
    """A table that was changed since is named, and nothing at all is put back."""
    adopt(tree, "--install")
    tree.append(SIGNING, "later.example main\n")
    after = {path: tree.at(path).read_bytes() for path in (KEYS, SIGNING)}
    ran = adopt(tree, "--undo")
    assert ran.code == 1
    assert f"{SIGNING} was changed after the adoption" in ran.err
    assert {path: tree.at(path).read_bytes() for path in after} == after


def test_an_undo_that_was_interrupted_is_completed(tree: Tree, adopt: Callable[..., Run]) -> None:
    """One file is back already: the same command puts back the others."""
    before = tree.at(KEYS).read_bytes(), tree.at(SIGNING).read_bytes()
    adopt(tree, "--install")
    tree.at(SIGNING).write_bytes(before[1])
    tree.at("/etc/opendkim/keys/example.com/s1.json").unlink()
    assert adopt(tree, "--undo").code == 0
    assert (tree.at(KEYS).read_bytes(), tree.at(SIGNING).read_bytes()) == before


def test_two_adoptions_are_undone_one_after_the_other(tree: Tree, adopt: Callable[..., Run]) -> None:
    """A domain whose key was fixed is taken over later; each --undo goes back by one."""
    tree.change(BAD, 0o644)
    start = tree.at(SIGNING).read_bytes()
    adopt(tree, "--install")
    middle = tree.at(SIGNING).read_bytes()
    tree.change(BAD, 0o600)
    assert adopt(tree, "--install").code == 0
    assert tree.at(SIGNING).read_bytes() != middle
    assert adopt(tree, "--undo").code == 0
    assert tree.at(SIGNING).read_bytes() == middle
    assert adopt(tree, "--undo").code == 0
    assert tree.at(SIGNING).read_bytes() == start
