"""`/domain/zone/{zone}` itself: name servers, refresh, status, SOA, text form, tasks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dkimctl.sandbox.answers import VOID, ErrorAnswer, Request
from dkimctl.sandbox.routes import Routes
from dkimctl.sandbox.tasks import timestamp
from dkimctl.sandbox.zonefile import export_text, import_text
from dkimctl.sandbox.zones import Zone


def register(routes: Routes) -> None:
    """Add the calls of this module."""
    routes.add("GET", "", "get")(show_zone)
    routes.add("POST", "/refresh", "refresh")(refresh)
    routes.add("GET", "/status", "status/get")(status)
    routes.add("GET", "/soa", "soa/get")(show_soa)
    routes.add("PUT", "/soa", "soa/edit")(change_soa)
    routes.add("GET", "/export", "export/get")(export)
    routes.add("POST", "/import", "import")(import_zone)
    routes.add("GET", "/dnssec", "dnssec/get")(dnssec)
    routes.add("GET", "/task", "task/get")(list_tasks)
    routes.add("GET", "/task/{id}", "task/get")(show_task)


def show_zone(zone: Zone, request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Return the zone's properties."""
    urn = f"urn:v1:eu:resource:dnsZone:{zone.name}"
    return {
        "name": zone.name,
        "nameServers": list(zone.name_servers),
        "dnssecSupported": True,
        "dnssecActivated": False,
        "hasDnsAnycast": False,
        "lastUpdate": timestamp(),
        "iam": {"id": zone.name, "urn": urn, "displayName": zone.name, "tags": {}},
    }


def refresh(zone: Zone, request: Request, parts: Mapping[str, str]) -> object:
    """Serve the edited zone."""
    with zone.lock:
        if zone.switches.refresh_race and zone.refreshing:
            message = "cannot schedule more than one refresh at a time"
            raise ErrorAnswer(zone.switches.refresh_race, message)
        zone.refresh()
    return VOID


def status(zone: Zone, request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Return whether DNS serves the edited zone."""
    return {"warnings": None, "errors": None, "isDeployed": zone.deployed}


def show_soa(zone: Zone, request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Return the SOA in the API's form."""
    soa = zone.soa
    return {
        "server": soa.server,
        "email": soa.email,
        "serial": soa.serial,
        "refresh": soa.refresh,
        "expire": soa.expire,
        "nxDomainTtl": soa.minimum,
        "ttl": soa.ttl,
    }


def change_soa(zone: Zone, request: Request, parts: Mapping[str, str]) -> object:
    """Change durations; serial and names cannot be changed."""
    body = request.json()
    names = {"refresh": "refresh", "expire": "expire", "nxDomainTtl": "minimum", "ttl": "ttl"}
    if not isinstance(body, dict):
        raise ErrorAnswer(400, "Missing request body")
    durations = {names[name]: value for name, value in body.items() if name in names}
    if not all(isinstance(value, int) and value > 0 for value in durations.values()):
        raise ErrorAnswer(400, "Given data is not valid for type long")
    with zone.lock:
        zone.change_soa(replace(zone.soa, **durations))
    return VOID


def export(zone: Zone, request: Request, parts: Mapping[str, str]) -> str:
    """Return the edited zone as text."""
    return export_text(zone)


def import_zone(zone: Zone, request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Replace all records with those of a zone file."""
    body = request.json()
    if not isinstance(body, dict) or not isinstance(body.get("zoneFile"), str):
        raise ErrorAnswer(400, "[zoneFile] Missing input parameter")
    return zone.replace_all(import_text(zone, body["zoneFile"]))


def dnssec(zone: Zone, request: Request, parts: Mapping[str, str]) -> dict[str, str]:
    """Return the DNSSEC status, always disabled: the sandbox does not sign."""
    return {"status": "disabled"}


def list_tasks(zone: Zone, request: Request, parts: Mapping[str, str]) -> list[int]:
    """Return the ids of the tasks that match the filters."""
    wanted = {name: request.parameter(name) for name in ("function", "status")}
    return [
        task["id"] for task in zone.tasks if all(value is None or task[name] == value for name, value in wanted.items())
    ]


def show_task(zone: Zone, request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Return a task."""
    for task in zone.tasks:
        if str(task["id"]) == parts["id"]:
            return task
    raise ErrorAnswer(404, f"The requested object (id = {parts['id']}) does not exist", "NOT_FOUND")
