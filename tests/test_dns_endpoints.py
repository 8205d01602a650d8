"""Name servers as they are typed, and as resolv.conf names them."""

from pathlib import Path

import pytest

from dkimctl.config.settings import Lookup
from dkimctl.dns.endpoints import Endpoint, parse_endpoint, resolvers, system_resolvers
from dkimctl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "endpoint", "shown"),
    [
        ("192.0.2.1", Endpoint("192.0.2.1", 53), "192.0.2.1"),
        ("192.0.2.1:5353", Endpoint("192.0.2.1", 5353), "192.0.2.1:5353"),
        (" 192.0.2.1 ", Endpoint("192.0.2.1", 53), "192.0.2.1"),
        ("::1", Endpoint("::1", 53), "::1"),
        ("[::1]", Endpoint("::1", 53), "::1"),
        ("[2001:DB8:0::1]:5353", Endpoint("2001:db8::1", 5353), "[2001:db8::1]:5353"),
        ("[fe80::1%eth0]:53", Endpoint("fe80::1%eth0", 53), "fe80::1%eth0"),
    ],
)
def test_addresses_with_and_without_port(text: str, endpoint: Endpoint, shown: str) -> None:
    """Both families, with and without a port, are read and shown in one form."""
    assert parse_endpoint(text) == endpoint
    assert str(endpoint) == shown


@pytest.mark.parametrize(
    "text", ["", "dns.example", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "[::1", "[::1]5", "1.2.3"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """A host name, a wrong port or an unclosed bracket is a usage error with an example."""
    with pytest.raises(UsageError, match="not the address of a name server") as caught:
        parse_endpoint(text)
    assert "9.9.9.9" in caught.value.hint


def test_resolv_conf_is_read_as_libc_does(tmp_path: Path) -> None:
    """Only `nameserver` lines with an address count; without any, this machine's own resolver is asked."""
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# a comment\nsearch example.com\nnameserver 192.0.2.1\nnameserver junk\nnameserver\nnameserver ::1\n"
    )
    assert system_resolvers(path) == (Endpoint("192.0.2.1"), Endpoint("::1"))
    assert system_resolvers(tmp_path / "absent") == ()
    assert resolvers(Lookup(("192.0.2.1", "192.0.2.1:53"))) == (Endpoint("192.0.2.1"),)
