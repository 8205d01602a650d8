"""`/domain/zone/{zone}/history` and `/serviceInfos`."""

from collections.abc import Mapping
from typing import Any

from dkimctl.sandbox.answers import ErrorAnswer, Request
from dkimctl.sandbox.history import Version, moment
from dkimctl.sandbox.routes import Routes
from dkimctl.sandbox.zones import Zone


def register(routes: Routes) -> None:
    """Add the calls of this module."""
    routes.add("GET", "/history", "history/get")(list_versions)
    routes.add("GET", "/history/{date}", "history/get")(show_version)
    routes.add("POST", "/history/{date}/restore", "history/restore")(restore)
    routes.add("GET", "/serviceInfos", "serviceInfos/get")(service)


def list_versions(zone: Zone, request: Request, parts: Mapping[str, str]) -> list[str]:
    """Return the dates of the versions between `creationDate.from` and `creationDate.to`."""
    since, until = (_date(request, f"creationDate.{end}") for end in ("from", "to"))
    return [
        version.name
        for version in zone.history.versions
        if (since is None or version.date >= since) and (until is None or version.date <= until)
    ]


def show_version(zone: Zone, request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Return a version and the URL of its text."""
    version = _version(zone, parts["date"])
    return {"creationDate": version.name, "zoneFileUrl": f"{request.origin}/zonefile/{version.token}"}


def restore(zone: Zone, request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Restore a version as the edited zone; every record gets a new id."""
    return zone.replace_all(list(_version(zone, parts["date"]).records), "ZoneRestore")


def service(zone: Zone, request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Return the properties of the paid service, with its expiry."""
    contact = "sandbox-ovh"
    return {
        "canDeleteAtExpiration": True,
        "contactAdmin": contact,
        "contactBilling": contact,
        "contactTech": contact,
        "creation": "2020-01-01",
        "domain": zone.name,
        "engagedUpTo": None,
        "expiration": "2000-01-01" if zone.expired else "2099-01-01",
        "possibleRenewPeriod": [12],
        "renew": {
            "automatic": True,
            "deleteAtExpiration": False,
            "forced": False,
            "manualPayment": False,
            "period": 12,
        },
        "renewalType": "automaticV2016",
        "serviceId": 1,
        "status": "expired" if zone.expired else "ok",
    }


def _version(zone: Zone, date: str) -> Version:
    version = zone.history.find(date)
    if version is None:
        raise ErrorAnswer(404, f"The requested object (creationDate = {date}) does not exist", "NOT_FOUND")
    return version


def _date(request: Request, name: str) -> Any:
    text = request.parameter(name)
    if text is None:
        return None
    found = moment(text)
    if found is None:
        raise ErrorAnswer(400, f"[{name}] Given data ({text}) is not valid for type datetime")
    return found
