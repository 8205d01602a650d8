"""selftest: what it says of good signatures, of bad ones, and of daemons that are none."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.settings import Lookup, Settings, Signing
from dkimctl.dkim.signature import FIELD, sign
from dkimctl.errors import ConfigError, Refused, Unavailable, UsageError
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.milter.message import Message
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.record.model import record_for
from dkimctl.record.published_keys import record_of
from dkimctl.sandbox import Sandbox
from dkimctl.selftest.attempt import Attempt, AttemptState, Expected, assess
from dkimctl.selftest.cases import Case, cases
from dkimctl.selftest.person import PASSWORD, Relay, password_from, relay_from, send
from dkimctl.selftest.probing import Finder, Prober, Via
from dkimctl.selftest.selftest import selftest
from dkimctl.selftest.sink import Sink
from tests.conftest import Dkimctl, needs
from tests.hostile_dns import Hostile
from tests.milters import ACCEPT, TEMPFAIL, Answer, milter, rejecting, saying
from tests.ports import free_port_everywhere
from tests.test_milter_client import wait_until_open

NOW = datetime.now(UTC).replace(microsecond=0)
PAIR = generate(Algorithm.RSA, 2048)
RECORD = record_for(PAIR.public, "rsa", Tags()).text
CASES = list(cases("example.com", NOW, subdomains=True, thorough=True))


def judged(case: Case, raw: bytes, *, slow_by: float = 0, after: str = "") -> Attempt:
    """Assess this message on a machine whose clock is `slow_by` seconds slower than the signer's."""
    now = datetime.now(UTC) - timedelta(seconds=slow_by)
    return assess(case, raw, Expected("example.com", lambda _: RECORD, now - timedelta(seconds=1), now, after))


def signed(message: Message, domain: str = "example.com") -> Message:
    """The message with one more signature."""
    return message.with_header(FIELD, sign(message.raw, domain, "mail", PAIR))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_message_is_right_as_it_is(case: Case) -> None:
    """Each message of the selftest, unusual as it is, is signed and verified without a complaint."""
    found = judged(case, signed(case.message).raw)
    assert (found.state, found.remarks, found.selectors) == (AttemptState.SIGNED, (), ("mail",))


def test_the_messages_are_what_they_are_called() -> None:
    """8-bit octets, a line over 998, blanks at line ends, no body, many fields, another domain."""
    raw = {case.name: case.message.raw for case in CASES}
    assert max(raw["8-bit text"]) > 127
    assert max(len(line) for line in raw["a line over 998"].split(b"\r\n")) > 998
    assert b" \r\n" in raw["blanks at line ends"]
    assert raw["empty body"].endswith(b"\r\n\r\n")
    assert raw["many header fields"].count(b"\r\nX-Probe-") > 100
    assert b"@probe.example.com" in raw["sub-domain sender"]
    assert [case.name for case in CASES if not case.is_legal] == ["a line over 998"]


def test_missing_foreign_and_broken_signatures() -> None:
    """Not signed, signed by another program, and changed on the way are wrong, each with its words and a way on."""
    case = CASES[0]
    missing = judged(case, case.message.raw)
    assert (missing.state, missing.seen) == (AttemptState.WRONG, "it came out without a signature")
    assert "dkimctl why dkimctl-probe@example.com" in missing.hint
    foreign = judged(case, signed(case.message, "example.org").raw)
    assert foreign.state is AttemptState.WRONG
    assert "d=example.org, which is not example.com" in foreign.seen
    changed = judged(case, signed(case.message).raw + b"footer\r\n", after="the milter inet:127.0.0.1:1")
    assert changed.state is AttemptState.WRONG
    assert "1 line was added at its end, with “footer”" in changed.seen
    assert changed.hint == "after the daemon comes the milter inet:127.0.0.1:1"


def test_signed_twice() -> None:
    """Two signatures by one key mean that the daemon is asked twice: a warning."""
    found = judged(CASES[0], signed(signed(CASES[0].message)).raw)
    assert found.state is AttemptState.WARNING
    assert "signed 2 times by mail of example.com" in found.remarks[0]


@pytest.mark.parametrize(
    ("slow_by", "words"), [(19, "ahead of this machine's clock"), (-30, "earlier than this machine's")]
)
def test_clocks_that_differ(slow_by: float, words: str) -> None:
    """A `t=` that does not fit this machine's clock is a warning: the article's "-19 seconds in the future"."""
    found = judged(CASES[0], signed(CASES[0].message).raw, slow_by=slow_by)
    assert found.state is AttemptState.WARNING
    assert words in found.remarks[0]


# --- daemons


