"""Postfix's milter lists and main.cf: ours last and once, everybody else's untouched, changed by the real postconf."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkimctl.errors import DiskError, Unavailable
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.postfix import postconf
from dkimctl.postfix.actions import known_actions
from dkimctl.postfix.milters import milter_socket, names_opendkim, postfix_spelling, split_milters, with_milter_last
from tests.conftest import needs

QUEUE = "/var/spool/postfix"
OURS = "unix:opendkim/opendkim.sock"
MILTERS = st.sampled_from(
    [
        "inet:127.0.0.1:11332",
        "unix:spamass/spamass.sock",
        "$virus_milter",
        "{ inet:a:1, default_action=accept }",
        "${b}",
    ]
)
SPELLINGS_OF_OURS = (
    "inet:localhost:8891",
    "inet:127.0.0.1:8891",
    "inet:[::1]:8891",
    "unix:/var/spool/postfix/opendkim/opendkim.sock",
    "unix:/opendkim/opendkim.sock",
    "local:opendkim/opendkim.sock",
    "{ inet:localhost:8891, connect_timeout=5s }",
    "inet:localhost:12301",
)


def is_ours(milter: str) -> bool:
    """As for an installation that moves from port 12301 to the socket in the spool."""
    sockets = (parse_socket(f"local:{QUEUE}/opendkim/opendkim.sock"), parse_socket("inet:12301@localhost"))
    return names_opendkim(milter, QUEUE, sockets)


@given(st.lists(st.one_of(MILTERS, st.sampled_from(SPELLINGS_OF_OURS))), st.sampled_from([", ", " ", ",", "\t"]))
def test_ours_is_last_and_once_and_the_others_stay(milters: list[str], separator: str) -> None:
    """Other milters keep their order and their words; a second time changes nothing, not even a blank."""
    others = [m for m in milters if m not in SPELLINGS_OF_OURS]
    value = with_milter_last(separator.join(milters), OURS, is_ours)
    assert split_milters(value) == (*others, OURS)
    assert with_milter_last(value, OURS, is_ours) == value


def test_what_is_right_already_is_not_rewritten() -> None:
    """An admin's own way to separate milters is kept while nothing has to change."""
    value = f"unix:a/b   inet:c:1,,{OURS}"
    assert with_milter_last(value, OURS, is_ours) == value


def test_settings_in_braces_are_kept() -> None:
    """A milter of ours with a time-out of its own keeps it; one in braces at the old place goes."""
    braces = f"{{ {OURS}, connect_timeout=5s }}"
    assert with_milter_last(f"{braces}, unix:a/b", OURS, is_ours) == f"unix:a/b, {braces}"
    assert with_milter_last("{ inet:localhost:8891, connect_timeout=5s }", OURS, is_ours) == OURS


def test_a_macro_that_is_ours_is_replaced_and_another_kept() -> None:
    """`$dkim_milter` that stands for the old place would be a second, dead milter; `$spam_milter` is not ours."""
    macros = {"$dkim_milter": "inet:localhost:8891", "$spam_milter": "unix:spam/sock"}
    value = with_milter_last("$dkim_milter $spam_milter", OURS, is_ours, lambda m: macros.get(m, m))
    assert value == f"$spam_milter, {OURS}"


@pytest.mark.parametrize(
    ("socket", "spelling"),
    [
        (f"local:{QUEUE}/opendkim/opendkim.sock", "unix:opendkim/opendkim.sock"),
        ("local:/run/opendkim/opendkim.sock", "unix:/run/opendkim/opendkim.sock"),
        ("inet:8891@localhost", "inet:127.0.0.1:8891"),
        ("inet:8891@192.0.2.1", "inet:192.0.2.1:8891"),
        ("inet6:8891@::1", "inet:[::1]:8891"),
        ("inet6:8891@2001:db8::1", "inet:[2001:db8::1]:8891"),
        ("inet:8891", "inet:127.0.0.1:8891"),
    ],
)
def test_postfix_has_a_spelling_of_its_own(socket: str, spelling: str) -> None:
    """Host and port the other way round, paths from the queue directory: opendkim's spelling would end smtpd."""
    assert postfix_spelling(parse_socket(socket), QUEUE) == spelling
    back = milter_socket(spelling, QUEUE)
    assert back is not None
    if parse_socket(socket).host or back.is_unix:
        assert back.endpoint == parse_socket(socket).endpoint


@pytest.mark.parametrize("milter", ["$macro", "inet:8891@localhost", "inet:host:", "unix:", "", "smtp:x:1", "{}"])
def test_what_postfix_cannot_connect_to_is_no_socket(milter: str) -> None:
    """opendkim's own spelling in main.cf, macros and nonsense are nobody's socket."""
    assert milter_socket(milter, QUEUE) is None
    assert not names_opendkim(milter, QUEUE, (MilterSocket(port=8891, host="localhost"),))


