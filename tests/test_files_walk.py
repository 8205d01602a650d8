"""A path is walked by descriptors: no link that others could have planted is followed, and nothing leaves its tree."""

import os
import stat
import threading
from pathlib import Path

import pytest

from dkimctl import files
from dkimctl.errors import DiskError, Refused
from dkimctl.files.place import below
from dkimctl.files.rename import exchange, rename_new
from dkimctl.files.walk import open_folder, open_parent
from tests.conftest import needs

OTHER_USER = 4242
"""The number of a user who is neither root nor the caller."""


def owned(path: Path) -> tuple[int, int]:
    """The owner's number and the permission bits."""
    status = path.lstat()
    return status.st_uid, stat.S_IMODE(status.st_mode)


# --- links


def test_link_of_the_caller_in_a_directory_of_his_own_is_followed(tmp_path: Path) -> None:
    """A linked key directory is legitimate, on the way and as the last component, relative and absolute."""
    (tmp_path / "real").mkdir()
    (tmp_path / "relative").symlink_to("real")
    (tmp_path / "absolute").symlink_to(tmp_path / "relative")
    files.write_file(tmp_path / "absolute/table", b"x")
    assert files.make_directory(tmp_path / "relative/keys", mode=0o700)
    assert sorted(os.listdir(tmp_path / "real")) == ["keys", "table"]


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757])
def test_link_where_others_can_write_is_refused_before_anything_is_made(tmp_path: Path, mode: int) -> None:
    """Even the caller's own link is not followed where others can exchange it, not even in a sticky directory."""
    real, shared = tmp_path / "real", tmp_path / "shared"
    real.mkdir()
    shared.mkdir()
    (shared / "link").symlink_to(real)
    shared.chmod(mode)
    with pytest.raises(Refused, match="a link in a directory that others can write; it is not followed"):
        files.make_directory(shared / "link/a/b", mode=0o700)
    with pytest.raises(Refused):
        files.write_file(shared / "link/table", b"x")
    assert os.listdir(real) == []


