"""`adopt`: installations made by hand are taken over, sign as before, and can be put back byte for byte."""

import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dkimctl.config.load import load_settings
from dkimctl.dkim.signature import verify
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Phase, Tags
from dkimctl.keys.pair import load
from dkimctl.keys.store import Key
from dkimctl.record.model import record_for
from tests.conftest import Dkimctl, Run, needs
from tests.handmade import LAYOUTS, article
from tests.host_tree import CONF_PATH, Tree

as_root = needs(root=True)
SENDERS = (
    *("contact@domain.tld", "a@sub.domain.tld", "a@very.deep.domain.tld", "a@xdomain.tld"),
    *("a@example.com", "a@sub.example.com", "a@example.org", "a@sub.example.org", "a@box.example.com"),
    *("boss@example.org", "a@example.net", "news@lists.example.net", "a@lists.example.net"),
)


@pytest.fixture
def adopt(dkimctl_inside: Dkimctl) -> Callable[..., Run]:
    """`adopt(tree, *options)`."""
    return lambda tree, *options: dkimctl_inside("adopt", "--root", tree.root, *options)


@pytest.fixture(params=LAYOUTS)
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    """Each layout."""
    return LAYOUTS[request.param](tmp_path / "host")


def files(tree: Tree) -> dict[str, tuple[bytes, int, int, int]]:
    """Every file of the tree with content, mode and owner; backups and locks left out."""
    return {
        str(path.relative_to(tree.root)): (
            path.read_bytes(),
            path.stat().st_mode,
            path.stat().st_uid,
            path.stat().st_gid,
        )
        for path in sorted(tree.root.rglob("*"))
        if path.is_file() and path.name != ".lock" and "var/backups" not in str(path)
    }


def managed(tree: Tree) -> dict[str, tuple[Key, ...]]:
    """What dkimctl knows of the tree's keys."""
    settings = load_settings(root=str(tree.root), environment={})
    store = KeyDirectory(settings.key_directory, shown=settings.paths.keys)
    return {domain: store.keys(domain) for domain in store.domains()}


def message(sender: str) -> str:
    """The message that is signed."""
    return f"From: {sender}\nTo: x@example.org\nSubject: hello\n\nOnly a few words ...\n"


def signatures(tree: Tree, senders: tuple[str, ...] = SENDERS) -> dict[str, str]:
    """The signature that the real opendkim makes for each sender at a fixed time, as its own user; empty for none."""
    for number, sender in enumerate(senders):
        tree.write(f"/home/alice/{number}", message(sender))
    # its test mode signs only when it does not verify as well
    tree.write("/home/alice/conf", f"Include {CONF_PATH}\nMode s\n")
    sign = "setpriv --reuid 3103 --regid 3107 --clear-groups opendkim -x /home/alice/conf -F 1700000000"
    script = " ".join(f"echo; echo @{number}; {sign} -t /home/alice/{number};" for number in range(len(senders)))
    ended = tree.namespace(f"{script} true")
    shutil.rmtree(tree.at("/home/alice"))
    tree.directory("/home/alice", 0o755)
    parts = re.split(r"^@(\d+)\n", ended.stdout, flags=re.MULTILINE)
    assert len(parts) == 2 * len(senders) + 1, ended.stderr
    found = zip(parts[1::2], parts[2::2], strict=True)
    return {senders[int(number)]: text.partition("DKIM-Signature: ")[2].strip() for number, text in found}


# --- the article's ----------------------------------------------------------------------------------------------------


@as_root
def test_the_articles_installation_is_shown_and_nothing_is_written(tmp_path: Path, adopt: Callable[..., Run]) -> None:
    """The key, its size and its file; the diff of what would change, with the reason; exit 0, and 1 with --check."""
    tree = article(tmp_path / "host")
    before = files(tree)
    ran = adopt(tree)
    assert ran.code == 0, ran.err
    assert "domain.tld and all below it: mail (rsa 2048)" in ran.out
    assert "/etc/opendkim/keys/mail.private" in ran.out
    assert "+# BEGIN dkimctl" in ran.out
    assert '+socket = "inet:8891@localhost"' in ran.out
    assert "nothing was written" in ran.err
    assert max(map(len, ran.out.partition("\n\n")[0].splitlines())) <= 80
    assert adopt(tree, "--check").code == 1
    assert files(tree) == before


@as_root
def test_the_articles_key_is_active_where_it_lies(tmp_path: Path, adopt: Callable[..., Run]) -> None:
    """opendkim-genkey's flat key: its metadata beside it, the tags of its record, and opendkim.conf untouched."""
    tree = article(tmp_path / "host")
    conf = tree.at(CONF_PATH).read_bytes()
    assert adopt(tree, "--install").code == 0
    [key] = managed(tree)["domain.tld"]
    assert (key.selector, key.path, key.phase) == ("mail", "/etc/opendkim/keys/mail.private", Phase.ACTIVE)
    assert key.metadata.tags == Tags("sha256", "email")
    assert tree.at(CONF_PATH).read_bytes() == conf


