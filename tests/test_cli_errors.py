"""Every way to end that is no success: one clear line, a hint, the right exit code, never a traceback."""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dkimctl import errors
from dkimctl.cli import main
from dkimctl.manual.commands import EXIT_STATUS
from dkimctl.output.terminal import Terminal
from tests.conftest import Dkimctl, DkimctlInside
from tests.processes import started


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        (("nonsense",), "no such command: nonsense", "see the commands: dkimctl --help"),
        (("genkye", "example.com"), "no such command: genkye", "did you mean: dkimctl genkey"),
        (("remove", "example.com"), "no such command: remove", "did you mean: dkimctl delete"),
        (("verify", "example.com"), "no such command: verify", "did you mean: dkimctl verify-dns"),
        (("genkey", "--xyzzy"), "no such option: --xyzzy", "see: dkimctl genkey --help"),
        (("record", "--selecto", "mail"), "no such option: --selecto", "did you mean: --selector"),
        (
            ("--root", "/tmp"),
            "no such option: --root",
            "options come after the command's name: dkimctl COMMAND --root",
        ),
        (
            ("--root", "/tmp", "record"),
            "no such option: --root",
            "options come after the command's name: dkimctl record --root",
        ),
        (
            ("--root", "/tmp", "fleet", "sync"),
            "no such option: --root",
            "options come after the command's name: dkimctl fleet sync --root",
        ),
        (
            ("fleet", "--root", "/tmp", "sync"),
            "no such option: --root",
            "options come after the command's name: dkimctl fleet sync --root",
        ),
        (
            ("fleet", "--quiet"),
            "no such option: --quiet",
            "options come after the command's name: dkimctl fleet COMMAND --quiet",
        ),
        (("fleet", "sync", "--ful"), "no such option: --ful", "did you mean: --full"),
        (("revoke", "x.example"), "missing option '--leaked'. Choose from: key, host", "see: dkimctl revoke --help"),
        (("genkey", "-b"), "option '-b' requires an argument", "see: dkimctl genkey --help"),
        (("genkey", "-b", "many", "x.example"), "invalid value for '-b' / '--bits'", "see: dkimctl genkey --help"),
        (("record", "--format", "xml"), "invalid value for '--format'", "see: dkimctl record --help"),
        (("revoke", "x.example"), "missing option '--leaked'. Choose from: key, host", "see: dkimctl revoke --help"),
        (("genkey", "x.example", "--root", ""), "--root has an empty value", "give a value, or omit the option"),
        (("genkey", "x.example", "-s", ""), "--selector has an empty value", "give a value, or omit the option"),
        (("record", "a_b.example"), "not a domain name: a_b.example", "a domain looks like example.com"),
    ],
)
def test_wrong_usage(dkimctl_inside: DkimctlInside, typed: tuple[str, ...], message: str, hint: str) -> None:
    """Says what is wrong, and what to type instead; exit code 2."""
    ran = dkimctl_inside(*typed)
    lines = ran.err.splitlines()
    assert (ran.code, ran.out, len(lines)) == (2, "", 2)
    assert lines[0].startswith(f"dkimctl: error: {message}")
    assert not lines[0].endswith(".")
    assert lines[1] == f"dkimctl: hint: {hint}"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (("record", "x.example"), "make one: dkimctl genkey{} x.example"),
        (("genkey", "x.example", "-s", "mail", "--algorithm", "ed25519"), "next: dkimctl record{} x.example"),
        (("selftest",), "make a key first: dkimctl genkey{} example.com"),
        (("ovh", "login"), "such as: dkimctl ovh login{} example.com"),
        (("genkey",), "name one: dkimctl genkey{} example.com"),
        (("sandbox", "--fault", "x"), "dkimctl sandbox --help lists them"),
    ],
)
def test_a_hint_is_for_the_same_tree(dkimctl_inside: DkimctlInside, typed: tuple[str, ...], hint: str) -> None:
    """What --root and --config named belongs to the command that is to be pasted, or it would change another system."""
    tree, file = dkimctl_inside.scratch.home / "a tree", dkimctl_inside.scratch.home / "file.toml"
    tree.mkdir()
    file.touch()
    assert hint.format("") in dkimctl_inside(*typed).err
    options = ("--root", str(tree), "--config", str(file))
    assert hint.format(f" --root '{tree}' --config {file}") in dkimctl_inside(*typed, *options).err