@pytest.fixture
def main_cf(tmp_path: Path) -> Path:
    """A directory with a main.cf and a master.cf."""
    (tmp_path / "main.cf").write_text(
        "compatibility_level = 3.6\nour_milter = inet:localhost:8891\n"
        "smtpd_milters = $our_milter,\n    { unix:a/b, default_action=accept }\n"
    )
    (tmp_path / "master.cf").write_text(
        "smtp inet n - y - - smtpd\n10025 inet n - y - - smtpd\n  -o smtpd_milters=\n  -o { smtpd_helo_required=no }\n"
    )
    return tmp_path


@needs("postconf")
def test_values_in_effect_are_read(main_cf: Path) -> None:
    """Folded lines, defaults and macros: as postconf sees them."""
    now = postconf.read_settings(main_cf, ["smtpd_milters", "milter_default_action"])
    assert now == {
        "smtpd_milters": "$our_milter, { unix:a/b, default_action=accept }",
        "milter_default_action": postconf.read_settings(main_cf, ["milter_default_action"])["milter_default_action"],
    }
    assert postconf.expand(main_cf, "$our_milter") == "inet:localhost:8891"
    assert postconf.expand(main_cf, "${our_milter}") == "inet:localhost:8891"
    assert postconf.expand(main_cf, "unix:a/b") == "unix:a/b"


@needs("postconf")
def test_a_written_value_is_read_back_and_the_rest_stays(main_cf: Path) -> None:
    """postconf -e changes the one setting in a copy; every other line of main.cf is as it was, and no lock is left."""
    wanted = {"smtpd_milters": "unix:a/b, unix:c/d", "non_smtpd_milters": "$smtpd_milters"}
    with postconf.edited(main_cf, wanted) as content:
        assert (main_cf / "main.cf.tmp").exists()
    assert not (main_cf / "main.cf.tmp").exists()
    (main_cf / "main.cf").write_bytes(content)
    now = postconf.read_settings(main_cf, ["smtpd_milters", "non_smtpd_milters"])
    assert now == {"smtpd_milters": "unix:a/b, unix:c/d", "non_smtpd_milters": "$smtpd_milters"}
    assert (main_cf / "main.cf").read_text().startswith("compatibility_level = 3.6\nour_milter = inet:localhost:8891\n")


@needs("postconf")
def test_overrides_in_master_cf_are_found(main_cf: Path) -> None:
    """`-o smtpd_milters=` silently takes a service out of signing: it is found by name."""
    [override] = postconf.service_overrides(main_cf, ["smtpd_milters"])
    assert (override.service, override.name, override.value) == ("10025/inet", "smtpd_milters", "")


@needs("postconf")
def test_what_postconf_cannot_do_is_an_error_with_its_reason(tmp_path: Path) -> None:
    """No main.cf to read: Unavailable; no directory to write to: DiskError. Both give the reason."""
    assert not postconf.is_configured(tmp_path)
    with pytest.raises(Unavailable, match="No such file"):
        postconf.read_settings(tmp_path / "none", ["smtpd_milters"])
    with pytest.raises(DiskError, match="no such file"), postconf.edited(tmp_path / "none", {"smtpd_milters": "x"}):
        pass


WITHOUT_SHUTDOWN = ("3.5.25", "3.7.11", "3.8.14", "3.10.5")
WITH_SHUTDOWN = ("3.7.20", "3.9.9", "3.10.8", "3.10.13", "3.11.0", "3.12-20261101", "4.0.0")


@pytest.mark.parametrize("version", [*WITHOUT_SHUTDOWN, *WITH_SHUTDOWN])
def test_shutdown_is_an_action_of_newer_versions(version: str) -> None:
    """postconf(5): 3.11, 3.10.8, 3.9.9, 3.8.15, 3.7.20, and later; the others are known to every version."""
    assert ("shutdown" in known_actions(version)) is (version in WITH_SHUTDOWN)
    assert {"tempfail", "accept", "reject", "quarantine"} <= set(known_actions(version))


def test_a_copy_that_has_gone_is_no_empty_main_cf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is edited is a copy: when someone cleans it away meanwhile, main.cf stays as it is."""
    (tmp_path / "main.cf").write_text("myhostname = mx.example.net\n")
    monkeypatch.setattr(postconf, "_postconf", lambda place, *_: (place / "main.cf").unlink())
    with pytest.raises(DiskError, match="is gone"), postconf.edited(tmp_path, {"smtpd_milters": None}):
        pass
