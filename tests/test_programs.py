"""Child processes: no secret, no terminal, no time and no directory of another user's for them to use."""

import ast
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dkimctl.errors import ConfigError, Unavailable
from dkimctl.programs import Identity, child, find_program, open_as_user, run_program, search
from dkimctl.programs.opener import NOT_REGULAR
from tests.conftest import REPOSITORY, Dkimctl, needs, open_to_others
from tests.processes import started

STARTING = {"subprocess", "multiprocessing", "pickle", "marshal", "shelve", "pty"}
STARTING_CALLS = ("system", "popen", "fork", "forkpty", "exec", "spawn", "posix_spawn")
FIXED = {"PATH", "LANG", "HOME"}
SECRETS = {"OVH_APPLICATION_SECRET": "hush1", "DKIMCTL_SMTP_PASSWORD": "hush2", "LD_PRELOAD": "", "BASH_ENV": "/x"}
# what a hostile child tries on every descriptor and on the terminal of its session
TYPE_INTO = r"""
open(my $tty, '+<', '/dev/tty');
for my $stream (*STDIN, *STDOUT, *STDERR, $tty) { for (split //, "id\n") { my $c = $_; ioctl($stream, 0x5412, $c) } }
"""
WITHIN_A_TERMINAL = f"""
import select, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from dkimctl.programs import Identity, run_program
run_program("perl", "-e", sys.argv[1], user=Identity.named("nobody"))
sys.exit(len(select.select([0], [], [], 0.2)[0]))
"""
WITHOUT_PROTECTION = """
import os, select, subprocess, sys
subprocess.run(["perl", "-e", sys.argv[1]], user="nobody", group="nogroup", extra_groups=[])
sys.exit(len(select.select([0], [], [], 0.2)[0]))
"""


def starts_processes(path: Path) -> list[str]:
    """What in a module could start a process, or turn octets into objects."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in STARTING]
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if str(node.module).split(".")[0] in STARTING or "ProcessPoolExecutor" in names:
                found.append(str(node.module))
            if node.module == "os":
                found += [name for name in names if name.startswith(STARTING_CALLS)]
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if (owner == "os" and node.attr.startswith(STARTING_CALLS)) or node.attr.startswith("create_subprocess"):
                found.append(f"{owner}.{node.attr}")
    return found


def test_one_room_starts_processes() -> None:
    """Whatever starts a process, or unpickles, is in dkimctl/programs; nothing there goes through a shell."""
    package = REPOSITORY / "dkimctl"
    elsewhere = {
        str(path.relative_to(package)): found
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] != "programs" and (found := starts_processes(path))
    }
    assert elsewhere == {}
    assert "shell=" not in "".join(path.read_text() for path in (package / "programs").glob("*.py"))


@pytest.mark.parametrize("user", [None, pytest.param("nobody", marks=needs(root=True))])
def test_environment(monkeypatch: pytest.MonkeyPatch, user: str | None) -> None:
    """A child finds three fixed variables: none with a secret, none that steers a shell or the loader."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    identity = Identity.named(user) if user else None
    said = run_program("env", user=identity).out
    assert {line.partition("=")[0] for line in said.splitlines()} == FIXED
    assert "LANG=C.UTF-8" in said


@needs(root=True)
def test_the_environment_of_root_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child of another user reads neither root's environment nor its memory in /proc."""
    script = "cat /proc/$PPID/environ /proc/$PPID/maps; dd if=/proc/$PPID/mem count=1"
    ended = run_program("sh", "-c", script, user=Identity.named("nobody"))
    assert (ended.out, ended.code != 0) == ("", True)
    assert ended.err.count("Permission denied") == 3


@needs(root=True)
def test_the_user_is_that_user() -> None:
    """A child of another user has its numbers and groups, and none of root's."""
    nobody = Identity.named("nobody")
    said = run_program("sh", "-c", "grep -E '^(Uid|Gid|Groups):' /proc/self/status", user=nobody).out
    numbers = [set(line.split()[1:]) for line in said.splitlines()]
    assert numbers == [{str(nobody.uid)}, {str(nobody.gid)}, set(map(str, nobody.groups))]


def in_a_terminal(script: str) -> int:
    """The exit code of a Python script that is the first process of a terminal, as a shell is."""
    from pty import fork

    process, terminal = fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-c", script, TYPE_INTO])
    try:
        while os.read(terminal, 1024):
            pass
    except OSError:  # the terminal is closed
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@needs(root=True)
def test_no_child_types_into_our_terminal() -> None:
    """A child of another user can't put input into root's terminal (TIOCSTI); without its own session it could."""
    if in_a_terminal(WITHOUT_PROTECTION) == 0:
        pytest.skip("the kernel refuses TIOCSTI to everybody")
    assert in_a_terminal(WITHIN_A_TERMINAL) == 0


def test_it_inherits_nothing() -> None:
    """A child has no descriptor of ours, no terminal, a session of its own, and reads an end from stdin."""
    with open("/dev/null") as held:
        os.set_inheritable(held.fileno(), True)
        said = run_program("sh", "-c", "readlink /proc/$$/fd/*; cut -d' ' -f5-7 /proc/$$/stat; echo $$; umask; cat")
    *descriptors, numbers, own, mask = said.out.split("\n")[:-1]
    assert [name.partition(":")[0] for name in descriptors] == ["/dev/null", "pipe", "pipe"]
    assert numbers == f"{own} {own} 0"
    assert mask == "0022"


def test_input_of_any_size() -> None:
    """What is given as input arrives whole, more than a pipe holds; a child that does not read it is no error."""
    data = os.urandom(1 << 20).hex()
    assert run_program("cat", input=data.encode()).out == data
    assert run_program("true", input=data.encode()).code == 0


def is_ended(process: int) -> bool:
    """Return whether it has ended, or ends soon: a signal takes its time on a busy machine."""
    deadline = time.monotonic() + 20
    while is_running(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(process)


def is_running(process: int) -> bool:
    """Return whether a process of this number runs (a dead one that nobody has waited for does not)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("trick", ["kill -STOP $$", "trap '' TERM INT HUP; while :; do sleep 1; done", "sleep 600"])
def test_a_deadline(tmp_path: Path, trick: str) -> None:
    """A child that stops itself, ignores signals or waits is ended with all its group, and an error says so."""
    note = tmp_path / "pid"
    with pytest.raises(Unavailable, match="sh did not end in time"):
        run_program("sh", "-c", f"sleep 600 & echo $$ $! > {note}; {trick}", within=1)
    assert all(is_ended(int(process)) for process in note.read_text().split())


@needs(root=True)
def test_a_grandchild_does_not_outlive() -> None:
    """What a child of another user leaves in its group is killed, though it keeps the output open."""
    said = run_program("sh", "-c", "trap '' HUP TERM; sleep 600 & echo $!", user=Identity.named("nobody")).out
    assert is_ended(int(said))


@pytest.mark.parametrize("how", ["", "setsid"])
def test_a_daemon_may_outlive(how: str) -> None:
    """What a child of our own user leaves goes on, as a daemon that a reload command starts; nobody waits for it."""
    process = int(run_program("sh", "-c", f"{how} sleep 600 & echo $!", within=20).out)
    assert is_running(process)
    os.kill(process, signal.SIGKILL)


def test_output_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that writes without an end is ended; what it wrote does not fill the memory."""
    monkeypatch.setattr(child, "MOST", 1 << 20)
    for script in ("yes", "yes >&2"):
        with pytest.raises(Unavailable, match="wrote more than"):
            run_program("sh", "-c", script)


def test_an_interruption_ends_it(tmp_path: Path) -> None:
    """Ctrl-C in the middle ends the child, which gets no signal of its own."""
    note = tmp_path / "pid"
    script = f"import dkimctl.programs as p; p.run_program('sh', '-c', 'echo $$ > {note}; exec sleep 600')"
    with started([sys.executable, "-c", script], cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
        while not (note.exists() and note.read_text().endswith("\n")):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert is_ended(int(note.read_text()))


# --- where programs come from -----------------------------------------------------------------------------------------


def planted(directory: Path, *names: str) -> Path:
    """A directory of programs that leave a note that they were run."""
    directory.mkdir(mode=0o755)
    for name in names:
        (directory / name).write_text(f"#!/bin/sh\necho {name} >> {directory}/ran\n")
        (directory / name).chmod(0o755)
    return directory


@needs("postconf", root=True)
def test_root_runs_nothing_from_path(dkimctl: Dkimctl, tmp_path: Path) -> None:
    """A directory first in PATH has no say in what root runs."""
    names = ("postconf", "opendkim", "chronyc", "systemctl", "runuser", "rspamadm", "postfix", "sh")
    evil = planted(tmp_path / "evil", *names)
    (tmp_path / "root/etc/postfix").mkdir(parents=True)
    (tmp_path / "root/etc/postfix/main.cf").write_text("compatibility_level = 3.6\n")
    path = {"PATH": f"{evil}:{os.environ['PATH']}"}
    assert dkimctl("doctor", env=path).code in (0, 1)
    assert dkimctl("doctor", env={**path, "DKIMCTL_ROOT": "/"}).code in (0, 1, 3)
    assert dkimctl("genkey", "example.com", "--owner", "0:0", env=path).code == 0
    assert dkimctl("render-config", "--check", env=path).code in (0, 1)
    assert not (evil / "ran").exists()


def test_others_run_their_own_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An ordinary user's own PATH counts for them, its relative directories excepted."""
    own = planted(tmp_path / "own", "postconf")
    monkeypatch.setenv("PATH", f".:{own}")
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert find_program("postconf") == f"{own}/postconf"
    assert "." not in search.search_path()


def change_mode(path: Path) -> None:
    """Let everybody write."""
    path.chmod(path.stat().st_mode | 0o002)


def change_group(path: Path) -> None:
    """Let the group write."""
    path.chmod(path.stat().st_mode | 0o020)


def change_owner(path: Path) -> None:
    """Give it to another user."""
    os.chown(path, 65534, 65534)


@needs(root=True)
@pytest.mark.parametrize("change", [change_mode, change_group, change_owner])
@pytest.mark.parametrize("node", ["above", "above/bin", "above/bin/tool", "link"])
def test_what_others_can_change(tmp_path: Path, change: object, node: str) -> None:
    """A program that others can change, itself or by a node on its way, links included, is not run and is named."""
    above = tmp_path / "above"
    above.mkdir()
    bin = planted(above / "bin", "tool")
    (tmp_path / "link").symlink_to("above/bin")
    used = f"{tmp_path}/link/tool" if node == "link" else f"{bin}/tool"
    assert find_program(used) == used
    if node == "link":
        os.chown(tmp_path / "link", 65534, 65534, follow_symlinks=False)
    else:
        assert callable(change)
        change(tmp_path / node)
    assert find_program(used) is None
    with pytest.raises(Unavailable, match=f"is not run as root: others can change {tmp_path / node}"):
        run_program(used)


@needs(root=True)
def test_sticky_directories(tmp_path: Path) -> None:
    """In a directory with the sticky bit what is root's cannot be replaced; in the last one others can add programs."""
    shared = tmp_path / "shared"
    bin = planted(shared, "tool")
    shared.chmod(0o1777)
    assert search.changeable_at(bin / "tool") == ""
    assert search.changeable_at(shared) == str(shared)
    assert search.changeable_at(shared / "absent") == str(shared / "absent")
    (shared / "up").symlink_to("../shared/tool")
    assert search.changeable_at(shared / "up") == ""
    (shared / "loop").symlink_to("loop")
    assert search.changeable_at(shared / "loop") == str(shared / "loop")


@needs(root=True)
def test_directories_from_the_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`[paths] programs` comes first, but only from a file that root alone can change, and only closed directories."""
    from dkimctl.config.load import load_settings

    monkeypatch.setattr(search, "_configured", ())
    mine, open_one = planted(tmp_path / "mine", "postconf"), planted(tmp_path / "open", "postconf")
    open_one.chmod(0o777)
    file = tmp_path / "dkimctl.toml"
    file.write_text(f'[paths]\nprograms = ["{open_one}", "{mine}"]\n')
    load_settings(str(file), environment={})
    assert find_program("postconf") == f"{mine}/postconf"
    assert search.search_path()[0] == str(mine)
    os.chown(file, 65534, 65534)
    with pytest.raises(ConfigError) as caught:
        load_settings(str(file), environment={})
    assert "others can change" in caught.value.problems[0]
    file.write_text('[providers.zonefile]\nreload = ["rndc", "reload"]\n')
    from dkimctl.providers.zonefile.options import options_from

    settings = load_settings(str(file), environment={})
    with pytest.raises(ConfigError) as caught:
        options_from(settings.providers["zonefile"], settings)
    assert "others can change" in caught.value.problems[0]


def test_a_relative_program_is_none() -> None:
    """A path that depends on the working directory is no program; one that is not there is not installed."""
    assert find_program("bin/sh") is None
    with pytest.raises(Unavailable, match="no-such-tool is not installed"):
        run_program("no-such-tool")


# --- as another user --------------------------------------------------------------------------------------------------


@needs(root=True)
def test_what_another_user_can_open(tmp_path: Path) -> None:
    """The kernel's answer for each path, with the user's groups, below a root, and without opening what is no file."""
    open_to_others(tmp_path / "x")
    for name, mode in (("open", 0o644), ("closed", 0o600)):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(mode)
    os.mkfifo(tmp_path / "fifo", 0o644)
    (tmp_path / "link").symlink_to("/open")
    nobody = Identity.named("nobody")
    names = ["/open", "/closed", "/fifo", "/link", "/absent", "/nul\0", "/" + "x" * 300]
    assert open_as_user.open_results(names, nobody, tmp_path) == [0, 13, NOT_REGULAR, 0, 2, 22, 36]
    assert open_as_user.open_results([], nobody, tmp_path) == []
    many = [str(tmp_path / "open")] * 50_000
    assert set(open_as_user.open_results(many, nobody, Path("/"))) == {0}


@needs(root=True)
def test_answers_are_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever comes back is two octets a path or an error; nothing in it is ever unpickled."""

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "unpickled"),)

    opener = tmp_path / "opener.py"
    monkeypatch.setattr(open_as_user, "_OPENER", opener)
    for answer in (b"", b"\0", b"\0" * 5, pickle.dumps(Evil())):
        opener.write_text(f"import sys; sys.stdout.buffer.write({answer!r})")
        with pytest.raises(Unavailable, match="cannot try to open files"):
            open_as_user.open_results(["/a", "/b"], Identity.named("nobody"), Path("/"))
    assert not (tmp_path / "unpickled").exists()


