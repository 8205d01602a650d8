"""Other clients of the OVH API against the sandbox, as their users run them; skipped where they are not installed."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from requests.adapters import HTTPAdapter

from dkimctl.sandbox import Sandbox
from tests.conftest import needs
from tests.ports import free_port_everywhere
from tests.sandbox_clients import RECORDS, ZONE

POINTED = """
import os, ovh.client
ovh.client.ENDPOINTS["ovh-eu"] = os.environ["OVH_ENDPOINT"]
"""
"""The code with which a program that uses python-ovh uses the sandbox."""
ACME = f"_acme-challenge.{ZONE}"


def module(name: str) -> pytest.MarkDecorator:
    """Skip without this Python module."""
    return pytest.mark.skipif(
        find_spec(name.partition(".")[0]) is None, reason=f"the Python module {name} is not installed"
    )


def python(sandbox: Sandbox, code: str, *arguments: str) -> str:
    """Run a Python program that uses the sandbox. Return its output."""
    environment = {**os.environ, **sandbox.environment()}
    ran = subprocess.run(
        [sys.executable, "-c", POINTED + code, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@module("octodns_ovh")
def test_octodns(tmp_path: Path) -> None:
    """A zone of octodns is planned and created; the next plan is empty."""
    (tmp_path / f"{ZONE}.yaml").write_text("mail._domainkey:\n  type: TXT\n  value: v=DKIM1\\; k=rsa\\; p=\n")
    (tmp_path / "config.yaml").write_text(
        f"providers:\n  files:\n    class: octodns.provider.yaml.YamlProvider\n    directory: {tmp_path}\n"
        "  ovh:\n    class: octodns_ovh.OvhProvider\n    endpoint: ovh-eu\n"
        + "".join(
            f"    {key}: env/OVH_{key.upper()}\n" for key in ("application_key", "application_secret", "consumer_key")
        )
        + f"zones:\n  {ZONE}.:\n    sources: [files]\n    targets: [ovh]\n"
    )
    code = (
        "import sys\nfrom octodns.manager import Manager\nprint(Manager(sys.argv[1]).sync(dry_run=False, force=True))\n"
    )
    with Sandbox([ZONE]) as sandbox:
        assert python(sandbox, code, str(tmp_path / "config.yaml")).strip() != "0"
        assert [r.target for r in sandbox.zone(ZONE).served if r.sub_domain == "mail._domainkey"]
        assert python(sandbox, code, str(tmp_path / "config.yaml")).strip() == "0"


LEXICON = f"""
import lexicon.client, lexicon.config, lexicon._private.providers.ovh as service
from types import SimpleNamespace
lexicon.client.tldextract = SimpleNamespace(  # which would fetch the public suffix list
    TLDExtract=lambda **_: lambda name: SimpleNamespace(domain=name.split(".")[-2], suffix=name.split(".")[-1]))
service.ENDPOINTS["ovh-eu"] = os.environ["OVH_ENDPOINT"]
values = {{"provider_name": "ovh", "domain": "{ZONE}",
    "ovh": {{"auth_entrypoint": "ovh-eu", **{{"auth_" + k: os.environ["OVH_" + k.upper()]
        for k in ("application_key", "application_secret", "consumer_key")}}}}}}
with lexicon.client.Client(lexicon.config.ConfigResolver().with_dict(values)) as operations:
    operations.create_record("TXT", "{ACME}", "token")
    print([r["content"] for r in operations.list_records("TXT", "{ACME}")])
    operations.delete_record(None, "TXT", "{ACME}")
    print(operations.list_records("TXT", "{ACME}"))
"""


@module("lexicon")
def test_dns_lexicon() -> None:
    """A record is created, listed and deleted."""
    with Sandbox([ZONE]) as sandbox:
        made, gone = python(sandbox, LEXICON).splitlines()
        assert "token" in made
        assert gone == "[]"


CERTBOT = f"""
import lexicon._private.providers.ovh as service
service.ENDPOINTS["ovh-eu"] = os.environ["OVH_ENDPOINT"]
from types import SimpleNamespace
from certbot_dns_ovh._internal.dns_ovh import Authenticator
import lexicon.client, tempfile
lexicon.client.tldextract = SimpleNamespace(  # which would fetch the public suffix list
    TLDExtract=lambda **_: lambda name: SimpleNamespace(domain=name.split(".")[-2], suffix=name.split(".")[-1]))
