"""Results and messages on a real terminal: laid out at its width, in colours, and never so that a copy is broken."""

import io
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dkimctl.cli.commands import COMMANDS
from dkimctl.cli.fleet import command as fleet
from dkimctl.cli.ovh import command as ovh
from dkimctl.output.bar import shortened
from dkimctl.output.commands import NAMES, pieces, with_options
from dkimctl.output.layout import Table, paragraph
from dkimctl.output.screen import show
from dkimctl.sandbox import Sandbox, Switches
from tests.conftest import REPOSITORY, Dkimctl, Run, Scratch
from tests.terminals import Seen, on_terminal

WIDTHS = [40, 80, 200]
RECORD = "v=DKIM1; k=rsa; x=[bold]y[/bold]; p=AAAA"
SHOWN = [
    ("doctor", "--no-dns", "-q"),
    ("why", "someone@news.example.com", "--no-dns"),
    ("inspect", "DKIM203", "DKIM604", "DKIM915", "DKIM917"),
    ("inspect", "record.txt"),
    ("verify-dns", "example.com", "-q"),
    ("verify-dns", "--from-file", "names.txt", "-q"),
    ("adopt",),
    ("selftest",),
    ("record", "example.org"),
    ("record", "--nonsense"),
    ("render-config", "--check"),
    ("publish", "--provider", "ovh", "--dry-run", "-q"),
    ("ovh", "whoami"),
]


@dataclass
class Relay:
    """A relay's tree and an account, and the program run there: on a terminal and in a pipe."""

    scratch: Scratch
    env: dict[str, str]
    _piped: dict[tuple[str, ...], Run] = field(default_factory=dict)

    def on_terminal(self, *words: str, columns: int = 80, env: dict[str, str] | None = None) -> Seen:
        """The command on a terminal."""
        return on_terminal(self.scratch, *words, columns=columns, env={**self.env, **(env or {})})

    def piped(self, *words: str) -> Run:
        """The command in a pipe, run once."""
        if words not in self._piped:
            self._piped[words] = Dkimctl(self.scratch)(*words, env=self.env)
        return self._piped[words]


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay with a key, and a sandbox in which nothing is published."""
    scratch = Scratch(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("root"))
    (scratch.root / "etc/postfix").mkdir(parents=True)
    (scratch.root / "etc/postfix/main.cf").write_text("compatibility_level = 3.6\n")
    assert Dkimctl(scratch)("genkey", "example.com", "-s", "mail").code == 0
    (scratch.home / "record.txt").write_text(RECORD)
    (scratch.home / "names.txt").write_text("".join(f"{n}._domainkey.example.com\n" for n in "abcde"))
    with Sandbox(zones=["example.com"]) as sandbox:
        yield Relay(scratch, sandbox.environment())


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_same_words_at_every_width(relay: Relay, words: tuple[str, ...], columns: int) -> None:
    """No word is broken or lost, no line ends with a blank; a longer one is one command, one word, or a record."""
    seen, piped = relay.on_terminal(*words, columns=columns), relay.piped(*words)
    assert seen.code == piped.code
    assert sorted(words_of(seen.text)) == sorted(words_of(piped.out + piped.err))
    assert [line for line in seen.text.splitlines() if line.endswith(" ") and not line.startswith("+")] == []
    for line in seen.lines:
        assert len(line) <= columns or " " not in line.strip() or is_kept_whole(line), line


def words_of(text: str) -> list[str]:
    """The words of a text; of times only that there is one. A comment has a # on each of its lines."""
    return [word for word in re.sub(r"\d{4}-\d\d-\d\dT\S+", "TIME", text).split() if word != "#"]


def is_kept_whole(line: str) -> bool:
    """Whether a line is for pasting: a command, a part of a record, or a line of a file."""
    if line.strip().startswith('"') or line.endswith(" IN TXT ("):
        return True
    found = list(pieces(line.strip()))
    return len(found) == 1 and found[0].is_whole


def test_colours_only_on_a_terminal(relay: Relay) -> None:
    """Severities have colours on a terminal; none with NO_COLOR, and no escape sequence with TERM=dumb or in a pipe."""
    words = ("verify-dns", "example.com")
    assert "\x1b[1;31m" in relay.on_terminal(*words).raw
    assert not re.search(r"\x1b\[[0-9;]*m", relay.on_terminal(*words, env={"NO_COLOR": "1"}).raw)
    assert "\x1b" not in relay.on_terminal(*words, env={"TERM": "dumb"}).raw
    assert "\x1b" not in relay.piped(*words).out


