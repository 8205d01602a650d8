"""What a hostile or careless hand types: files that are none, texts that steer terminals, numbers that are none."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Dkimctl, DkimctlInside, Scratch, needs
from tests.reachable import reachable_for_all

READERS = [
    ("record", "--config", "{}"),
    ("genkey", "--from-file", "{}"),
    ("verify-dns", "--from-file", "{}"),
    ("verify-dns", "--from-message", "{}"),
    ("verify-dns", "example.com", "-s", "mail", "--key", "{}"),
    ("verify-dns", "example.com", "--resume", "{}"),
    ("inspect", "{}"),
]
STEERING = "a\x1b[2J\x07\x9b31m\u202eb"


def typed_with(words: tuple[str, ...], value: str | Path) -> list[str]:
    """The command with this value at its place."""
    return [word.format(value) for word in words]


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_a_pipe_that_nobody_writes_to(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """It is waited for only a while: exit code 3, and the hint of a file that cannot be read."""
    monkeypatch.setattr("dkimctl.files.reading._PATIENCE", 0.01)
    pipe = dkimctl_inside.scratch.home / "pipe"
    os.mkfifo(pipe)
    ran = dkimctl_inside(*typed_with(words, pipe))
    assert ran.code == 3
    assert f"{pipe}: " in ran.err
    assert "\ndkimctl: hint: " in ran.err


@pytest.mark.parametrize("place", ["etc/opendkim/KeyTable", "etc/opendkim/TrustedHosts", "etc/opendkim.conf"])
@pytest.mark.parametrize(
    "words", [("render-config",), ("render-config", "--install", "--allow-unproven")], ids=" ".join
)
def test_a_pipe_in_a_systems_place(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch, place: str, words: tuple[str, ...]
) -> None:
    """What is to be a table or a configuration holds nobody up either."""
    monkeypatch.setattr("dkimctl.files.reading._PATIENCE", 0.01)
    assert dkimctl_inside("genkey", "x.example", "-s", "mail", "--algorithm", "ed25519").code == 0
    path = dkimctl_inside.root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    ran = dkimctl_inside(*words)
    assert ran.code == 3
    assert path.is_fifo()


@pytest.mark.parametrize("name", ["main.cf", "master.cf"])
@pytest.mark.parametrize("command", ["doctor", "render-config"])
def test_postconf_is_not_sent_out_of_the_tree(dkimctl_inside: DkimctlInside, name: str, command: str) -> None:
    """A link of Postfix's files to a device ends nowhere in the tree: postconf, which would follow it, is not run."""
    postfix = dkimctl_inside.root / "etc/postfix"
    postfix.mkdir(parents=True)
    (postfix / "main.cf").write_text("compatibility_level = 3.6\n")
    (postfix / "master.cf").write_text("smtp inet n - y - - smtpd\n")
    (postfix / name).unlink()
    (postfix / name).symlink_to("/dev/zero")
    assert dkimctl_inside("genkey", "x.example", "-s", "mail", "--algorithm", "ed25519").code == 0
    ran = dkimctl_inside(command)
    said = "is a link that leads out of the tree" in " ".join((ran.out + ran.err).split())
    assert (ran.code != 70, said) == (True, name == "master.cf"), "without a main.cf there is no Postfix"


@pytest.mark.parametrize(
    ("place", "content"),
    [
        ("etc/opendkim.conf", "Include /etc/a\0b\n"),
        ("etc/opendkim.conf", "KeyTable file:/etc/a\0b\nSigningTable refile:/etc/\0\nInternalHosts /a\0b\n"),
        ("etc/opendkim.conf", "KeyFile /etc/a\0b\nDomain x.example\nSelector mail\n"),
        ("etc/opendkim/KeyTable", "mail._domainkey.x.example x.example:mail:/etc/a\0b\n"),
        ("etc/opendkim/keys/x.example/mail.json", "[" * 100_000),
        ("etc/passwd", f"opendkim:x:{'9' * 30}:{'9' * 30}::/:/bin/sh\n"),
    ],
)
def test_files_of_a_system_that_hold_nonsense(dkimctl: Dkimctl, place: str, content: str) -> None:
    """NUL in a path, lists in lists in lists, users of no number: no command takes them for a bug of ours."""
    assert dkimctl("genkey", "x.example", "-s", "mail", "--algorithm", "ed25519").code == 0
    assert dkimctl("render-config", "--install", "--allow-unproven").code == 0
    (dkimctl.root / "etc/group").write_text("opendkim:x:110:\n")
    (dkimctl.root / place).write_text(content)
    for words in ("doctor", "why a@x.example", "adopt --install", "render-config --install", "status", "record"):
        ran = dkimctl(*words.split())
        assert ran.code in (0, 1, 2, 3), words
        assert "\0" not in ran.out + ran.err