file = tempfile.NamedTemporaryFile("w", suffix=".ini", delete=False)
file.write("dns_ovh_endpoint = ovh-eu\\n")
for key in ("application_key", "application_secret", "consumer_key"):
    file.write(f"dns_ovh_{{key}} = " + os.environ["OVH_" + key.upper()] + "\\n")
file.close()
os.chmod(file.name, 0o600)
config = SimpleNamespace(ovh_credentials=file.name, ovh_propagation_seconds=0, dns_ovh_credentials=file.name)
plugin = Authenticator(config, "dns-ovh")
plugin._setup_credentials()
plugin._perform("{ZONE}", "{ACME}", "token")
plugin._cleanup("{ZONE}", "{ACME}", "token")
"""


@module("certbot_dns_ovh")
@module("certbot")
def test_certbot() -> None:
    """The record of a challenge is created and deleted."""
    with Sandbox([ZONE]) as sandbox:
        python(sandbox, CERTBOT)
        written = [call.method for call in sandbox.calls if call.path.startswith(RECORDS) and call.method != "GET"]
        assert written == ["POST", "DELETE"]
        assert sandbox.zone(ZONE).refreshes == 2


# --- lego proves a name to an ACME server, which asks the sandbox's DNS


@needs("lego", "pebble", "openssl")
def test_lego(tmp_path: Path) -> None:
    """A certificate by the DNS challenge: pebble finds the record in the sandbox's zone, and lego removes it."""
    with Sandbox([ZONE]) as sandbox, pebble(sandbox, tmp_path) as directory:
        variables = {
            **os.environ,
            **sandbox.environment(),
            "LEGO_CA_CERTIFICATES": str(tmp_path / "certificate.pem"),
            "OVH_POLLING_INTERVAL": "1",
        }
        asked = ("--dns.resolvers", _resolver(sandbox), "--dns.disable-cp", "--dns", "ovh", "--domains", f"www.{ZONE}")
        account = ("--accept-tos", "--email", f"me@{ZONE}", "--path", str(tmp_path / "lego"), "--server", directory)
        ran = subprocess.run(
            ["lego", *account, *asked, "run"], env=variables, capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, ran.stderr
        assert (tmp_path / f"lego/certificates/www.{ZONE}.crt").exists()
        written = [call.method for call in sandbox.calls if call.path.startswith(RECORDS) and call.method != "GET"]
        assert written == ["POST", "DELETE"]


def wait_until_open(port: int, started: "subprocess.Popen[bytes]") -> None:
    """Wait until a program listens; fail when it ended."""
    for _ in range(600):
        assert started.poll() is None, "it ended at once"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


def _resolver(sandbox: Sandbox) -> str:
    return sandbox.environment()["DKIMCTL_NAMESERVERS"].split(",")[0]


@contextmanager
def pebble(sandbox: Sandbox, directory: Path) -> Iterator[str]:
    """Start an ACME server that asks the sandbox's name server. Return the address of its directory."""
    key, certificate = self_signed(directory)
    port, other = (free_port_everywhere("127.0.0.1") for _ in range(2))
    settings = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{other}",
        "certificate": str(certificate),
        "privateKey": str(key),
    }
    (directory / "pebble.json").write_text(json.dumps({"pebble": settings}))
    started = ["pebble", "-config", str(directory / "pebble.json"), "-dnsserver", _resolver(sandbox)]
    quick = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    with (directory / "pebble.log").open("wb") as log:
        running = subprocess.Popen(started, env={**os.environ, **quick}, stdout=log, stderr=log)
    try:
        wait_until_open(port, running)
        yield f"https://localhost:{port}/dir"
    finally:
        running.kill()
        running.wait()