@needs("opendkim", "postfix", root=True, namespaces=True)
def test_mail_is_signed_exactly_as_before(tree: Tree, adopt: Callable[..., Run]) -> None:
    """For every layout the real opendkim makes the same signatures before, after, and after --undo; all verify."""
    has_tables = "KeyTable" in tree.at(CONF_PATH).read_text()
    before = signatures(tree)
    assert any(before.values())
    ran = adopt(tree, "--install")
    assert ran.code == 0, ran.err + ran.out
    after = signatures(tree)
    assert [outline(text) for text in after.values()] == [outline(text) for text in before.values()]
    if has_tables:
        assert after == before
    key = load(next(tree.root.rglob("*.private"))).public
    record = record_for(key, key.algorithm, Tags()).text
    for sender, text in after.items():
        if text:
            [found] = verify(f"DKIM-Signature: {text}\n{message(sender)}".encode(), lambda _: record)
            assert found.valid, (sender, found)
    assert adopt(tree, "--undo").code == 0
    assert signatures(tree) == before


@needs("opendkim", "postfix", root=True, namespaces=True)
def test_the_next_rendering_signs_exactly_as_before(tree: Tree, adopt: Callable[..., Run], dkimctl: Dkimctl) -> None:
    """What a person chose counts after `render-config --install` too: fields signed once more, Mode sv, the UMask."""
    chosen = {"OversignHeaders": "From,Subject", "Mode": "sv", "UMask": "022", "AutoRestart": "no"}
    conf = tree.at(CONF_PATH).read_text()
    kept = [line for line in conf.splitlines() if line.split()[:1] and line.split()[0] not in (*chosen, "SOCKET")]
    lines = [f"{name} {value}" for name, value in chosen.items()]
    tree.at(CONF_PATH).write_text("\n".join([*kept, *lines]) + "\n")
    before = signatures(tree)
    assert adopt(tree, "--install").code == 0
    ran = dkimctl("render-config", "--install", "--root", tree.root)
    assert ran.code == 0, ran.err
    asked = tree.namespace(" && ".join(f"opendkim -x {CONF_PATH} -e {name} | head -1" for name in chosen))
    assert asked.stdout.split() == ["From,Subject", "sv", "18", "False"], asked
    assert [outline(text) for text in signatures(tree).values()] == [outline(text) for text in before.values()]
    assert ["h=" + fields(text) for text in signatures(tree).values()] == [
        "h=" + fields(text) for text in before.values()
    ]


def fields(signature: str) -> str:
    """The value of h=, without folding."""
    return "".join("".join(re.split(r";\s*h=", signature)[1:]).partition(";")[0].split())


def outline(text: str) -> list[str]:
    """Algorithm, canonicalization, d= and s=. Without tables opendkim adds `i=@DOMAIN` for sub-domains: its default."""
    return [tag.strip() for tag in text.split(";")[:5]]


@as_root
def test_undo_puts_every_byte_back(tree: Tree, adopt: Callable[..., Run]) -> None:
    """Content, mode and owner of every file, none left over, and no directory either."""
    before, places = files(tree), directories(tree)
    assert adopt(tree, "--install").code == 0
    assert files(tree) != before
    ran = adopt(tree, "--undo")
    assert ran.code == 0, ran.err
    assert files(tree) == before
    assert directories(tree) == places
    assert adopt(tree, "--undo").code == 2


@as_root
def test_undo_finds_copies_that_were_made_a_moment_later(tree: Tree, adopt: Callable[..., Run]) -> None:
    """With 10,000 domains, seconds pass between the plan and the first copy."""
    before = files(tree)
    assert adopt(tree, "--install").code == 0
    [copies] = tree.at("/var/backups/dkimctl").glob("*Z")
    then = datetime.strptime(copies.name, "%Y%m%dT%H%M%SZ") + timedelta(seconds=12)
    copies.rename(copies.with_name(f"{then:%Y%m%dT%H%M%SZ}"))
    assert adopt(tree, "--undo").code == 0
    assert files(tree) == before


def directories(tree: Tree) -> set[str]:
    """Every directory but those of backups."""
    found = {str(path.relative_to(tree.root)) for path in tree.root.rglob("*") if path.is_dir()}
    return {path for path in found if "var/backups" not in path}


@as_root
def test_a_second_run_has_nothing_to_do(tree: Tree, adopt: Callable[..., Run]) -> None:
    """The same command again changes nothing, and --check exits 0."""
    assert adopt(tree, "--install").code == 0
    after = files(tree)
    assert adopt(tree, "--check").code == 0
    assert adopt(tree, "--install").code == 0
    assert files(tree) == after


@as_root
def test_nothing_of_a_private_key_is_printed(tree: Tree, adopt: Callable[..., Run]) -> None:
    """Neither in the plan, nor in the diff, nor in JSON, nor in the files that are written."""
    keys = [path.read_text() for path in tree.root.rglob("*.private")]
    said = "".join(adopt(tree, *options).out for options in ((), ("--json",), ("-v", "--install")))
    written = "".join(path.read_text() for path in tree.root.rglob("*.json"))
    for key in keys:
        for line in key.splitlines()[1:-1]:
            assert line not in said + written