def test_a_pipe_beside_a_cron_job(dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> None:
    """doctor skips what cannot be read, and reports the file that depends on it."""
    monkeypatch.setattr("dkimctl.files.reading._PATIENCE", 0.01)
    cron = dkimctl_inside.root / "etc/cron.d"
    cron.mkdir(parents=True)
    (dkimctl_inside.root / "etc/opendkim.conf").write_text("Socket local:/run/opendkim/opendkim.sock\n")
    os.mkfifo(cron / "a")
    (cron / "b").mkdir()
    (cron / "c").write_text("@daily root opendkim-testkey\n")
    ran = dkimctl_inside("doctor")
    assert "/etc/cron.d/c line 1" in ran.out


@pytest.mark.parametrize("words", READERS, ids=" ".join)
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full"])
def test_a_device_without_an_end(dkimctl_inside: DkimctlInside, words: tuple[str, ...], device: str) -> None:
    """It does not fill the memory: exit code 3 at once."""
    ran = dkimctl_inside(*typed_with(words, device))
    assert ran.code == 3
    assert f"{device}: this is a device, not a file" in ran.err


@pytest.mark.parametrize("words", [words for words in READERS if "--from-file" in words], ids=" ".join)
def test_a_pipe_with_a_writer_is_a_file_like_any_other(dkimctl_inside: DkimctlInside, words: tuple[str, ...]) -> None:
    """As `<(program)` of a shell gives one, also where the program takes its time between two lines."""
    pipe = dkimctl_inside.scratch.home / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("w") as stream:
            for line in ("a_b.example\n", "# a comment\n", "c_d.example\n"):
                stream.write(line)
                stream.flush()

    writer = threading.Thread(target=write)
    writer.start()
    ran = dkimctl_inside(*typed_with(words, pipe))
    writer.join()
    assert ran.code == 2
    assert "c_d" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("record", "--root", STEERING),
        ("record", "--root", "one\ndkimctl: error: two"),
        ("record", "--config", STEERING),
        ("record", STEERING),
        ("inspect", STEERING),
        ("why", STEERING),
        ("why", f"{STEERING}@example.com"),
        ("genkey", "x.example", "--owner", STEERING),
        ("genkey", "x.example", "-s", "mail", "--algorithm", "ed25519", "-D", STEERING),
        (f"{STEERING}",),
        ("record", f"--{STEERING}"),
        ("doctor", STEERING),
    ],
)
def test_nothing_that_is_typed_steers_the_terminal(dkimctl_inside: DkimctlInside, words: tuple[str, ...]) -> None:
    """Escape sequences, line breaks and marks that turn the direction of a text are shown as what they are."""
    for more in ((), ("--json",)):
        ran = dkimctl_inside(*words, *more, cwd=dkimctl_inside.scratch.home)
        for steering in "\x1b\x07\x9b\u202e":
            assert steering not in ran.out + ran.err
        assert all(line.startswith("dkimctl: ") for line in ran.err.splitlines())
        assert "\ndkimctl: error: two" not in ran.err
        assert not more or ran.json["schema"] == 1