# --- Node's client speaks https to a name without a port, so there is a proxy with TLS in front

NODE = """
const ovh = require('ovh')({host: 'localhost', port: +process.env.PORT, appKey: process.env.OVH_APPLICATION_KEY,
  appSecret: process.env.OVH_APPLICATION_SECRET, consumerKey: process.env.OVH_CONSUMER_KEY});
ovh.requestPromised('POST', '/domain/zone/ZONE/record', {fieldType: 'TXT', subDomain: 'a', target: 'x'})
  .then(() => ovh.requestPromised('GET', '/domain/zone/ZONE/record', {fieldType: 'TXT'}))
  .then(ids => console.log(JSON.stringify(ids)), error => { console.error(error); process.exit(1); });
"""


NODE_MODULES = Path(sys.prefix) / "node_modules"  # where tests/run puts them


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.skipif(not (NODE_MODULES / "ovh").exists(), reason=f"npm install --prefix {sys.prefix} ovh was not run")
def test_node(tmp_path: Path) -> None:
    """A signed call, which signs https and a host without its port."""
    with Sandbox([ZONE]) as sandbox, tls_in_front(sandbox, tmp_path) as port:
        variables = {
            **os.environ,
            **sandbox.environment(),
            "NODE_PATH": str(NODE_MODULES),
            "PORT": str(port),
            "NODE_TLS_REJECT_UNAUTHORIZED": "0",
        }
        ran = subprocess.run(
            ["node", "-e", NODE.replace("ZONE", ZONE)], env=variables, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        assert len(json.loads(ran.stdout)) == 1


def test_any_client_through_a_tls_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """python-ovh pointed at a https address signs that address."""
    import ovh
    import ovh.client

    with Sandbox([ZONE]) as sandbox, tls_in_front(sandbox, tmp_path) as port:
        monkeypatch.setitem(ovh.client.ENDPOINTS, "ovh-eu", f"https://localhost:{port}/1.0")
        keys = sandbox.credentials
        client = ovh.Client("ovh-eu", keys.application_key, keys.application_secret, keys.consumer_key, timeout=10)
        client._session.verify = str(tmp_path / "certificate.pem")
        client._session.trust_env = False
        assert client.get("/domain/zone") == [ZONE]
        client.post(f"/domain/zone/{ZONE}/refresh")
        version = client.get(f"/domain/zone/{ZONE}/history/{client.get(f'/domain/zone/{ZONE}/history')[-1]}")
        assert version["zoneFileUrl"].startswith(f"https://localhost:{port}/zonefile/")
        assert "SOA" in client._session.get(version["zoneFileUrl"]).text
        for host, status in (("localhost:8443", 200), ("ark.example:8443", 400)):
            # as a proxy that sends a name of its own
            client._session.headers.update({"Host": "127.0.0.1", "X-Forwarded-Host": host})
            client._endpoint = f"https://{host}/1.0"
            client._session.mount(client._endpoint, _At(port))
            assert client.raw_call("GET", "/domain/zone").status_code == status


class _At(HTTPAdapter):
    """Sends what is addressed to any host to the proxy."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def send(self, request: Any, *arguments: Any, **more: Any) -> Any:
        """Send it there."""
        request.url = f"https://localhost:{self.port}{request.path_url}"
        return super().send(request, *arguments, **more)


@contextmanager
def tls_in_front(sandbox: Sandbox, directory: Path) -> Iterator[int]:
    """Start a TLS proxy. Return its port."""
    key, certificate = self_signed(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    address = urlsplit(sandbox.api_url)

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def serve(plain: socket.socket) -> None:
        target = (address.hostname or "", address.port or 0)
        with (
            suppress(OSError),
            context.wrap_socket(plain, server_side=True) as outer,
            socket.create_connection(target) as inner,
        ):
            back = threading.Thread(target=copy, args=(inner, outer), daemon=True)
            back.start()
            copy(outer, inner)
            back.join(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def self_signed(directory: Path) -> tuple[Path, Path]:
    """Return the key and the certificate of localhost."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate
