"""An OVH-compatible DNS API over HTTP and two authoritative name servers, all on loopback.

    with Sandbox(zones=["domain.tld"], switches=Switches(refresh_delay=2)) as sandbox:
        sandbox.faults.add(Fault("502-html", method="POST"))
        subprocess.run(["dkimctl", "publish", "domain.tld"], env={**os.environ, **sandbox.environment()})
        assert sandbox.zone("domain.tld").served

Other clients of the API are pointed at it thus. lego takes `OVH_ENDPOINT` as it is. A program that uses python-ovh
(octodns-ovh) needs `ovh.client.ENDPOINTS["ovh-eu"] = os.environ["OVH_ENDPOINT"]` before it starts; dns-lexicon and
certbot-dns-ovh the same in `lexicon._private.providers.ovh.ENDPOINTS`. A client that speaks https only (Node's `ovh`)
needs a proxy with TLS in front that hands `Host` on; signatures of either scheme, with the port and without, are
accepted. Only requests for `localhost` or a loopback address are answered.

It is no part of the tool's work: only the commands `sandbox` and `demo` and the tests use it.
"""

from typing import TYPE_CHECKING

from dkimctl.sandbox.switches import Switches

if TYPE_CHECKING:
    from dkimctl.sandbox.calls import LoggedCall
    from dkimctl.sandbox.faults import Fault
    from dkimctl.sandbox.records import Record
    from dkimctl.sandbox.server import Sandbox

__all__ = ["Fault", "LoggedCall", "Record", "Sandbox", "Switches"]

_HOMES = {"Fault": "faults", "LoggedCall": "calls", "Record": "records", "Sandbox": "server"}


def __getattr__(name: str) -> object:
    """Import the rest when it is used: help texts need the switches only, not HTTP and DNS."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