def test_nothing_in_a_file_steers_the_terminal(dkimctl_inside: DkimctlInside) -> None:
    """A diff shows the lines of others' files; what is in them cannot hide a line of it."""
    root = dkimctl_inside.root
    (root / "etc/opendkim").mkdir(parents=True)
    (root / "etc/opendkim/TrustedHosts").write_text("192.0.2.1\n198.51.100.7 \x1b[8m\x9b8m\r\n")
    assert dkimctl_inside("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519").code == 0
    ran = dkimctl_inside("render-config")
    assert ran.code == 0
    assert "\\u001b[8m\\u009b8m\\u000d\n" in ran.out
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("publish", "x.example", "--rate", "nan"), "invalid value for '--rate'"),
        (("publish", "x.example", "--rate", "inf"), "invalid value for '--rate'"),
        (("publish", "x.example", "--timeout", "nan"), "invalid value for '--timeout'"),
        (("setup", "x.example", "--timeout", "nan"), "invalid value for '--timeout'"),
        (("verify-dns", "x.example", "--watch", "--timeout", "nan"), "invalid value for '--timeout'"),
        (("sandbox", "--switch", f"max-target={'9' * 400}"), "not a value of the switch max-target: 999"),
        (("genkey", "x.example", "--owner", "root:" + "9" * 30), "no such group: 999"),
        (("genkey", "x.example", "--owner", "9" * 30), "no such user: 999"),
        (("render-config", "--socket", f"inet:{'9' * 5000}@localhost"), "not a milter socket: inet:999"),
        (("render-config", "--socket", "inet:8891@a\x1bb"), "not a milter socket: inet:8891@a\\x1bb"),
        (("render-config", "--socket", f"inet:8891@{'a' * 64}"), "not a milter socket: inet:8891@aaa"),
        (("render-config", "--trusted-host", "a" * 64), "not an address, network or host: aaa"),
        (("selftest", "x.example", "--to", "a@b.example", "--relay", "a..b"), "not a relay: a..b"),
        (("selftest", "x.example", "--to", "a@b.example", "--relay", "ü" * 64), "not a relay: üüü"),
        (
            ("publish", "x.example", "--provider", "manual", "--no-wait", "--nameserver", "x"),
            "not the address of a name",
        ),
        (("inspect", "DKIM203", "--nameserver", ""), "not the address of a name server"),
    ],
)
def test_values_that_are_none(dkimctl_inside: DkimctlInside, words: tuple[str, ...], message: str) -> None:
    """Each is a usage error that shows the beginning of what was typed, also where nothing would come of it."""
    assert dkimctl_inside("genkey", "x.example", "-s", "mail", "--algorithm", "ed25519").code == 0
    ran = dkimctl_inside(*words)
    assert ran.code == 2
    assert ran.err.startswith(f"dkimctl: error: {message}")
    assert "\ndkimctl: hint: " in ran.err


def test_a_key_of_no_bits(dkimctl_inside: DkimctlInside) -> None:
    """`-b 0` is too small, and not left out."""
    ran = dkimctl_inside("genkey", "x.example", "-b", "0")
    assert ran.code == 1
    assert list(dkimctl_inside.root.rglob("*.private")) == []


def test_a_number_of_more_digits_than_python_reads(dkimctl: Dkimctl) -> None:
    """The program itself says that it is too large."""
    ran = dkimctl("genkey", "x.example", "--owner", "9" * 5000)
    assert ran.code == 2
    assert ran.err.startswith("dkimctl: error: no such user: 999")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            PermissionError(13, "Permission denied", "/closed/file"),
            "cannot continue at /closed/file: permission denied",
        ),
        (OSError(24, "Too many open files"), "cannot continue: too many open files"),
        (MemoryError(), "there is not enough memory"),
    ],
)
def test_what_the_system_denies_is_no_bug(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    """Also where nobody thought of it: exit code 3, one line, a hint, and no file with a traceback."""

    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("dkimctl.cli.app.App.store", property(fail))
    monkeypatch.setattr("tempfile.tempdir", str(dkimctl_inside.scratch.home))
    ran = dkimctl_inside("record")
    assert ran.code == 3
    assert ran.err.splitlines()[0] == f"dkimctl: error: {message}"
    assert ran.err.splitlines()[1].startswith("dkimctl: hint: ")
    assert list(dkimctl_inside.scratch.home.glob("dkimctl-bug-*")) == []


@needs(root=True, namespaces=True)
def test_places_that_are_closed_to_the_caller(scratch: Scratch, tmp_path: Path) -> None:
    """An ordinary user who names something below a directory of root's is told so, whichever command it is."""
    place = tmp_path / "closed/place"
    place.mkdir(parents=True)
    place.parent.chmod(0o700)
    typed = [
        *(f"{name} --root {place}" for name in ("selftest", "doctor", "status", "adopt", "render-config --install")),
        f"genkey x.example --algorithm ed25519 -D {place}",
        f"genkey --from-file {place}",
        f"record --config {place}",
        f"verify-dns --from-file {place}",
        f"inspect {place}",
        f"ovh login x.example --timeout 0 --credentials {place}",
    ]
    each = "\n".join(f"{sys.executable} -m dkimctl {words} || echo $? {words}" for words in typed)
    as_nobody = f'{reachable_for_all()}\nexec runuser -u nobody -- sh -c "$0"'
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", as_nobody, each],
        env=scratch.environment({"HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert ended.stdout.splitlines() == [f"3 {words}" for words in typed]
    errors = [line for line in ended.stderr.splitlines() if line.startswith("dkimctl: error: ")]
    assert len(errors) == len(typed)
    assert all(error.endswith(": permission denied") for error in errors)
    assert "Traceback" not in ended.stderr
