"""The sandbox as a whole: start, stop, ports, the environment it prints, and its smaller parts."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dkimctl.errors import Unavailable, UsageError
from dkimctl.sandbox import Fault, Sandbox, Switches, server
from dkimctl.sandbox.faultkinds import FAULT_KINDS
from dkimctl.sandbox.options import parse_fault, parse_switches, switch_table
from dkimctl.sandbox.patterns import glob, like
from dkimctl.sandbox.targets import character_strings, joined, quote, quote_whole, truncate
from tests.sandbox_clients import KEY_2048, RECORDS, ZONE, ask, library, raw


def test_the_environment_works() -> None:
    """The variables hold the two addresses and valid credentials."""
    with Sandbox([ZONE]) as sandbox:
        host, port = sandbox.dns_address
        variables = sandbox.environment()
        assert list(variables) == [
            "OVH_ENDPOINT",
            "OVH_APPLICATION_KEY",
            "OVH_APPLICATION_SECRET",
            "OVH_CONSUMER_KEY",
            "DKIMCTL_NAMESERVERS",
            "DKIMCTL_DNS_PORT",
            "NO_PROXY",
        ]
        assert variables["OVH_ENDPOINT"] == sandbox.api_url
        assert (variables["DKIMCTL_NAMESERVERS"], variables["DKIMCTL_DNS_PORT"]) == (f"{host}:{port}", str(port))
        lengths = [len(variables[f"OVH_{name}"]) for name in ("APPLICATION_KEY", "APPLICATION_SECRET", "CONSUMER_KEY")]
        assert lengths == [16, 32, 32]
        with library(sandbox) as api:
            assert api.get(RECORDS)


def test_stop_leaves_nothing_open() -> None:
    """After stop no descriptor and no thread is left, even with clients connected; a second stop does nothing."""

    def left() -> set[object]:
        return {*os.listdir("/proc/self/fd"), *threading.enumerate()}

    before = left()
    sandbox = Sandbox([ZONE])
    sandbox.start()
    api_address = ("127.0.0.1", int(sandbox.api_url.split(":")[2].partition("/")[0]))
    clients = [socket.create_connection(address) for address in (api_address, sandbox.dns_address)]
    sandbox.faults.add(Fault("timeout"))
    clients[0].sendall(b"GET /1.0/auth/time HTTP/1.1\r\nHost: localhost\r\n\r\n")
    while not sandbox.calls:
        time.sleep(0.01)
    sandbox.stop()
    for client in clients:
        assert client.recv(1) == b""
        client.close()
    sandbox.stop()
    assert left() - before == set()  # what others left before may have gone meanwhile


def test_two_at_once_share_nothing() -> None:
    """Sandboxes run side by side with ports, credentials and zones of their own."""
    with Sandbox([ZONE]) as one, Sandbox([ZONE]) as two:
        assert one.api_url != two.api_url
        assert one.dns_address != two.dns_address
        one.zone(ZONE).add("TXT", "a", "x")
        assert ask(one, f"a.{ZONE}").answer
        assert not ask(two, f"a.{ZONE}").answer
        assert one.credentials.consumer_key != two.credentials.consumer_key


def test_ports_can_be_chosen(free_port: Callable[[], int]) -> None:
    """Both ports are used as given, and the error of a second sandbox names the port in use."""
    api_port, dns_port = free_port(), free_port()
    with Sandbox([ZONE], api_port=api_port, dns_port=dns_port) as sandbox:
        assert sandbox.api_url == f"http://127.0.0.1:{api_port}/1.0"
        assert sandbox.dns_address == ("127.0.0.1", dns_port)
        for ports in ({"api_port": api_port}, {"dns_port": dns_port}):
            with pytest.raises(Unavailable, match="address already in use") as caught:
                Sandbox([ZONE], **ports).start()
            assert str(next(iter(ports.values()))) in caught.value.message
            assert caught.value.hint
        assert ask(sandbox, ZONE, "SOA").answer
    with Sandbox([ZONE], api_port=api_port, dns_port=dns_port) as again:
        assert ask(again, ZONE, "SOA").answer


def test_one_server_where_there_is_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where 127.0.0.2 does not exist the zones have one name server."""
    monkeypatch.setattr(server, "SECOND", "192.0.2.1")
    with Sandbox([ZONE]) as sandbox, library(sandbox) as api:
        assert api.get(f"/domain/zone/{ZONE}")["nameServers"] == ["ns1.sandbox.internal"]
        assert len(ask(sandbox, ZONE, "NS").answer[0]) == 1
        assert ask(sandbox, "ns2.sandbox.internal", "A").answer == []


def test_zones_by_name() -> None:
    """Case and the trailing dot of a zone's name do not matter; an unknown one is a KeyError, the own one is taken."""
    sandbox = Sandbox(["Domain.TLD."])
    assert sandbox.zone("domain.tld") is sandbox.zone("DOMAIN.tld.")
    with pytest.raises(KeyError):
        sandbox.zone("else.tld")
    for name in ("", "sandbox.internal"):
        with pytest.raises(UsageError):
            Sandbox([name])


def test_many_zones() -> None:
    """A thousand zones work, each independently."""
    with Sandbox([f"d{number}.tld" for number in range(1000)]) as sandbox, library(sandbox) as api:
        assert len(api.get("/domain/zone")) == 1000
        sandbox.zone("d999.tld").add("TXT", "a", "x")
        assert ask(sandbox, "a.d999.tld", server="127.0.0.2").answer
        assert not ask(sandbox, "a.d998.tld", server="127.0.0.2").answer