@needs(root=True)
def test_link_of_another_user_is_refused(tmp_path: Path) -> None:
    """A link of another user is not followed, wherever it is and whatever its target."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    os.chown(tmp_path / "link", OTHER_USER, OTHER_USER, follow_symlinks=False)
    with pytest.raises(Refused, match="a link that another user made"):
        files.make_directory(tmp_path / "link/keys", mode=0o700)
    with pytest.raises(Refused, match="a link that another user made"):
        files.refuse_shared_directory(tmp_path / "link", files.caller())
    assert os.listdir(tmp_path / "real") == []


def test_links_without_an_end_are_an_error(tmp_path: Path) -> None:
    """A link that leads to itself, and a long chain, end as they do in the kernel."""
    (tmp_path / "self").symlink_to("self")
    with pytest.raises(DiskError, match="too many levels"):
        files.write_file(tmp_path / "self/x", b"")


def test_last_link_is_replaced_or_followed_as_asked(tmp_path: Path) -> None:
    """A table replaces a link in its place; a file that someone linked is written where it lies."""
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    files.write_file(tmp_path / "link", b"followed", follow=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "followed"
    files.write_file(tmp_path / "link", b"replaced")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "followed"


# --- trees


@pytest.mark.parametrize("target", ["{outside}", "../outside", "../../../../../../..{outside}", "sub/../../outside"])
def test_nothing_resolves_outside_the_tree(tmp_path: Path, target: str) -> None:
    """Below --root an absolute link starts at the root again, and `..` ends there."""
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    (tree / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("outside")
    (tree / "etc").symlink_to(target.format(outside=outside))
    place = files.as_place(tree, "/etc/secret")
    assert files.read_file(place) is None
    assert not files.is_there(place)
    with pytest.raises(DiskError):
        files.write_file(place, b"x")
    files.make_directory(files.as_place(tree, "/etc/made"), mode=0o755)
    assert sorted(os.listdir(outside)) == ["secret"]


def test_link_within_the_tree_is_followed(tmp_path: Path) -> None:
    """/var/run → /run is that of the tree."""
    (tmp_path / "run").mkdir()
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to("/run")
    files.write_file(files.as_place(tmp_path, "/var/run/pid"), b"1")
    assert (tmp_path / "run/pid").read_bytes() == b"1"
    assert files.read_file(files.as_place(tmp_path, "/var/run/pid")) == b"1"


def test_paths_made_of_a_place_stay_in_its_tree(tmp_path: Path) -> None:
    """Whatever is made of a path below --root still knows the tree; only what is relative belongs to none."""
    (tmp_path / "etc/keys").mkdir(parents=True)
    place = files.as_place(tmp_path, "/etc")
    made = [place / "x", place.parent, place.with_name("y"), (place / "a.b").with_suffix(".c"), place.absolute()]
    made += [*place.iterdir(), *place.glob("*"), *place.rglob("*"), *place.parents, place.joinpath("a", "b")]
    assert {path.tree for path in made} == {tmp_path}
    assert below(tmp_path, tmp_path).parent == tmp_path
    assert not isinstance(place.relative_to(tmp_path), files.Place)


# --- races


def swapping(one: Path, other: Path, stop: threading.Event) -> threading.Thread:
    """A thread that exchanges two names until it is stopped, as someone does who owns the directory."""

    def swap() -> None:
        with open_parent(one) as (here, name), open_parent(other) as (there, other_name):
            while not stop.is_set():
                exchange(name, other_name, here.descriptor, there.descriptor)

    thread = threading.Thread(target=swap)
    thread.start()
    return thread


@needs(root=True)
def test_directory_that_is_swapped_does_not_change_hands(tmp_path: Path) -> None:
    """While the owner of the directory exchanges names in it, only what was just made gets another owner."""
    hostile, victim = tmp_path / "hostile", tmp_path / "hostile/victim"
    victim.mkdir(parents=True)
    (victim / "precious").write_text("root's")
    os.chown(hostile, OTHER_USER, OTHER_USER)
    stop = threading.Event()
    (hostile / "keys").mkdir()
    (hostile / "keys/full").touch()
    thread = swapping(hostile / "keys", victim, stop)
    try:
        for _ in range(200):
            try:
                files.settle_directory(hostile / "keys", mode=0o700, owner=files.Owner(OTHER_USER, OTHER_USER, "x"))
            except Refused as error:
                assert "others could have put it there" in error.message
            except DiskError:
                pass  # it was away for a moment
    finally:
        stop.set()
        thread.join()
    assert {owned(hostile / name)[0] for name in ("keys", "victim")} == {0}


@needs(root=True)
def test_link_that_comes_and_goes_never_leads_outside(tmp_path: Path) -> None:
    """A directory exchanged for a link while it is walked: each file is written inside, or not at all."""
    hostile, outside = tmp_path / "hostile", tmp_path / "outside"
    (hostile / "keys").mkdir(parents=True)
    outside.mkdir()
    (hostile / "link").symlink_to(outside)
    os.chown(hostile, OTHER_USER, OTHER_USER)
    stop = threading.Event()
    thread = swapping(hostile / "keys", hostile / "link", stop)
    refused = 0
    try:
        for number in range(300):
            try:
                files.write_file(hostile / f"keys/{number}", b"x", durable=False)
            except Refused:
                refused += 1
            except DiskError:
                pass  # exchanged between two looks at it
    finally:
        stop.set()
        thread.join()
    assert os.listdir(outside) == []
    assert refused > 0


# --- what is made has its owner and mode from the first moment


@needs(root=True)
def test_new_directory_has_its_owner_and_mode_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill at any moment leaves no directory under its final name that the daemon could not use."""
    seen = []
    real = os.fchown

    def fchown(descriptor: int, uid: int, gid: int) -> None:
        seen.append((tmp_path / "keys").exists())
        real(descriptor, uid, gid)

    monkeypatch.setattr(os, "fchown", fchown)
    files.make_directory(tmp_path / "keys", mode=0o2750, owner=files.Owner(OTHER_USER, OTHER_USER, "x"))
    assert seen == [False]
    assert owned(tmp_path / "keys") == (OTHER_USER, 0o2750)
    assert os.listdir(tmp_path) == ["keys"]