def test_dumb_terminal_gets_the_text_of_a_pipe(relay: Relay) -> None:
    """TERM=dumb: 80 columns, whatever the terminal says, as in a pipe."""
    seen = relay.on_terminal("verify-dns", "example.com", columns=40, env={"TERM": "dumb"})
    assert seen.text == relay.piped("verify-dns", "example.com").out


def test_table_that_does_not_fit(relay: Relay) -> None:
    """A table wider than the terminal is shown row by row, each cell beside its column's name."""
    wide = relay.on_terminal("status").lines
    assert wide[0].split() == ["DOMAIN", "SELECTOR", "KEY", "PHASE", "AGE", "NEXT", "STEP"]
    assert wide[1].split()[:4] == ["example.com", "mail", "rsa", "2048"]
    narrow = relay.on_terminal("status", columns=40).lines
    assert narrow[0] == "example.com"
    assert narrow[1].split() == ["SELECTOR", "mail"]
    assert max(map(len, narrow)) <= 40


def test_the_last_cell_of_a_row_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the last column is too wide its text goes on below itself; no line ends with a blank."""
    monkeypatch.setenv("COLUMNS", "50")
    shown = io.StringIO()
    rows = [("a.example", "dk202612", "look: it signs, and its record is looked up"), ("b.example", "-", "-")]
    show([Table(("DOMAIN", "SELECTOR", "STEP"), rows)], shown)
    assert shown.getvalue().splitlines() == [
        "DOMAIN     SELECTOR  STEP",
        "a.example  dk202612  look: it signs, and its",
        "                     record is looked up",
        "b.example  -         -",
    ]


def test_no_command_of_ours_is_in_parentheses() -> None:
    """A command that has a line of its own would leave them on other lines."""
    texts = ((path, path.read_text()) for path in (REPOSITORY / "dkimctl").rglob("*.py"))
    assert [path.name for path, text in texts if re.search(r"\((?:sudo )?dkimctl [a-z]", text)] == []


def test_status_of_a_bar_ends_after_a_word() -> None:
    """What does not fit below a bar is cut between words."""
    assert shortened("read back and equal; waiting for servers", 40) == "read back and equal; waiting for servers"
    assert shortened("read back and equal; waiting for servers", 39) == "read back and equal; waiting for …"


def test_diff_is_coloured_and_complete(relay: Relay) -> None:
    """`render-config` on a terminal: the lines of the diff as in a pipe, however narrow it is, added ones green."""
    seen = relay.on_terminal("render-config", columns=40)
    assert set(relay.piped("render-config").out.splitlines()) <= set(seen.text.splitlines())
    assert "\x1b[32m+127.0.0.1" in seen.raw


def test_doctor_names_the_check_that_takes_long(scratch: Scratch) -> None:
    """While a check takes longer than a second its name is shown on a terminal; a pipe gets nothing of it."""
    dkimctl = Dkimctl(scratch)
    assert dkimctl("genkey", "example.com").code == 0
    assert dkimctl("render-config", "--install", "--allow-unproven").code == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        words = ("doctor", "--dns", "--nameserver", f"127.0.0.1:{silent.getsockname()[1]}")
        seen, piped = on_terminal(scratch, *words), dkimctl(*words)
    assert "checking: dns" in seen.text
    assert "checking:" not in piped.out + piped.err
    assert seen.code == piped.code


def test_record_to_paste_is_unchanged(relay: Relay) -> None:
    """A record is printed on a terminal byte for byte as in a pipe, and so is the form of a panel."""
    for words in (("record",), ("record", "--format", "oneline"), ("record", "--format", "ovh")):
        seen = relay.on_terminal(*words, columns=40)
        assert seen.raw.replace("\r\n", "\n") == relay.piped(*words).out
    value = relay.piped("record", "--format", "oneline").out.split('"')[1]
    manual = relay.on_terminal("publish", "--provider", "manual", "--no-wait", columns=40)
    assert any(value in line for line in manual.lines)


def test_text_from_elsewhere_steers_nothing(relay: Relay) -> None:
    """Markup of the layout's library and control characters in a record are shown as they are."""
    (relay.scratch.home / "evil.txt").write_bytes(RECORD.encode() + b"; n=\x1b[2J\x9b31m[/bold][red]:smile:")
    seen = relay.on_terminal("inspect", "evil.txt")
    assert "[bold]y[/bold]" in seen.text
    assert "[red]:smile:" in seen.text
    assert "\x1b[2J" not in seen.raw
    assert "\x9b" not in seen.raw


def test_locale_without_utf8(relay: Relay) -> None:
    """Every line arrives, in the characters that the locale has."""
    seen = relay.on_terminal("verify-dns", "--from-file", "names.txt", "-q", env={"PYTHONIOENCODING": "ascii"})
    assert seen.raw.isascii()
    assert "5 x error" in seen.text


def test_quiet_is_silent(relay: Relay) -> None:
    """-q on a terminal: results, warnings and errors, no note and no bar."""
    assert "dkimctl: 1 key not published yet" in relay.on_terminal("status").text
    assert "dkimctl:" not in relay.on_terminal("status", "-q").text


def test_names_are_those_of_the_program() -> None:
    """Every command of ours is recognised in a message."""
    groups = {name for name in COMMANDS if name not in NAMES}
    assert groups == {"ovh", "fleet"}
    inside = {f"{group.name} {name}" for group in (ovh, fleet) for name in group.commands}  # type: ignore[attr-defined]
    assert set(NAMES) == {*COMMANDS} - groups | inside


@pytest.mark.parametrize(
    ("message", "commands"),
    [
        ("see the keys: dkimctl status", ["dkimctl status"]),
        ("run it as root: sudo dkimctl doctor --fix; then again", ["sudo dkimctl doctor --fix"]),
        ("chown opendkim '/etc/a b'", ["chown opendkim '/etc/a b'"]),
        ("sudo dkimctl doctor  # then again", ["sudo dkimctl doctor  # then again"]),
        ("dkimctl record 'a b', or nothing", ["dkimctl record 'a b'"]),
        ("install the package: apt-get install opendkim", ["apt-get install opendkim"]),
        ("editor +3 /etc/a  # name your networks", ["editor +3 /etc/a  # name your networks"]),
        ("dkimctl has another key; install it", []),
    ],
)
def test_commands_in_a_message(message: str, commands: list[str]) -> None:
    """What can be pasted is found, and the pieces are the whole message."""
    found = list(pieces(message))
    assert [piece.text for piece in found if piece.is_whole] == commands
    assert "".join(piece.text for piece in found) == message


def test_options_that_were_given(tmp_path: Path) -> None:
    """--root and --config go with each command of ours, quoted; other words stay."""
    assert with_options("see: dkimctl status", {"--root": "/a b"}) == "see: dkimctl status --root '/a b'"
    assert with_options("dkimctl has a key", {"--root": "/a"}) == "dkimctl has a key"
    assert with_options("see: dkimctl why --help", {"--root": "/a"}) == "see: dkimctl why --help"
    for there in ("on the control host: dkimctl fleet approve mx1", "on that relay: sudo dkimctl fleet sync"):
        assert with_options(there, {"--root": "/a"}) == there


def test_many_names_move_a_bar(scratch: Scratch) -> None:
    """`publish` of many names on a terminal: a bar with the step of the moment, and of each name only its result."""
    names = [f"{letter}.example.com" for letter in "abcde"]
    assert Dkimctl(scratch)("genkey", "-s", "mail", "--algorithm", "ed25519", *names).code == 0
    with Sandbox(zones=["example.com"], switches=Switches(latency=0.3)) as sandbox:
        seen = on_terminal(scratch, "publish", "--provider", "ovh", env=sandbox.environment())
    assert seen.code == 0
    assert "/5" in seen.text
    assert "dkimctl: mail._domainkey" not in seen.text
    for name in names:
        assert f"mail._domainkey.{name}: published, read back" in seen.text
    assert "dkimctl: 5 published" in seen.text


def test_waiting_shows_for_what(scratch: Scratch) -> None:
    """`verify-dns --watch` on a terminal: for what it waits and for how long, until it ends."""
    assert Dkimctl(scratch)("genkey", "example.com", "-s", "mail", "--algorithm", "ed25519").code == 0
    with Sandbox(zones=["example.com"]) as sandbox:
        words = ("verify-dns", "example.com", "--watch", "--timeout", "8")
        seen = on_terminal(scratch, *words, env=sandbox.environment())
    assert seen.code == 1
    assert "waiting up to 8 s until mail._domainkey.example.com is right" in seen.text
    assert re.search(r"0:0\d waiting up to 8 s", seen.text)


def test_what_follows_a_command_begins_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the sentence around two commands nothing but words is left: no line begins with the `;` between them."""
    monkeypatch.setenv("COLUMNS", "50")
    shown = io.StringIO()
    both = "replace it: dkimctl rotate --now a.example; or end it: dkimctl delete a.example --stop-signing"
    show([paragraph(both)], shown)
    commands = ["dkimctl rotate --now a.example", "dkimctl delete a.example --stop-signing"]
    assert shown.getvalue().splitlines() == ["replace it:", commands[0], "or end it:", commands[1]]
