"""Signed dynamic updates, against a real knot and a real bind9."""

import socket
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import dns.flags
import dns.message
import dns.query
import dns.renderer
import dns.tsig
import dns.update
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError, DkimctlError, UsageError
from dkimctl.keys.metadata import Phase
from dkimctl.providers.base import Create, Delete, ProviderRecord, ProviderSetup, Replace
from dkimctl.providers.registry import open_provider
from dkimctl.providers.rfc2136 import client
from dkimctl.providers.rfc2136.key import keys_in, read_key
from dkimctl.providers.rfc2136.provider import UpdateProvider, open_rfc2136, server_address
from dkimctl.providers.rfc2136.refusals import Asked, Kind, UpdateError, refused
from tests.conftest import Dkimctl, DkimctlInside, needs
from tests.provider_suite import Account, ProviderSuite
from tests.publishing import invented_record, manual_clock
from tests.update_servers import KEY_NAME, READ_ONLY, SECRET, UpdateServer, key_text, update_server, write_key

ZONE = "example.test"
NAME = f"mail._domainkey.{ZONE}"
RECORD = ProviderRecord(NAME, "TXT", invented_record(1).text)
ZONES = [f"zone{number}.test" for number in range(60)]
FRESH = {program: iter(ZONES) for program in ("knotd", "named")}
PROGRAMS = [pytest.param("knotd", marks=needs("knotd")), pytest.param("named", marks=needs("named"))]


@pytest.fixture(params=PROGRAMS, scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpdateServer]:
    """Each of the two servers, with a fresh zone for each test."""
    with update_server(request.param, tmp_path_factory.mktemp("server") / "server", *ZONES) as running:
        yield running


@pytest.fixture
def zone(server: UpdateServer) -> str:
    """A zone that no test has used."""
    return next(FRESH[server.program])


@pytest.fixture
def knot(tmp_path: Path) -> Iterator[UpdateServer]:
    """knot alone, for tests in which the server makes no difference."""
    with update_server("knotd", tmp_path / "server", ZONE) as running:
        yield running


def opened(endpoint: str, key: Path) -> UpdateProvider:
    """Return the provider for a server, with a key from a file and a manual clock."""
    return open_rfc2136(ProviderSetup(endpoint, {"key_file": str(key)}, Settings(), manual_clock()))


@pytest.fixture
def provider(server: UpdateServer, tmp_path: Path) -> UpdateProvider:
    """The provider with the right key."""
    return opened(server.endpoint, write_key(tmp_path / "right.key"))


@pytest.fixture
def record(zone: str) -> ProviderRecord:
    """A key record in the fresh zone."""
    return replace(RECORD, name=f"mail._domainkey.{zone}")


def texts_at(port: int, name: str) -> list[str]:
    """Return the server's answer to any client over TCP."""
    question = dns.message.make_query(name, "TXT")
    wire = question.to_wire()
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(len(wire).to_bytes(2, "big") + wire)
        with connection.makefile("rb") as stream:
            answer = dns.message.from_wire(stream.read(int.from_bytes(stream.read(2), "big")))
    return [b"".join(rdata.strings).decode() for rrset in answer.answer for rdata in rrset]  # type: ignore[attr-defined]


class TestBehaviour(ProviderSuite):
    """The suite that every provider passes, with each server."""

    @pytest.fixture
    def account(self, server: UpdateServer, provider: UpdateProvider, zone: str) -> Account:
        """Return an account whose records are read by DNS queries."""
        return Account(provider, zone, lambda name: texts_at(server.port, name))


# --- nothing foreign is overwritten -----------------------------------------------------------------------------------


def test_a_record_made_between_read_and_update_is_kept(
    provider: UpdateProvider, zone: str, record: ProviderRecord
) -> None:
    """The update has prerequisites: a record created after the read is kept, and the error says so."""
    provider.find(zone, [record.name])
    foreign = replace(record, text="another user's")
    other = UpdateProvider(provider._client, manual_clock())
    other.apply(zone, [Create(foreign)])
    with pytest.raises(UpdateError, match="changed meanwhile"):
        provider.apply(zone, [Create(record)])
    assert [r.text for r in provider.find(zone, [record.name])[record.name]] == ["another user's"]