@needs(root=True)
def test_directory_left_by_a_killed_run_gets_its_owner(tmp_path: Path) -> None:
    """An empty one of root's in the daemon's own directory is put right; one that holds something is named."""
    os.chown(tmp_path, OTHER_USER, OTHER_USER)
    daemon = files.Owner(OTHER_USER, OTHER_USER, "opendkim:opendkim")
    (tmp_path / "empty").mkdir(mode=0o755)
    files.settle_directory(tmp_path / "empty", mode=0o700, owner=daemon)
    assert owned(tmp_path / "empty") == (OTHER_USER, 0o700)
    (tmp_path / "full/of").mkdir(parents=True)
    with pytest.raises(Refused, match="belongs to 0:0, not to opendkim:opendkim"):
        files.settle_directory(tmp_path / "full", mode=0o700, owner=daemon)
    assert owned(tmp_path / "full")[0] == 0


@needs(root=True)
def test_owner_and_mode_of_a_file_with_several_names_stay(tmp_path: Path) -> None:
    """A hard link to another user's file is refused, and so is a link."""
    (tmp_path / "shadow").write_text("secret")
    os.link(tmp_path / "shadow", tmp_path / "hard")
    (tmp_path / "soft").symlink_to("shadow")
    for name, said in (("hard", "has several names"), ("soft", "is a symbolic link")):
        with pytest.raises(Refused, match=said):
            files.give(tmp_path / name, mode=0o644, owner=files.Owner(OTHER_USER, OTHER_USER, "x"))
    assert owned(tmp_path / "shadow")[0] == 0


# --- names given without replacing


def test_new_name_never_replaces_another(tmp_path: Path) -> None:
    """Neither a file nor a directory takes a name that something has, on any file system."""
    for name in ("old", "new"):
        (tmp_path / name).write_text(name)
        (tmp_path / f"{name}-directory").mkdir()
    with open_folder(tmp_path) as folder:
        for suffix in ("", "-directory"):
            with pytest.raises(FileExistsError):
                rename_new(f"old{suffix}", f"new{suffix}", folder.descriptor, folder.descriptor)
    assert (tmp_path / "new").read_text() == "new"


def test_file_is_linked_where_the_file_system_cannot_rename_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without renameat2 a new file and a new directory get their names all the same, and never another's."""
    monkeypatch.setattr("dkimctl.files.rename._renameat2", lambda: (None, None))
    files.create_file(tmp_path / "key", b"new")
    files.make_directory(tmp_path / "keys", mode=0o700)
    with pytest.raises(Refused, match="never overwritten"):
        files.create_file(tmp_path / "key", b"newer")
    assert (tmp_path / "key").read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["key", "keys"]


def test_second_name_of_a_key_is_removed(tmp_path: Path) -> None:
    """A run killed between link and unlink leaves two names of one private key; what is unfinished stays."""
    (tmp_path / "s1.private").write_text("key")
    os.link(tmp_path / "s1.private", tmp_path / ".dkimctl-0123")
    (tmp_path / ".dkimctl-4567").write_text("someone writes this now")
    with open_folder(tmp_path) as folder:
        folder.remove_leftovers()
    assert sorted(os.listdir(tmp_path)) == [".dkimctl-4567", "s1.private"]


# --- what is found where others can write


def found(folder: Path, name: str) -> bytes | None:
    """A file read as untrusted, from the other user."""
    with open_folder(folder) as opened:
        return files.read_untrusted(opened, name, frozenset({OTHER_USER}))


@needs(root=True)
def test_found_file_must_be_a_regular_small_one_of_the_right_owner(tmp_path: Path) -> None:
    """A link, a pipe, a device, a directory, a huge hole, another user's file and a hard link are refused at once."""
    os.chown(tmp_path, OTHER_USER, OTHER_USER)
    (tmp_path / "good").write_text("good")
    os.chown(tmp_path / "good", OTHER_USER, OTHER_USER)
    assert found(tmp_path, "good") == b"good"
    assert found(tmp_path, "missing") is None
    (tmp_path / "link").symlink_to("good")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    os.mknod(tmp_path / "zero", stat.S_IFCHR | 0o644, os.makedev(1, 5))
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 4 << 40)
    (tmp_path / "other").touch()
    os.chown(tmp_path / "other", OTHER_USER + 1, 0)
    (tmp_path / "root").write_text("secret")
    os.link(tmp_path / "root", tmp_path / "hard")
    for name in ("link", "pipe", "directory", "zero", "sparse", "other", "hard"):
        with pytest.raises(Refused, match="it is not read"):
            found(tmp_path, name)


def test_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    """A hole of 4 TB takes neither time nor memory, with any reader."""
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 4 << 40)
    with pytest.raises(DiskError, match="file too large"):
        files.read_file(path)
    with pytest.raises(OSError, match="too large"):
        files.open_file(path)