def run(dkimctl: Dkimctl, place: MilterSocket | str, *arguments: str, code: int) -> str:
    """`selftest` of example.com with this socket; stdout and stderr."""
    (dkimctl.root / "dkimctl.toml").write_text(f'[signing]\nsocket = "{place}"\n')
    dkimctl("genkey", "example.com", "-s", "mail", "--if-missing")
    ended = dkimctl("selftest", "example.com", "--config", str(dkimctl.root / "dkimctl.toml"), *arguments)
    assert ended.code == code, ended
    return ended.out + ended.err


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _: [ACCEPT], "it came out without a signature"),
        (lambda _: [TEMPFAIL], "the daemon answered tempfail"),
        (rejecting("550 5.7.1 not today"), "the daemon answered reject (550 5.7.1 not today)"),
    ],
)
def test_daemons_that_do_not_sign(dkimctl_inside: Dkimctl, answer: Answer, words: str) -> None:
    """A milter that accepts, defers or rejects without signing is wrong: exit code 1, and what it answered."""
    with milter(answer) as place:
        told = run(dkimctl_inside, place, code=1)
    assert words in told.replace("\n          ", " ")
    assert max(map(len, told.splitlines())) <= 80


def test_no_daemon_and_something_else(dkimctl_inside: Dkimctl) -> None:
    """Nobody at the socket, or an SMTP server: could not be checked, exit code 3."""
    assert "no daemon answers" in run(dkimctl_inside, "local:/nonexistent/s", code=3)
    with saying(b"220 mail.example.com ESMTP\r\n") as place:
        assert "does not speak the milter protocol" in run(dkimctl_inside, place, code=3)


def test_a_silent_socket(dkimctl_inside: Dkimctl) -> None:
    """A daemon that accepts the connection and stays silent is given up: one wait, and no verdict."""
    run(dkimctl_inside, "local:/nonexistent/s", code=3)
    store = KeyDirectory(dkimctl_inside.root / "etc/opendkim/keys")
    with saying(b"") as place:
        settings = Settings(root=dkimctl_inside.root, signing=Signing(socket=str(place)))
        prober = Prober(settings, store, SYSTEM_CLOCK, lambda attempt: None, patience=0.2)
        with pytest.raises(Unavailable, match="no answer in time"):
            selftest(prober, ["example.com"], Via.MILTER)


def test_dns_is_asked_for_all_records_at_once(dkimctl_inside: Dkimctl) -> None:
    """Name servers that do not answer are waited for once, not for each domain; then the keys on this disk serve."""
    domains = [f"d{number}.example" for number in range(5)]
    dkimctl_inside("genkey", *domains, "-s", "mail")
    asked: list[str] = []
    server = Hostile(
        "127.0.0.1", free_port_everywhere("127.0.0.1"), lambda query, _: asked.append(_name(query))
    ).start()
    try:
        lookup = Lookup((f"127.0.0.1:{server.port}",), server.port, timeout=0.5)
        settings = Settings(root=dkimctl_inside.root, lookup=lookup)
        store = KeyDirectory(dkimctl_inside.root / "etc/opendkim/keys")
        finder = Finder(Prober(settings, store, SYSTEM_CLOCK, lambda attempt: None), domains)
        assert not asked
        for domain in domains:
            owner = f"mail._domainkey.{domain}"
            assert finder.find(owner) == record_of(store, store.keys(domain)[0]).text
            assert finder.is_unpublished(owner)
    finally:
        server.stop()
    assert set(asked[:5]) == {f"_domainkey.{domain}." for domain in domains}


def _name(query: bytes) -> str:
    return str(dns.message.from_wire(query).question[0].name)