def test_the_server_itself_checks_the_prerequisites(
    provider: UpdateProvider, zone: str, record: ProviderRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record created between our last read and our message is kept, too."""
    other = UpdateProvider(provider._client, manual_clock())
    send = provider._client.update
    monkeypatch.setattr(provider, "_client", SimpleNamespace(
        records=provider._client.records, soa_owner=provider._client.soa_owner, update=send, server="server"
    ))  # fmt: skip

    def late(*arguments: object) -> None:
        monkeypatch.setattr(provider._client, "update", send)
        other.apply(zone, [Create(replace(record, text="another user's"))])
        send(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(provider._client, "update", late)
    with pytest.raises(UpdateError, match=r"changed meanwhile by another program or person.*YXRRSET"):
        provider.apply(zone, [Create(record)])
    assert [r.text for r in provider.find(zone, [record.name])[record.name]] == ["another user's"]


def test_records_with_odd_text_are_replaced_and_restored(
    provider: UpdateProvider, zone: str, record: ProviderRecord
) -> None:
    """Quotes, backslashes, octets above 127 and unusual splits survive a change and its undo."""
    odd = ProviderRecord(record.name, "TXT", 'a"b\\c\xe9', 300, r'"a" "\"b\\c\233"')
    provider.apply(zone, [Create(odd)])
    [found] = provider.find(zone, [record.name])[record.name]
    assert (found.text, found.id) == (odd.text, odd.id)
    provider.apply(zone, [Replace(found, replace(found, text=record.text))])
    [changed] = provider.find(zone, [record.name])[record.name]
    provider.apply(zone, [Create(found), Delete(changed)])
    assert provider.find(zone, [record.name])[record.name] == (found,)


def _is_knot_of_3_5(server: UpdateServer) -> bool:
    said = subprocess.run([server.program, "--version"], capture_output=True, text=True).stdout
    return said.startswith(("knotd, Knot DNS 3.5", "Knot DNS 3.5"))


def test_only_the_ttl_changes(
    provider: UpdateProvider, zone: str, record: ProviderRecord, server: UpdateServer
) -> None:
    """A record that gets another ttl does not vanish. Knot 3.5 leaves the old ttl, however it is asked."""
    provider.apply(zone, [Create(record)])
    [found] = provider.find(zone, [record.name])[record.name]
    assert found.ttl == 3600
    provider.apply(zone, [Replace(found, replace(found, ttl=120))])
    [again] = provider.find(zone, [record.name])[record.name]
    assert again.text == record.text
    assert again.ttl == 120 or (again.ttl == found.ttl and _is_knot_of_3_5(server))


def test_a_cname_is_found(provider: UpdateProvider, zone: str, record: ProviderRecord, server: UpdateServer) -> None:
    """A delegated name is recognised, and no record is created beside the CNAME."""
    import dns.update

    message = dns.update.UpdateMessage(zone)
    message.add("mail._domainkey", 300, "CNAME", "keys.Example.net.")
    provider._client.update(message, zone, record.name)
    [found] = provider.find(zone, [record.name])[record.name]
    assert (found.field_type, found.text) == ("CNAME", "keys.example.net")


def test_records_from_a_wildcard_are_ignored(
    provider: UpdateProvider, zone: str, record: ProviderRecord, server: UpdateServer
) -> None:
    """A zone with `* TXT` answers for every name; the key record is created, and then found."""
    provider.apply(zone, [Create(ProviderRecord(f"*.{zone}", "TXT", "v=spf1 -all"))])
    assert texts_at(server.port, record.name) == ["v=spf1 -all"]
    assert provider.find(zone, [record.name]) == {record.name: ()}
    provider.apply(zone, [Create(record)])
    assert [r.text for r in provider.find(zone, [record.name])[record.name]] == [record.text]
    other = f"two._domainkey.{zone}"
    provider.apply(zone, [Create(replace(record, name=other))])
    assert texts_at(server.port, other) == [record.text]


def test_the_zones_name_servers(provider: UpdateProvider, zone: str) -> None:
    """They are read from the zone: publish can distinguish a zone served elsewhere from slow servers."""
    assert provider.name_servers(zone) == (f"ns1.{zone}",)


# --- answers that are lost --------------------------------------------------------------------------------------------


def test_an_update_whose_answer_was_lost_is_not_done_twice(
    provider: UpdateProvider, zone: str, record: ProviderRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prerequisites of the retry fail; the records are as wanted, so it is a success."""
    transfer, lost = provider._client._transfer, []

    def losing(wire: bytes, asked: object) -> bytes:
        answer = transfer(wire, asked)  # type: ignore[arg-type]
        if wire[2] & 0x78 == 5 << 3 and not lost:  # the first update
            lost.append(answer)
            raise UpdateError(Kind.LOST, "no answer")
        return answer

    monkeypatch.setattr(provider._client, "_transfer", losing)
    provider.apply(zone, [Create(record)])
    assert lost
    assert [r.text for r in provider.find(zone, [record.name])[record.name]] == [record.text]


@pytest.fixture
def listening() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """Listen at a port and call the test's function for each connection."""
    opened_sockets = []

    def listen(serve: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        opened_sockets.append(listener)

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        threading.Thread(target=run, daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    yield listen
    for listener in opened_sockets:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_no_server_at_the_port(free_port: Callable[[], int], tmp_path: Path) -> None:
    """Exit code 3 after some retries, with what to check."""
    provider = opened(f"127.0.0.1:{free_port()}", write_key(tmp_path / "key"))
    with pytest.raises(UpdateError, match="nothing listens") as caught:
        provider.find(ZONE, [NAME])
    assert caught.value.exit_code == 3
    assert "firewall" in caught.value.hint


def test_a_server_whose_name_is_not_known(tmp_path: Path) -> None:
    """A mistyped name is reported at once, without retries."""
    provider = opened("no-such-server.invalid", write_key(tmp_path / "key"))
    with pytest.raises(UpdateError, match="name does not resolve"):
        provider.find(ZONE, [NAME])
    assert provider._clock.slept == []  # type: ignore[attr-defined]


def test_a_silent_server(
    listening: Callable[[Callable[[socket.socket], None]], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open port without answers fails after the timeout, not later."""
    port = listening(lambda connection: time.sleep(0.4))
    provider = opened(f"127.0.0.1:{port}", write_key(tmp_path / "key"))
    monkeypatch.setattr(provider._client, "_timeout", 0.05)
    with pytest.raises(UpdateError, match=r"no answer within 0\.05 s"):
        provider.find(ZONE, [NAME])


@pytest.mark.parametrize("answer", ["", "0000", "0004abcd", "ffffabcd", "000c000000000000000000000000"])
def test_an_unusable_answer(
    answer: str, listening: Callable[[Callable[[socket.socket], None]], int], tmp_path: Path
) -> None:
    """A connection closed early, and octets that are not an answer to the request."""

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(bytes.fromhex(answer))

    provider = opened(f"127.0.0.1:{listening(serve)}", write_key(tmp_path / "key"))
    with pytest.raises(UpdateError, match="without a usable answer"):
        provider.find(ZONE, [NAME])


def test_an_unsigned_answer_is_a_failure(
    listening: Callable[[Callable[[socket.socket], None]], int], tmp_path: Path
) -> None:
    """A correct answer without a signature proves nothing: it may be forged."""

    def serve(connection: socket.socket) -> None:
        asked = dns.message.from_wire(connection.recv(4096)[2:], question_only=True)
        answer = dns.message.QueryMessage(id=asked.id)
        answer.flags = dns.flags.Flag(dns.flags.QR | dns.flags.AA)
        answer.question = asked.question
        wire = answer.to_wire()
        connection.sendall(len(wire).to_bytes(2, "big") + wire)

    provider = opened(f"127.0.0.1:{listening(serve)}", write_key(tmp_path / "key"))
    with pytest.raises(UpdateError, match="not signed"):
        provider.find(ZONE, [NAME])


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (
            key_text(name="nobody-knows-me"),
            "does not accept (the TSIG key nobody-knows-me.*BADKEY|.* the TSIG key nobody-knows-me, .*NOTAUTH)",
        ),
        (key_text(secret="d3Jvbmc="), "another secret.*BADSIG"),
        (key_text(algorithm="hmac-sha512"), "BADKEY|BADSIG|NOTAUTH"),
    ],
)
def test_a_wrong_key(key: str, words: str, server: UpdateServer, record: ProviderRecord, tmp_path: Path) -> None:
    """The error says what is wrong with the key, with exit code 3, and shows neither secret.

    Knot from 3.4 on refuses an unknown key without a TSIG error of its own: NOTAUTH alone.
    """
    provider = opened(server.endpoint, write_key(tmp_path / "wrong.key", key))
    with pytest.raises(UpdateError, match=words) as caught:
        provider.apply(record.name.partition("_domainkey.")[2], [Create(record)])
    assert caught.value.exit_code == 3
    assert caught.value.hint
    assert SECRET not in f"{caught.value}{caught.value.hint}{provider!r}{provider._client.__dict__!r}"


@pytest.mark.parametrize(("ahead", "words"), [(4000, r"40[0-4]\d s fast"), (-4000, r"(39[6-9]\d|4000) s slow")])
def test_a_clock_that_is_wrong(
    ahead: int, words: str, provider: UpdateProvider, zone: str, record: ProviderRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's time is in its refusal: the error says by how much the clock is fast or slow."""
    shifted = SimpleNamespace(time=lambda: time.time() + ahead)
    for module in (dns.message, dns.renderer, client):
        monkeypatch.setattr(module, "time", shifted)
    with pytest.raises(UpdateError, match=words):
        provider.apply(zone, [Create(record)])


def test_a_zone_that_the_key_may_not_change(
    provider: UpdateProvider, zone: str, record: ProviderRecord, server: UpdateServer
) -> None:
    """A refused update names the key and says where to allow it; nothing was changed."""
    name = f"mail._domainkey.{READ_ONLY}"
    with pytest.raises(UpdateError, match=r"BADKEY|REFUSED|NOTAUTH") as caught:
        provider.apply(READ_ONLY, [Create(replace(record, name=name))])
    assert KEY_NAME in caught.value.message
    assert "let it change" in caught.value.hint or "update-policy" in caught.value.hint
    assert texts_at(server.port, name) == []


@pytest.mark.parametrize(
    "code", ["REFUSED", "NOTAUTH", "NOTZONE", "NOTIMP", "FORMERR", "SERVFAIL", "YXRRSET", "RCODE 30"]
)
@pytest.mark.parametrize("zone", ["", ZONE])
def test_every_response_code_has_a_message_and_a_hint(code: str, zone: str) -> None:
    """Every error of a server has a hint for the admin."""
    error = refused(Asked("192.0.2.53", KEY_NAME, zone, NAME), code)
    assert code in error.message
    assert error.hint
    assert "{" not in error.message + error.hint


def test_an_unknown_zone(provider: UpdateProvider) -> None:
    """A domain that the server does not know is not published there."""
    with pytest.raises(UpdateError, match=r"elsewhere\.org"):
        provider.zone_of("mail._domainkey.elsewhere.org")


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["tsig-keygen", "-a", "hmac-sha512", "a-key"], marks=needs("tsig-keygen")),
        pytest.param(["keymgr", "-t", "a-key", "hmac-sha512"], marks=needs("keymgr")),
    ],
)
def test_key_files_of_the_servers_own_tools(command: list[str], tmp_path: Path) -> None:
    """The output of BIND's and Knot's tools is read unchanged."""
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    key = read_key(write_key(tmp_path / "key", printed))
    assert (key.name, key.algorithm) == ("a-key", "hmac-sha512")
    assert len(key.secret) == 64
    assert repr(key) == "TsigKey(name='a-key', algorithm='hmac-sha512')"


@given(st.binary(min_size=1, max_size=64))
@example(b"\xff" * 48)  # base64 of nothing but slashes, which elsewhere begin a comment
def test_every_secret_is_read_as_it_was_written(secret: bytes) -> None:
    """In both forms, with and without comments around it."""
    text = b64encode(secret).decode()
    bind = f"// one\n/* two\n */ {key_text(text)} # three\n"
    knot = (
        f"# hmac-sha256:{KEY_NAME}:{text}\nkey:\n  - id: {KEY_NAME}\n    algorithm: hmac-sha256\n    secret: {text}\n"
    )
    for written in (bind, knot):
        assert keys_in(written) == [{"id": KEY_NAME, "algorithm": "hmac-sha256", "secret": text}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing", "no TSIG key"),
        (key_text() + key_text(name="two"), "2 TSIG keys"),
        ('key "a" { algorithm hmac-sha256; };', "no secret"),
        (key_text(algorithm="hmac-md5"), "hmac-md5 is not one of"),
        (key_text(secret="???"), "not base64"),
    ],
)
def test_a_key_file_with_a_mistake(text: str, words: str, tmp_path: Path) -> None:
    """Each mistake has its own message, and none quotes the file."""
    with pytest.raises(ConfigError, match=words) as caught:
        read_key(write_key(tmp_path / "key", text))
    assert SECRET not in caught.value.message


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Exit code 2, and the command that fixes it."""
    key = write_key(tmp_path / "key")
    key.chmod(0o640)
    with pytest.raises(ConfigError, match="can be read by other users") as caught:
        read_key(key)
    assert caught.value.hint == f"chmod 600 {key}"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ns1.example.com", ("ns1.example.com", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_servers_as_people_write_them(text: str, address: tuple[str, int]) -> None:
    """Names and addresses are accepted, with or without port."""
    assert server_address(text) == address


@pytest.mark.parametrize("text", ["a b", "host:99999", "host:", "[::1", "http://host"])
def test_invalid_servers(text: str) -> None:
    """A mistake in the server's name is reported before any request."""
    with pytest.raises(ConfigError, match="not a name server"):
        server_address(text)


def test_options_are_checked_at_once(tmp_path: Path) -> None:
    """Every mistake of the table is named, and for a secret in it the right place."""
    settings = Settings(providers={"rfc2136": {"secret": "x", "server": 5}})
    with pytest.raises(ConfigError) as caught:
        open_provider("rfc2136", settings, manual_clock())
    assert len(caught.value.problems) == 2
    assert "key_file" in caught.value.hint


def test_without_a_server(tmp_path: Path) -> None:
    """The hint says how to name one."""
    with pytest.raises(UsageError, match="primary server") as caught:
        open_provider("rfc2136", Settings(root=tmp_path), manual_clock())
    assert "rfc2136:HOST" in caught.value.hint


def test_the_error_for_a_missing_key_file_says_how_to_create_one(tmp_path: Path) -> None:
    """The error names the default place and the command that creates a key."""
    with pytest.raises(DkimctlError, match=r"/etc/dkimctl/rfc2136\.key") as caught:
        open_provider("rfc2136:ns1.example.com", Settings(root=tmp_path), manual_clock())
    assert "tsig-keygen" in caught.value.hint


# --- as a user types it -----------------------------------------------------------------------------------------------


@needs("knotd")
def test_publish_waits_for_the_name_servers(knot: UpdateServer, dkimctl_inside: DkimctlInside) -> None:
    """A new key is served by the authoritative server after two commands; the third changes nothing."""
    key = dkimctl_inside.root / "etc/dkimctl/rfc2136.key"
    key.parent.mkdir(parents=True)
    write_key(key)
    assert dkimctl_inside("genkey", ZONE, "-s", "mail", "--owner", "0:0").code == 0
    dns_options = ["--nameserver", knot.endpoint, "--dns-port", str(knot.port), "--timeout", "20"]
    arguments = ["publish", ZONE, "--provider", f"rfc2136:{knot.endpoint}", *dns_options]
    first = dkimctl_inside(*arguments)
    assert (first.code, first.err.count("error")) == (0, 0)
    metadata = (dkimctl_inside.root / f"etc/opendkim/keys/{ZONE}/mail.json").read_text()
    assert f'"{Phase.VERIFIED}"' in metadata
    assert SECRET not in first.out + first.err + metadata
    again = dkimctl_inside(*arguments, "--json")
    assert [one["outcome"] for one in again.json["publications"]] == ["unchanged"]


@needs("knotd")
def test_a_wrong_key_as_a_user_sees_it(knot: UpdateServer, dkimctl: Dkimctl) -> None:
    """One error with its hint, exit code 3, no traceback, no secret."""
    key = dkimctl.root / "etc/dkimctl/rfc2136.key"
    key.parent.mkdir(parents=True)
    write_key(key, key_text(secret="d3Jvbmctb25l"))
    assert dkimctl("genkey", ZONE, "-s", "mail", "--owner", "0:0").code == 0
    run = dkimctl("publish", ZONE, "--provider", f"rfc2136:{knot.endpoint}", "--no-wait", "-v")
    assert run.code == 3
    assert "BADSIG" in run.err
    assert "hint:" in run.err
    assert "Traceback" not in run.err
    assert "d3Jvbmctb25l" not in run.out + run.err


# --- zone cuts, and servers that drip


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_domainkey_zone_at_the_same_server(program: str, dkimctl_inside: DkimctlInside, tmp_path: Path) -> None:
    """It is found by a query for the record's name, or configured, and the zone above is not written to."""
    below = f"_domainkey.{ZONE}"
    (dkimctl_inside.root / "etc/dkimctl").mkdir(parents=True)
    key = write_key(dkimctl_inside.root / "etc/dkimctl/rfc2136.key")
    dkimctl_inside("genkey", ZONE, "-s", "mail", "--algorithm", "ed25519")
    with update_server(program, tmp_path / "server", ZONE, below) as running:
        variables = {"DKIMCTL_NAMESERVERS": running.endpoint, "DKIMCTL_DNS_PORT": str(running.port)}
        configuration = dkimctl_inside.root / "etc/dkimctl/dkimctl.toml"
        command = ("publish", ZONE, "--provider", f"rfc2136:{running.endpoint}", "--no-wait")
        configuration.write_text(f'[domains."{ZONE}"]\nzone = "{ZONE}"\n')
        refused_run = dkimctl_inside(*command, env=variables)
        assert refused_run.code == 1
        assert below in refused_run.err
        with pytest.raises(UpdateError, match="it would not be visible"):
            door_to(running, key).find(ZONE, [NAME])
        for text in ("", f'[domains."{ZONE}"]\nzone = "{below}"\n'):
            configuration.write_text(text)
            ran = dkimctl_inside(*command, env=variables)
            assert ran.code == 0, ran.err
        found = door_to(running, key).find(below, [NAME])
        assert len(found[NAME]) == 1


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_name_that_is_a_zone_of_its_own(program: str, tmp_path: Path) -> None:
    """The cut may be at the record's own name: nothing is written to the zone above, where it would not be seen."""
    key = write_key(tmp_path / "key")
    with update_server(program, tmp_path / "server", ZONE, NAME) as running:
        with pytest.raises(UpdateError, match="it would not be visible") as caught:
            door_to(running, key).find(ZONE, [NAME])
        assert f'zone = "{NAME}"' in caught.value.hint
        assert door_to(running, key).find(NAME, [NAME]) == {NAME: ()}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_name_below_a_dname(program: str, tmp_path: Path) -> None:
    """The server takes the update, and nobody would see the record."""
    key = write_key(tmp_path / "key")
    with update_server(program, tmp_path / "server", ZONE) as running:
        message = dns.update.UpdateMessage(ZONE)
        message.use_tsig(dns.tsig.Key(KEY_NAME, SECRET, "hmac-sha256"))
        message.add(f"_domainkey.{ZONE}.", 300, "DNAME", "keys.other.test.")
        assert dns.query.tcp(message, "127.0.0.1", port=running.port, timeout=10).rcode() == 0
        with pytest.raises(UpdateError, match="redirected by the DNAME"):
            door_to(running, key).find(ZONE, [NAME])


def door_to(running: UpdateServer, key: Path) -> UpdateProvider:
    """Return the provider of this server."""
    settings = Settings(providers={"rfc2136": {"key_file": str(key)}})
    return open_rfc2136(ProviderSetup(running.endpoint, settings.providers["rfc2136"], settings, manual_clock()))


@pytest.mark.parametrize("start", [b"", b"\xff\xff", b"\x00\x40" + b"\x00" * 20])
def test_a_server_that_drips_times_out(
    start: bytes, listening: Callable[[Callable[[socket.socket], None]], int], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One deadline applies to the whole answer, also when a byte arrives now and then."""
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(start)
            while not ended.wait(0.05):
                connection.sendall(b"\xff")

    monkeypatch.setattr(client, "TIMEOUT", 0.4)
    key = write_key(tmp_path / "key")
    running = UpdateServer("none", listening(serve))
    provider = door_to(running, key)
    provider._client._timeout = 0.4
    with pytest.raises(UpdateError, match=r"gave no answer within 0\.4 s"):
        provider.zone_of(NAME)
    ended.set()
