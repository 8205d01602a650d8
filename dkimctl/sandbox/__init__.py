"""An OVH-compatible DNS API over HTTP and two authoritative name servers, all on loopback.

    with Sandbox(zones=["domain.tld"], switches=Switches(refresh_delay=2)) as sandbox:
        sandbox.faults.add(Fault("502-html", method="POST"))
        subprocess.run(["dkimctl", "publish", "domain.tld"], env={**os.environ, **sandbox.environment()})
        assert sandbox.zone("domain.tld").served

Other clients of the API can use it as well. lego accepts `OVH_ENDPOINT` unchanged. A program that uses python-ovh
(octodns-ovh) needs `ovh.client.ENDPOINTS["ovh-eu"] = os.environ["OVH_ENDPOINT"]` before it starts; dns-lexicon and
certbot-dns-ovh need the same in `lexicon._private.providers.ovh.ENDPOINTS`. A client that supports https only (Node's
`ovh`) needs a TLS proxy that passes `Host` on; signatures are accepted for both schemes, with and without the port.
Only requests for `localhost` or a loopback address are answered.

The tool itself does not need it: only the commands `sandbox` and `demo` and the tests use it.
"""

from typing import TYPE_CHECKING

from dkimctl.sandbox.switches import Switches

if TYPE_CHECKING:
    from dkimctl.sandbox.calls import LoggedCall
    from dkimctl.sandbox.faults import Fault
    from dkimctl.sandbox.records import Record
    from dkimctl.sandbox.server import Sandbox

__all__ = ["Fault", "LoggedCall", "Record", "Sandbox", "Switches"]

_MODULES = {"Fault": "faults", "LoggedCall": "calls", "Record": "records", "Sandbox": "server"}


def __getattr__(name: str) -> object:
    """Import the other names on first use: help texts need only the switches, not HTTP and DNS."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