TRYING = f"""
import os, runpy, signal, sys
os.set_inheritable(3, True) if os.path.exists("/proc/self/fd/3") else None
opener = runpy.run_path({str(REPOSITORY / "dkimctl/programs/opener.py")!r})
opener["main"].__globals__["result_of"] = lambda path: (os.write(2, b"ready\\n"), signal.pause())
opener["main"](65534, 65534, [65534], "/")
"""


@needs(root=True)
def test_the_user_cannot_look_into_it() -> None:
    """The process that tries the paths belongs to root in /proc: its user can neither trace it nor read its memory."""
    command = [sys.executable, "-I", "-S", "-c", TRYING]
    with subprocess.Popen(command, stdin=-1, stderr=-1, env={"HUSH": "secret"}, start_new_session=True) as process:
        assert process.stdin and process.stderr
        process.stdin.write(b"/etc/passwd\0")
        process.stdin.close()
        assert process.stderr.readline() == b"ready\n"
        place = f"/proc/{process.pid}"
        status = Path(f"{place}/status").read_text()
        assert "Uid:\t65534\t65534\t65534\t65534" in status
        assert "NoNewPrivs:\t1" in status
        assert "CapPrm:\t0000000000000000" in status
        script = f"cat {place}/environ {place}/maps {place}/mem; ls {place}/fd"
        tried = run_program("sh", "-c", script, user=Identity(65534, 65534, ()))
        process.kill()
    assert tried.out == ""
    assert tried.err.count("Permission denied") == 4


@needs(root=True)
def test_doctor_goes_on_when_it_cannot_be_tried(
    dkimctl_inside: Dkimctl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process that tries the keys and is stopped by its user costs one finding, not the whole check."""
    from tests.host_tree import Tree

    Tree(dkimctl_inside.root)
    stopping = tmp_path / "opener.py"
    stopping.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)\n")
    monkeypatch.setattr(open_as_user, "_OPENER", stopping)
    monkeypatch.setattr(open_as_user, "PATIENCE", 0.5)
    ran = dkimctl_inside("doctor", "--json", "--no-dns")
    assert ran.code == 3
    assert "did not end in time" in " ".join(f["seen"] for f in ran.json["findings"])


def test_what_a_program_writes_while_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine it may write and end between two looks: one at its output, the next at whether it has ended."""

    def has_ended(process: "subprocess.Popen[bytes]") -> bool:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT) is not None

    real = child._has_ended
    seen: list[bool] = []

    def first_while_it_runs(process: "subprocess.Popen[bytes]") -> bool:
        seen.append(has_ended(process) if seen else real(process))
        return seen[-1]

    for look in (has_ended, first_while_it_runs):
        monkeypatch.setattr(child, "_has_ended", look)
        ended = run_program("sh", "-c", "sleep 0.3; echo said; echo complained >&2")
        assert (ended.out, ended.err) == ("said\n", "complained\n")