def test_errors_as_json(dkimctl_inside: DkimctlInside) -> None:
    """With --json stdout carries one document that says the same, even when the arguments could not be read."""
    for typed in (("record", "a_b.example", "--json"), ("record", "--json", "--xyzzy"), ("nonsense", "--json")):
        ran = dkimctl_inside(*typed)
        assert ran.code == 2
        assert ran.json["schema"] == 1
        assert ran.json["error"]["exit_code"] == 2
        assert f"dkimctl: error: {ran.json['error']['message']}\n" in ran.err


@pytest.mark.parametrize("command", ["verify-dns", "doctor"])
@pytest.mark.parametrize("form", [("--format", "nagios"), ("--format=nagios",)])
@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (("--xyzzy",), "no such option: --xyzzy"),
        (("--nameserver", "not|one"), "not the address of a name server: not/one"),
        (("--config", "/nonexistent/dkimctl.toml"), "no such configuration file: /nonexistent/dkimctl.toml"),
        (("--root", "/nonexistent"), "--root /nonexistent is not a directory"),
    ],
)
def test_every_error_is_a_status_line_for_nagios(
    dkimctl_inside: DkimctlInside, command: str, form: tuple[str, ...], mistake: tuple[str, ...], message: str
) -> None:
    """With --format nagios an error is one line on stdout, UNKNOWN, and nothing else is printed."""
    ran = dkimctl_inside(command, *form, *mistake)
    [line] = ran.out.splitlines()
    assert (ran.code, ran.err, "|" in line) == (3, "", False)
    assert line.startswith(f"DKIM UNKNOWN - {message}")


