"""`/domain/zone/{zone}/record`: list, create, read, change, delete."""

from collections.abc import Mapping
from typing import Any

from dkimctl.sandbox.answers import VOID, ErrorAnswer, Request
from dkimctl.sandbox.checks import accepted, changed, new_fields
from dkimctl.sandbox.records import Record
from dkimctl.sandbox.routes import Routes
from dkimctl.sandbox.zones import Zone


def register(routes: Routes) -> None:
    """Add the calls of this module."""
    routes.add("GET", "/record", "record/get")(list_records)
    routes.add("POST", "/record", "record/create")(create_record)
    routes.add("GET", "/record/{id}", "record/get")(read_record)
    routes.add("PUT", "/record/{id}", "record/edit")(change_record)
    routes.add("DELETE", "/record/{id}", "record/delete")(delete_record)


def list_records(zone: Zone, request: Request, parts: Mapping[str, str]) -> list[int]:
    """Return the ids that match the filters."""
    return zone.ids(request.parameter("fieldType"), request.parameter("subDomain"))


def create_record(zone: Zone, request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Create a record; the same body twice creates two."""
    field_type, sub_domain, target, ttl = new_fields(request.json())
    with zone.lock:
        wanted = accepted(Record(0, field_type, sub_domain, target, ttl), zone)
        made = zone.create(wanted.field_type, wanted.sub_domain, wanted.target, wanted.ttl)
    shown = made.as_json(zone.name)
    return {**shown, "id": 0} if zone.switches.post_id_zero else shown


def read_record(zone: Zone, request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Return a record, unless it is so new that the service does not find it yet."""
    record = _record(zone, parts["id"])
    if not zone.found_yet(record.id):
        raise _missing(parts["id"])
    return record.as_json(zone.name)


def change_record(zone: Zone, request: Request, parts: Mapping[str, str]) -> object:
    """Change name, target or TTL; the type cannot be changed."""
    with zone.lock:
        record = _record(zone, parts["id"])
        zone.change(accepted(changed(record, request.json()), zone))
    return VOID


def delete_record(zone: Zone, request: Request, parts: Mapping[str, str]) -> object:
    """Delete a record; the second time it is not found."""
    with zone.lock:
        zone.remove(_record(zone, parts["id"]).id)
    return VOID


def _record(zone: Zone, record_id: str) -> Record:
    record = zone.find(int(record_id)) if record_id.isdecimal() and len(record_id) < 20 else None
    if record is None:
        raise _missing(record_id)
    return record


def _missing(record_id: str) -> ErrorAnswer:
    return ErrorAnswer(404, f"The requested object (id = {record_id}) does not exist", "NOT_FOUND")