def test_runs_in_a_script_without_network() -> None:
    """A plain script can use it; the package alone imports neither dnspython nor an HTTP server."""
    script = (
        "import sys, dkimctl.sandbox\n"
        "assert not {'dns', 'http.server', 'ovh', 'cryptography'} & set(sys.modules)\n"
        "from dkimctl.sandbox import Sandbox\n"
        "with Sandbox(['a.tld']) as sandbox: print(sandbox.zone('a.tld').serial)\n"
    )
    ended = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("20")


def test_unknown_attribute() -> None:
    """The lazy package raises AttributeError for an unknown name."""
    import dkimctl.sandbox

    with pytest.raises(AttributeError, match="Sandcastle"):
        dkimctl.sandbox.Sandcastle  # noqa: B018


def test_callback_sees_every_call() -> None:
    """`on_call` gets each call once it is complete."""
    seen = []
    with Sandbox([ZONE], on_call=seen.append) as sandbox:
        raw(sandbox, "GET", "/1.0/auth/time")
        assert seen == sandbox.calls


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=900))
def test_quoting_keeps_the_text(text: str) -> None:
    """The quoted form of any text has strings of at most 255 octets and the same meaning."""
    octets = b"".join(character_strings(text))
    assert b"".join(character_strings(quote(text))) == octets
    assert b"".join(character_strings(quote_whole(text))) == octets
    assert all(len(string) <= 255 for string in character_strings(text))
    assert quote(quote(text)) == quote(text)


def test_truncation_is_at_255_octets() -> None:
    """The cut is by octets and never through a character."""
    assert truncate(KEY_2048) == KEY_2048[:255]
    assert truncate("a" * 254 + "é") == "a" * 254
    assert joined('"a" "b"') == "ab"


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a_c", "abc", True),
        ("a_c", "abbc", False),
        ("a%c", "ac", True),
        ("a%c", "a.b.c", True),
        ("a.c", "abc", False),
        ("", "", True),
        ("", "a", False),
        ("A%", "abc", True),
    ],
)
def test_like(pattern: str, text: str, fits: bool) -> None:
    """SQL's wildcards and no others, over the whole text, without case."""
    assert like(pattern, text, ignore_case=True) is fits


def test_glob_covers_the_whole_path() -> None:
    """A star is any run of characters; the pattern covers all of the path."""
    assert glob("/domain/*/record", "/domain/zone/x/record")
    assert not glob("/domain/*/record", "/domain/zone/x/record/1")
    assert not glob("/domain/zone", "/domain/zone/x")


def test_switches_from_text() -> None:
    """Every switch in the table can be set by its spelling, and has its type."""
    given_words = ["void=204", "truncate-txt", "soa-minimum=60", "refresh-delay=0.5", "clock-skew=-5", "max-target=9"]
    assert parse_switches(given_words) == Switches(
        void="204", truncate_txt=True, soa_minimum=60, refresh_delay=0.5, clock_skew=-5.0, max_target=9
    )
    assert parse_switches([]) == Switches()
    for form, _ in switch_table():
        name, _, values = form.partition("=")
        value = {"": None, "N": "1", "SECONDS": "0.5"}.get(values, values.split("|")[-1])
        assert parse_switches([name if value is None else f"{name}={value}"]) != Switches()


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("voi=204", "void"),
        ("zzz", "sandbox --help"),
        ("void=205", "void=null|204|empty"),
        ("void", "void=null|204|empty"),
        ("latency", "latency=SECONDS"),
        ("latency=fast", "latency=SECONDS"),
        ("latency=-1", "latency=SECONDS"),
        ("latency=nan", "latency=SECONDS"),
        ("max-target=1.5", "max-target=N"),
        ("truncate-txt=yes", "truncate-txt"),
    ],
)
def test_wrong_switches(word: str, hint: str) -> None:
    """A wrong name or value is reported, with a valid alternative."""
    with pytest.raises(UsageError) as caught:
        parse_switches([word])
    assert hint in caught.value.hint


def test_faults_from_text() -> None:
    """Faults are parsed by number, by method and pattern, and of every kind."""
    assert parse_fault("409@3") == Fault("409", call=3)
    assert parse_fault("reset-after@POST:/domain/zone/*/record") == Fault(
        "reset-after", method="POST", path="/domain/zone/*/record"
    )
    assert parse_fault("502-html@POST:*/refresh").path == "*/refresh"  # as the example in its --help
    assert parse_fault("429=2.5@1") == Fault("429", call=1, retry_after=2.5)
    assert parse_fault("slow-body=9@GET:*").seconds == 9
    assert [parse_fault(f"{kind}@1").kind for kind in FAULT_KINDS] == list(FAULT_KINDS)


@pytest.mark.parametrize(
    "word", ["410@1", "409", "409@0", "409@x", "409@PATCH:/x", "409@POST:x", "409@", "409=1@1", "429=@1", "429=-1@1"]
)
def test_wrong_faults(word: str) -> None:
    """An invalid fault is reported, with a hint."""
    with pytest.raises(UsageError) as caught:
        parse_fault(word)
    assert caught.value.hint
