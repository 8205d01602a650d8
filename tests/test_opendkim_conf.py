"""opendkim.conf: what is written is read back, and read as the real daemon reads it."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dkimctl.errors import UsageError
from dkimctl.opendkim import conf
from dkimctl.opendkim.sockets import parse_socket
from tests.conftest import needs

NAMES = ("Socket", "ReportAddress", "TemporaryDirectory", "RedirectFailuresTo")  # free text, checked by nobody
VALUES = (
    st.text(st.characters(codec="utf-8", exclude_characters="#\r\n\0"), min_size=1)
    .map(lambda t: t.strip(" \t"))
    .filter(bool)
)
BLANKS = st.text(" \t", max_size=3)


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES)))
def test_written_settings_are_read_back(wanted: list[tuple[str, str]]) -> None:
    """Every value that may be written comes back as it was, in order, with its line number."""
    found = conf.parse(b"".join(conf.setting_line(name, value) for name, value in wanted), "/c")
    assert [(s.name, s.value) for s in found] == wanted
    assert [s.line for s in found] == list(range(1, len(wanted) + 1))


@pytest.mark.parametrize("value", ["", " x", "x ", "a#b", "a\nb", "a\rb"])
def test_a_value_that_would_be_misread_is_refused(value: str) -> None:
    """`#` ends a line even inside a path: such a value is an error here, not a daemon that reads something else."""
    with pytest.raises(UsageError):
        conf.setting_line("KeyTable", value)


@st.composite
def lines(draw: st.DrawFn) -> str:
    """One line of a configuration as people write it."""
    name = draw(st.sampled_from(NAMES).flatmap(lambda n: st.sampled_from([n, n.lower(), n.upper()])))
    value = draw(st.text("abc:/ .@%1é", min_size=1, max_size=12))
    comment = draw(st.sampled_from(["", "#x", " # Socket y", "\r"]))
    line = f"{draw(BLANKS)}{name}{draw(st.sampled_from([' ', chr(9), '  ']))}{value or 'v'}{draw(BLANKS)}{comment}"
    return draw(st.sampled_from([line, f"{name} v", "", "# a comment", "   "]))


@needs("opendkim")
@settings(max_examples=40)
@given(st.lists(lines(), min_size=1, max_size=8), st.lists(lines(), max_size=3))
def test_reads_as_the_daemon_does(
    tmp_path_factory: pytest.TempPathFactory, top: list[str], included: list[str]
) -> None:
    """Case, comments, blanks, repeats and Include: the value that counts is the one `opendkim -e` prints."""
    place = tmp_path_factory.mktemp("conf")
    top = [line for line in top if len(line.partition("#")[0].partition("\r")[0].split()) != 1]
    included = [line for line in included if len(line.partition("#")[0].partition("\r")[0].split()) != 1]
    (place / "more").write_text("\n".join(included) + "\n", newline="")
    half = len(top) // 2
    text = "\n".join([*top[:half], f"Include {place}/more", *top[half:]]) + "\n"
    (place / "opendkim.conf").write_text(text, newline="")
    found = conf.read(f"{place}/opendkim.conf")
    assert found is not None
    for name in NAMES:
        assert found.get(name) == effective(place / "opendkim.conf", name)


def effective(path: Path, name: str) -> str | None:
    """Return the value that the real daemon uses for `name`; it prints the value that counts first."""
    ended = subprocess.run(["opendkim", "-x", path, "-e", name], capture_output=True, text=True)
    return ended.stdout.split("\n")[0] if ended.returncode == 0 else None


def test_includes_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """A missing file and a file that includes itself keep the daemon from starting; both are named, neither hangs."""
    (tmp_path / "opendkim.conf").write_text(f"Mode s\nInclude {tmp_path}/none\nInclude {tmp_path}/opendkim.conf\n")
    found = conf.read(f"{tmp_path}/opendkim.conf")
    assert found is not None
    assert found.get("mode") == "s"
    assert {s.value for s in found.unreadable} == {f"{tmp_path}/none", f"{tmp_path}/opendkim.conf"}
    assert conf.read(f"{tmp_path}/none") is None


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("local:/run/x.sock", "/run/x.sock"),
        ("unix:/run/x.sock", "LOCAL:/run/x.sock"),
        ("inet:8891@localhost", "inet:8891@127.0.0.1"),
        ("inet6:8891@[::1]", "inet6:8891@[::1]"),
        ("inet:8891", "inet:8891"),
    ],
)
def test_sockets_have_one_meaning_in_every_spelling(text: str, same_as: str) -> None:
    """Two spellings of one socket are the same endpoint, and what is printed is read back."""
    socket = parse_socket(text)
    assert socket.endpoint == parse_socket(same_as).endpoint
    assert parse_socket(str(socket)) == socket


def test_the_two_loopback_addresses_are_two_sockets() -> None:
    """opendkim listens at one address for a name (measured): ::1 is not what `localhost` is."""
    assert parse_socket("inet6:8891@[::1]").endpoint != parse_socket("inet:8891@localhost").endpoint


@pytest.mark.parametrize(
    "text", ["", "x", "local:relative", "inet:0@h", "inet:65536@h", "inet:h:8891", "local:/a b", "local:/" + "x" * 107]
)
def test_what_is_no_socket_is_refused(text: str) -> None:
    """A socket that opendkim could not bind is a usage error, before anything is written."""
    with pytest.raises(UsageError, match="not a milter socket"):
        parse_socket(text)