# --- files that grow


def test_log_is_added_to(tmp_path: Path) -> None:
    """Lines are appended to the existing file, also through a link of the caller's own."""
    (tmp_path / "real").write_text("old\n")
    (tmp_path / "link").symlink_to("real")
    with files.open_log(tmp_path / "link") as log:
        log.write("new\n")
    assert (tmp_path / "real").read_text() == "old\nnew\n"


@needs(root=True)
@pytest.mark.parametrize("plant", ["hard", "other's", "link"])
def test_log_that_others_planted_is_refused(tmp_path: Path, plant: str) -> None:
    """In a directory that others can write, only a file of the caller's own is added to."""
    shared, victim = tmp_path / "shared", tmp_path / "victim"
    shared.mkdir()
    victim.write_text("x")
    if plant == "hard":
        os.link(victim, shared / "log")
    elif plant == "link":
        (shared / "log").symlink_to(victim)
    else:
        (shared / "log").touch()
        os.chown(shared / "log", OTHER_USER, OTHER_USER)
    shared.chmod(0o777)
    with pytest.raises(Refused):
        files.open_log(shared / "log")
    assert victim.read_text() == "x"


# --- scratch directories


def test_scratch_directory_is_gone_afterwards_and_closed_to_others() -> None:
    """It lies where nobody else can write, has the mode asked for whatever the umask is, and leaves nothing."""
    before = os.umask(0)
    try:
        with files.scratch_directory("test") as place:
            assert owned(place) == (os.geteuid(), 0o700)
            (place / "a/b").mkdir(parents=True)
        with files.scratch_directory("test", mode=0o711) as other:
            assert owned(other)[1] == 0o711
            if os.geteuid() == 0:
                assert owned(other.parent) == (0, 0o711)
    finally:
        os.umask(before)
    assert not place.exists()


def test_copy_is_never_wider_than_its_original(tmp_path: Path) -> None:
    """A copied tree keeps each mode, takes links as what they lead to, and leaves pipes out."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "below").mkdir(parents=True, mode=0o700)
    (source / "below/secret").write_text("s")
    (source / "below/secret").chmod(0o600)
    (source / "plain").write_text("p")
    (source / "plain").chmod(0o644)
    (source / "link").symlink_to("plain")
    os.mkfifo(source / "pipe")
    target.mkdir()
    before = os.umask(0)
    try:
        files.copy_tree(source, target)
    finally:
        os.umask(before)
    assert sorted(os.listdir(target)) == ["below", "link", "plain"]
    assert owned(target / "below/secret")[1] == 0o600
    assert owned(target / "plain")[1] == 0o644
    assert not (target / "link").is_symlink()


# --- the root of a tree is opened once


def test_tree_that_was_replaced_is_seen(tmp_path: Path) -> None:
    """The root that was opened first is used again only while its path leads to it."""
    tree, other = tmp_path / "tree", tmp_path / "other"
    for place, content in ((tree, b"old"), (other, b"new")):
        place.mkdir()
        (place / "file").write_bytes(content)
    inside = below(tree, tree / "file")
    assert files.read_file(inside) == b"old"
    tree.rename(tmp_path / "away")
    assert files.read_file(inside) is None
    other.rename(tree)
    assert files.read_file(inside) == b"new"


def test_way_to_a_tree_that_only_readers_may_go_is_not_taken_to_write(tmp_path: Path) -> None:
    """A link that others can exchange is followed to read; that is no reason to follow it to write."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_bytes(b"x")
    (tmp_path / "shared/link").symlink_to(tmp_path / "real")
    (tmp_path / "shared").chmod(0o777)
    tree = tmp_path / "shared/link"
    inside = below(tree, tree / "file")
    assert files.read_file(inside) == b"x"
    with pytest.raises(Refused, match="it is not followed"):
        files.write_file(inside, b"y")


def test_walks_leave_no_descriptors(tmp_path: Path) -> None:
    """Of many trees that are walked in turn no more than the last one stays open."""
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        files.read_file(below(tmp_path / str(number), tmp_path / str(number) / "file"))
        (tmp_path / str(number)).mkdir()
        files.read_file(below(tmp_path / str(number), tmp_path / str(number) / "file"))
    assert len(os.listdir("/proc/self/fd")) <= before + 2