def test_for_nagios_no_key_and_a_bug_are_unknown(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a host without keys nor an internal error looks like a wrong record; the hint is in the same line."""
    ran = dkimctl_inside("verify-dns", "--format", "nagios")
    assert (ran.code, ran.err) == (3, "")
    assert ran.out.startswith("DKIM UNKNOWN - no managed domain: ")
    assert "; hint: " in ran.out
    assert ran.out.count("\n") == 1
    monkeypatch.setattr("dkimctl.cli.app.App.store", property(lambda _: 1 // 0))
    monkeypatch.setattr("tempfile.tempdir", str(dkimctl_inside.scratch.home))
    ran = dkimctl_inside("verify-dns", "--format", "nagios")
    assert (ran.code, ran.err) == (3, "")
    assert ran.out.startswith("DKIM UNKNOWN - this is a bug in dkimctl (ZeroDivisionError)")


def test_for_nagios_verbose_is_about_the_problems(capsys: pytest.CaptureFixture[str]) -> None:
    """What else -v shows stays away: Icinga shows stderr as part of the plug-in's text."""
    Terminal(verbosity=1, nagios=True).detail("GET /auth/time: 200")
    assert capsys.readouterr() == ("", "")
    Terminal(verbosity=1).detail("GET /auth/time: 200")
    assert "GET /auth/time: 200" in capsys.readouterr().err


def test_for_nagios_an_unreadable_key_is_unknown(dkimctl_inside: DkimctlInside) -> None:
    """A damaged private key ends the check before anything is known: UNKNOWN, not CRITICAL."""
    assert dkimctl_inside("genkey", "example.com", "-s", "mail").code == 0
    (key,) = dkimctl_inside.root.rglob("mail.private")
    key.write_text("no key")
    ran = dkimctl_inside("verify-dns", "--format", "nagios")
    assert ran.code == 3
    assert ran.out.startswith("DKIM UNKNOWN - ")


def test_all_mistakes_of_a_configuration_file_at_once(dkimctl_inside: DkimctlInside) -> None:
    """Three mistakes are three lines, each with file, table and key, in one run."""
    file = dkimctl_inside.scratch.home / "dkimctl.toml"
    file.write_text('[keys]\nbits = "many"\n[signing]\ntabels = "file"\nsocket = "nowhere"\n')
    ran = dkimctl_inside("record", "--config", file, "--json")
    assert ran.code == 2
    assert len(ran.json["error"]["problems"]) == 3
    for place in ("[keys] bits", "[signing] tabels", "[signing] socket"):
        assert f"dkimctl: error: {file}: {place}: " in ran.err


def test_a_named_configuration_file_must_exist(dkimctl_inside: DkimctlInside) -> None:
    """Only the default file may be absent."""
    ran = dkimctl_inside("record", env={"DKIMCTL_CONFIG": "/nonexistent/dkimctl.toml"})
    assert ran.code == 2
    assert "no such configuration file: /nonexistent/dkimctl.toml" in ran.err


def test_a_bug_is_one_line_and_a_private_file(dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 70; the traceback is in a file that only the caller can read, and not on the terminal."""
    monkeypatch.setattr("dkimctl.cli.app.App.store", property(lambda _: 1 // 0))
    monkeypatch.setattr("tempfile.tempdir", str(dkimctl_inside.scratch.home))
    ran = dkimctl_inside("record")
    assert (ran.code, ran.out) == (70, "")
    [error, hint] = ran.err.splitlines()
    assert error.startswith("dkimctl: error: this is a bug in dkimctl (ZeroDivisionError); the traceback is in ")
    assert hint.startswith("dkimctl: hint: please report it")
    file = Path(error.rpartition(" ")[2])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "ZeroDivisionError" in file.read_text()
    assert file.read_text().startswith("dkimctl ")


def test_a_bug_where_nothing_can_be_written(dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even with the disk full it is one line, and exit code 70."""
    monkeypatch.setattr("dkimctl.cli.app.App.store", property(lambda _: 1 // 0))
    monkeypatch.setattr("tempfile.tempdir", str(dkimctl_inside.scratch.home / "missing"))
    ran = dkimctl_inside("record")
    assert ran.code == 70
    assert "(ZeroDivisionError); the traceback could not be written: cannot write" in ran.err


def has_a_key(keys: Path) -> bool:
    """Return True once a private key is there; directories may come and go meanwhile, at which `glob` fails."""
    return any(name.endswith(".private") for _, _, names in os.walk(keys) for name in names)


def test_interrupted(dkimctl: Dkimctl) -> None:
    """Ctrl-C: one sentence, exit code 130, no traceback."""
    names = "\n".join(f"d{i}.example" for i in range(200))
    command = [sys.executable, "-m", "dkimctl", "genkey", "--from-file", "-", "-s", "mail", "-b", "4096"]
    environment, pipe = dkimctl.scratch.environment(), subprocess.PIPE
    with started(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        assert process.stdin is not None
        process.stdin.write(names)
        process.stdin.close()
        process.stdin = None
        keys = dkimctl.root / "etc/opendkim/keys"
        deadline = time.monotonic() + 60
        while not has_a_key(keys) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("dkimctl: interrupted; ")
    assert "Traceback" not in err
    assert list(keys.glob("**/.dkimctl-*")) == []


def test_interrupted_while_a_class_is_made(dkimctl: Dkimctl, tmp_path: Path) -> None:
    """Ctrl-C while Python runs a source text, as dataclasses do: `python -m` ends with 130, not by the signal."""
    (tmp_path / "interrupted.py").write_text(
        "import sys\n"
        "from dkimctl.cli import main\n"
        "from dkimctl.entry import main as run\n"
        "def interrupted():\n"
        "    try:\n"
        "        exec('raise KeyboardInterrupt')\n"
        "    except KeyboardInterrupt:\n"
        "        return 130\n"
        "main.run = interrupted\n"
        "sys.exit(run())\n"
    )
    process = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        cwd=tmp_path,
        env=dkimctl.scratch.environment(),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 130, process.stderr


_FINALIZED = """
import os, signal, sys, time
from dkimctl.cli import main
from dkimctl.entry import main as run

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def interrupted():
    Finalized()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        return 130

main.run = interrupted
sys.exit(run())
"""


def test_interrupted_while_an_object_is_finalized(dkimctl: Dkimctl) -> None:
    """Ctrl-C in the middle of a `__del__`, where Python drops an exception: it ends the run all the same, silently."""
    ended = subprocess.run(
        [sys.executable, "-c", _FINALIZED], env=dkimctl.scratch.environment(), capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (130, "")


def test_a_reader_who_has_gone(dkimctl: Dkimctl) -> None:
    """`dkimctl … | head` is no error, and says nothing; an error stays one, and is told on stderr."""
    assert dkimctl("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519").code == 0
    read, write = os.pipe()
    os.close(read)
    for typed, code, said in (
        (["record", "example.com"], 0, ""),
        (["--help"], 0, ""),
        (["record", "example.com", "--json"], 0, ""),
        (["record", "nokey.example", "--json"], 2, "dkimctl: error: nokey.example has no key"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "dkimctl", *typed],
            env=dkimctl.scratch.environment(),
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert (ended.returncode, ended.stderr[: len(said) or None]) == (code, said), typed
    os.close(write)


@pytest.mark.parametrize("typed", ["--version", "--help", "record --help", "record example.com", "record --json"])
def test_stdout_on_a_full_disk(dkimctl: Dkimctl, typed: str) -> None:
    """What could not be written is a failure, a result as well as a help: exit code 3, one line, once."""
    assert dkimctl("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519").code == 0
    ended = _in_shell(dkimctl, f"{typed} > /dev/full")
    assert ended.returncode == 3
    assert ended.stderr.splitlines() == [
        "dkimctl: error: cannot write the output: no space left on device",
        "dkimctl: hint: check where stdout is redirected to",
    ]


def test_stdout_that_cannot_be_written(dkimctl: Dkimctl) -> None:
    """Whatever the reason is, it is no bug: exit code 3, and no traceback."""
    assert dkimctl("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519").code == 0
    ended = _in_shell(dkimctl, "record example.com 1</dev/null")
    assert ended.returncode == 3
    assert ended.stderr.startswith("dkimctl: error: cannot write the output: ")
    assert "Traceback" not in ended.stderr


def test_an_error_document_on_a_full_disk(dkimctl: Dkimctl) -> None:
    """The error itself is told on stderr all the same."""
    ended = _in_shell(dkimctl, "nonsense --json > /dev/full")
    assert ended.returncode == 3
    assert [line for line in ended.stderr.splitlines() if "error" in line] == [
        "dkimctl: error: no such command: nonsense",
        "dkimctl: error: cannot write the output: no space left on device",
    ]


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("--version >&-", 0),
        ("--help >&-", 0),
        ("record example.com >&-", 0),
        ("record example.com --json >&- 2>&-", 0),
        ("record nokey.example 2>&-", 2),
        ("record nokey.example 2>/dev/full", 2),
        ("ovh 2>/dev/full", 2),
        ("genkey --from-file - <&-", 2),
        ("genkey new.example --algorithm ed25519 <&- >&- 2>&-", 0),
    ],
)
def test_streams_that_are_closed_or_full(dkimctl: Dkimctl, typed: str, code: int) -> None:
    """The exit code tells how it went also where nothing can be said, and no file gets the number of a stream."""
    assert dkimctl("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519").code == 0
    ended = _in_shell(dkimctl, typed)
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    for path in (dkimctl.root / "etc/opendkim/keys").glob("*/*.private"):
        assert "dkimctl" not in path.read_text()


def _in_shell(dkimctl: Dkimctl, typed: str) -> subprocess.CompletedProcess[str]:
    """`dkimctl …` in a shell, redirections included."""
    return subprocess.run(
        ["sh", "-c", f"exec {shlex.quote(sys.executable)} -m dkimctl {typed}"],
        env=dkimctl.scratch.environment(),
        capture_output=True,
        text=True,
    )


def test_a_terminal_without_unicode(dkimctl: Dkimctl) -> None:
    """Where the terminal's encoding lacks a character, it is written as an escape instead of failing."""
    ran = dkimctl(
        "--help", env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    )
    assert ran.code == 0
    ran = dkimctl("record", "bücher.example", env={"PYTHONIOENCODING": "ascii"})
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_exit_codes_are_the_documented_ones() -> None:
    """Every code that an error class or the command line uses is in the table of the manual, and no other."""
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    used = {cls.exit_code for cls in classes if issubclass(cls, errors.DkimctlError)}
    assert used | {0, main.BUG, main.INTERRUPTED} == set(EXIT_STATUS)


def test_json_keeps_stdout_clean(dkimctl_inside: DkimctlInside) -> None:
    """With --json stdout is one document, whatever is said on stderr."""
    ran = dkimctl_inside("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519", "--json", "-v")
    assert ran.code == 0
    assert json.loads(ran.out)["schema"] == 1
