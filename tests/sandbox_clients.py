"""Clients of the sandbox: the real `ovh` library over real HTTP, and plain DNS queries."""

import http.client
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import dns.flags
import dns.message
import dns.query
import ovh
import ovh.client

from dkimctl.sandbox import Sandbox

ZONE = "domain.tld"
RECORDS = f"/domain/zone/{ZONE}/record"
REFRESH = f"/domain/zone/{ZONE}/refresh"
KEY_2048 = "v=DKIM1; k=rsa; p=" + "MIIB" * 98
"""A key record of 410 bytes with an arbitrary key."""


@contextmanager
def library(sandbox: Sandbox, **credentials: Any) -> Iterator[Any]:
    """Return an `ovh` client with the sandbox's own credentials, or the given ones."""
    variables = sandbox.environment()
    ovh.client.ENDPOINTS[sandbox.api_url] = sandbox.api_url
    ovh.client.OAUTH2_TOKEN_URLS[sandbox.api_url] = sandbox.oauth2_token_url
    if "client_id" not in credentials:
        for name in ("application_key", "application_secret", "consumer_key"):
            credentials.setdefault(name, variables[f"OVH_{name.upper()}"])
    with patch.dict(os.environ, {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}):
        client = ovh.Client(endpoint=sandbox.api_url, timeout=5, **credentials)
        try:
            yield client
        finally:
            session = client._oauth2._session if client._oauth2 else client._session
            if session is not None:
                session.close()


def raw(
    sandbox: Sandbox, method: str, path: str, headers: dict[str, str] | None = None, body: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """Send one request exactly as given, `path` with its prefix. Return status, headers, body."""
    address = urlsplit(sandbox.api_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
    try:
        connection.request(method, path, body or None, headers or {})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def raw_json(sandbox: Sandbox, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
    """Send one request. Return status and value."""
    status, _, body = raw(sandbox, method, path, **arguments)
    return status, json.loads(body)


def ask(
    sandbox: Sandbox,
    name: str,
    rdtype: str = "TXT",
    *,
    server: str = "127.0.0.1",
    recursive: bool = True,
    payload: int | None = 1232,
    tcp: bool = False,
) -> dns.message.Message:
    """Query one of the two servers, by default over UDP; `payload` None: without EDNS."""
    flags = dns.flags.RD if recursive else 0
    edns = {} if payload is None else {"use_edns": 0, "payload": payload}
    query = dns.message.make_query(name, rdtype, flags=flags, **edns)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, server, timeout=5, port=sandbox.dns_address[1])


def texts(answer: dns.message.Message) -> list[bytes]:
    """Return the TXT values of an answer, with their strings joined."""
    return [b"".join(rdata.strings) for rrset in answer.answer for rdata in rrset if rdata.rdtype == 16]