@needs("opendkim")
@pytest.mark.parametrize("kind", ["inet", "unix"])
def test_a_real_daemon(dkimctl_inside: Dkimctl, tmp_path: Path, free_port: Callable[[], int], kind: str) -> None:
    """Over TCP and a unix socket: signed; with the key on disk as long as it is not published, then with DNS."""
    place = MilterSocket(port=free_port(), host="127.0.0.1") if kind == "inet" else MilterSocket(path=f"{tmp_path}/s")
    dkimctl_inside("genkey", "example.com", "-s", "mail")
    key = dkimctl_inside.root / "etc/opendkim/keys/example.com/mail.private"
    (tmp_path / "KeyTable").write_text(f"mail example.com:mail:{key}\n")
    (tmp_path / "SigningTable").write_text("example.com mail\n.example.com mail\n")
    (tmp_path / "conf").write_text(
        "Mode s\nSyslog no\nCanonicalization relaxed/simple\nRequireSafeKeys no\n"
        f"KeyTable file:{tmp_path}/KeyTable\nSigningTable file:{tmp_path}/SigningTable\nSocket {place}\n"
    )
    daemon = subprocess.Popen(["opendkim", "-f", "-x", tmp_path / "conf"], stderr=subprocess.PIPE)
    try:
        wait_until_open(daemon, place)
        key.with_name("old.private").write_text("no key at all, and none of this signature's business")
        told = run(dkimctl_inside, place, code=0)
        key.with_name("old.private").unlink()
        assert "8 warning" in told
        assert "not published yet" in told
        with Sandbox(zones=["example.com"]) as sandbox:
            env = sandbox.environment()
            dkimctl_inside("publish", "example.com", "--provider", "ovh", env=env)
            config = str(dkimctl_inside.root / "dkimctl.toml")
            ended = dkimctl_inside("selftest", "--config", config, "--json", env=env)
            assert ended.code == 0, ended
            attempts = ended.json["selftest"]["attempts"]
            assert [a["state"] for a in attempts] == ["signed"] * 8
            # published by a person: nothing on this disk tells so
            key.with_name("mail.json").unlink()
            by_hand = dkimctl_inside("selftest", "--config", config, env=env)
            silent = dkimctl_inside("selftest", "--config", config, "-q", env=env)
        assert "8 signed" in by_hand.out, by_hand
        assert (silent.code, silent.out, silent.err) == (0, "", "")
        assert dkimctl_inside("selftest", "--config", config).code == 3  # DNS is gone: not known, never "fine"
    finally:
        daemon.kill()
        daemon.communicate()


def test_without_postfix(dkimctl_inside: Dkimctl) -> None:
    """Below a root without Postfix there is nothing to send through: exit code 3."""
    assert "there is no Postfix" in run(dkimctl_inside, "local:/nonexistent/s", "--via", "smtp", code=3)


# --- to a person


def test_a_real_message(dkimctl_inside: Dkimctl) -> None:
    """`--to` hands one message to the relay, from postmaster of the domain, and tells what the relay said."""
    dkimctl_inside("genkey", "example.com", "-s", "mail")
    with Sink() as sink:
        relay = f"127.0.0.1:{sink.port}"
        ended = dkimctl_inside("selftest", "example.com", "--to", "me@example.org", "--relay", relay)
        assert ended.code == 0, ended
        (message,) = sink.wait_for("Relay validation", 10)
        assert b"\r\nTo: me@example.org\r\n" in message
        assert message.startswith(b"From: postmaster@example.com\r\n")
        refused = dkimctl_inside("selftest", "example.com", "--to", "me@example.org", "--relay", relay, "--starttls")
        assert refused.code == 1
        assert "STARTTLS" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--to", "nobody"), 2),
        (("--to", "me@example.org", "--via", "smtp"), 2),
        (("--starttls",), 2),
        (("--to", "me@example.org", "--relay", "127.0.0.1:smtp"), 2),
        (("--to", "me@example.org", "--relay", "127.0.0.1:1"), 3),
        (("--to", "me@example.org", "--relay", "127.0.0.1:1", "--auth", "me"), 2),
    ],
)
def test_wrong_arguments_of_to(dkimctl_inside: Dkimctl, arguments: tuple[str, ...], code: int) -> None:
    """What cannot be meant, a missing password and a relay that is not there, each with a hint."""
    dkimctl_inside("genkey", "example.com", "-s", "mail")
    ended = dkimctl_inside("selftest", "example.com", *arguments)
    assert (ended.code, ended.out) == (code, ""), ended
    assert "dkimctl: hint:" in ended.err


def test_passwords_stay_secret(tmp_path: Path) -> None:
    """From the environment or a file that only its owner reads; never in a repr, never over the net in the clear."""
    assert password_from({PASSWORD: "secret"}) == "secret"
    kept = tmp_path / "password"
    kept.write_text("secret\n")
    kept.chmod(0o600)
    assert password_from({f"{PASSWORD}_FILE": str(kept)}) == "secret"
    kept.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by other users"):
        password_from({f"{PASSWORD}_FILE": str(kept)})
    relay = Relay("mail.example.com", 587, user="me", password="secret")
    assert "secret" not in repr(relay)
    with pytest.raises(Refused, match="unencrypted"):
        send(relay, "a@example.com", "b@example.org", NOW)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("mail.example.com", ("mail.example.com", 25)),
        ("127.0.0.1:587", ("127.0.0.1", 587)),
        ("[::1]:2525", ("::1", 2525)),
        ("[::1]", ("::1", 25)),
        ("::1", ("::1", 25)),
    ],
)
def test_relays_are_read(text: str, place: tuple[str, int]) -> None:
    """Names, addresses of both kinds, with and without a port."""
    assert relay_from(text) == place


@pytest.mark.parametrize("text", ["", ":25", "mail:0", "mail:70000", "mail:x", "a b"])
def test_relays_that_are_none(text: str) -> None:
    """Refused in words."""
    with pytest.raises(UsageError):
        relay_from(text)
