"""An OVH-compatible DNS API over HTTP and two authoritative name servers, all on loopback.

    with Sandbox(zones=["domain.tld"], switches=Switches(refresh_delay=2)) as sandbox:
        sandbox.faults.add(Fault("502-html", method="POST"))
        subprocess.run(["dkimctl", "publish", "domain.tld"], env={**os.environ, **sandbox.environment()})
        assert sandbox.zone("domain.tld").served

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
