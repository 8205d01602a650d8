"""The identity of a relay in its fleet."""

import stat
import sys
from pathlib import Path

import pytest

from dkimctl.errors import ConfigError, Refused, UsageError
from dkimctl.fleet.identity import fingerprint, make_identity, new_identity, read_identity, unwrap, wrap


def test_it_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """A second call gives the same identity; nobody else can read the file, and no repr shows the secret."""
    path = tmp_path / "etc/dkimctl/relay.age"
    made = make_identity(path)
    assert make_identity(path) == made == read_identity(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made.secret not in repr(made)


def test_a_fingerprint_can_be_spoken() -> None:
    """Five words of five letters, another one for each recipient, the same one every time."""
    one, other = new_identity(), new_identity()
    words = one.fingerprint.split("-")
    assert [len(word) for word in words] == [5] * 5
    assert one.fingerprint == fingerprint(one.recipient) != other.fingerprint


def test_only_the_recipients_open_an_envelope() -> None:
    """A wrapped key opens for each recipient, and for nobody else."""
    one, other, outsider = new_identity(), new_identity(), new_identity()
    envelope = wrap(b"k" * 32, [one.recipient, other.recipient])
    assert unwrap(envelope, one) == unwrap(envelope, other) == b"k" * 32
    for identity, content in ((outsider, envelope), (one, envelope[:-1]), (one, b"")):
        with pytest.raises(Refused, match="not wrapped for this identity"):
            unwrap(content, identity)
    with pytest.raises(Refused, match="not an age recipient"):
        wrap(b"k", ["age1nonsense"])


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        ("AGE-SECRET-KEY-1NONSENSE\n", 0o600, "holds no age identity"),
        ("", 0o600, "no age"),
        ("x", 0o644, "other users"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, content: str, mode: int, message: str) -> None:
    """A damaged identity, and one that others can read, are named with what to do; they are not replaced."""
    path = tmp_path / "relay.age"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=message) as refused:
        make_identity(path)
    assert refused.value.hint and path.read_text() == content


def test_without_the_extra_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of dkimctl needs no pyrage."""
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(UsageError) as refused:
        new_identity()
    assert refused.value.hint == "pip install 'dkimctl[fleet]'"
