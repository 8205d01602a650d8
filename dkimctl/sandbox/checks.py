"""The API's checks of a record before it is stored."""

from dataclasses import replace
from typing import Any

import dns.name

from dkimctl.sandbox.answers import ErrorAnswer
from dkimctl.sandbox.records import FIELD_TYPES, TEXT_TYPES, Record
from dkimctl.sandbox.resolution import served_rdata
from dkimctl.sandbox.switches import Switches
from dkimctl.sandbox.targets import STRING_LIMIT, bad_dkim_subfield, is_key_record, joined, quote, truncate
from dkimctl.sandbox.zones import Zone

MINIMUM_TTL = 60
READ_ONLY = ("fieldType", "id", "zone")


def new_fields(body: Any) -> tuple[str, str, str, int]:
    """Return field type, name, target and TTL of a POST body. Raises ErrorAnswer."""
    fields = _object(body, allowed=("fieldType", "subDomain", "target", "ttl"))
    for name in ("fieldType", "target"):
        if fields.get(name) is None:
            raise ErrorAnswer(400, f"[{name}] Missing input parameter")
    field_type = fields["fieldType"]
    if not isinstance(field_type, str) or field_type not in FIELD_TYPES:
        raise unknown_type(str(field_type))
    return field_type, _text(fields, "subDomain"), _text(fields, "target"), _ttl(fields)


def unknown_type(field_type: str) -> ErrorAnswer:
    """Return the error for a type that is not in the enumeration."""
    return ErrorAnswer(
        400, f"[fieldType] Given data ({field_type}) does not belong to the NamedResolutionFieldTypeEnum enumeration"
    )


def changed(record: Record, body: Any) -> Record:
    """Return the record as changed by a PUT body. Raises ErrorAnswer."""
    given = body if isinstance(body, dict) else {}
    read_only = [name for name in READ_ONLY if name in given]
    if read_only:
        raise ErrorAnswer(400, f"Try to alter read-only properties: {', '.join(read_only)}")
    fields = _object(body, allowed=("subDomain", "target", "ttl"))
    return replace(
        record,
        sub_domain=_text(fields, "subDomain") if "subDomain" in fields else record.sub_domain,
        target=_text(fields, "target") if "target" in fields else record.target,
        ttl=_ttl(fields) if "ttl" in fields else record.ttl,
    )


def accepted(record: Record, zone: Zone) -> Record:
    """Return the record as the API stores it. Raises ErrorAnswer 400 or 409."""
    switches = zone.switches
    if switches.max_target and len(record.target) > switches.max_target:
        raise ErrorAnswer(400, f"[target] Given data is longer than {switches.max_target} characters")
    if record.field_type == "TXT" and switches.retype_txt and is_key_record(record.target):
        record = replace(record, field_type="DKIM", target=joined(record.target))
    if switches.lower_case_names:
        record = replace(record, sub_domain=record.sub_domain.lower())
    _check_name(record, switches)
    if record.field_type == "DKIM" and switches.refuse_dkim:
        raise unknown_type("DKIM")
    if record.field_type == "DKIM":
        _check_dkim(record, switches)
    if served_rdata(record, dns.name.from_text(zone.name)) is None:
        raise ErrorAnswer(400, f"Invalid target for {record.field_type} : {record.target}")
    record = replace(record, target=_stored_target(record, switches))
    _check_neighbours(record, zone)
    return record


def _check_name(record: Record, switches: Switches) -> None:
    labels = record.sub_domain.lower().split(".")
    if record.field_type == "CNAME" and not record.sub_domain:
        raise ErrorAnswer(400, "Invalid subdomain : Subdomain is mandatory for CNAME")
    if record.field_type == "DMARC" and labels[0] != "_dmarc":
        raise ErrorAnswer(400, "Invalid subdomain : Subdomain must start with _dmarc")
    if record.field_type != "DKIM" or switches.dkim_name == "any":
        return
    wanted = labels[-1:] if switches.dkim_name == "suffix" else labels
    if "_domainkey" not in wanted:
        raise ErrorAnswer(400, "Invalid subdomain : Subdomain must end with _domainkey")


def _check_dkim(record: Record, switches: Switches) -> None:
    subfield = bad_dkim_subfield(record.target, ed25519=not switches.refuse_ed25519)
    if subfield is not None:
        raise ErrorAnswer(400, f"Invalid subfield found in DKIM : {subfield}")


def _stored_target(record: Record, switches: Switches) -> str:
    target = record.target
    cut = {"TXT": switches.truncate_txt, "DKIM": switches.truncate_dkim}.get(record.field_type, False)
    if cut and len(target.encode()) > STRING_LIMIT:
        target = truncate(target)
    if record.field_type in TEXT_TYPES - {"DKIM", "DMARC"} and switches.txt_form == "quoted":
        target = quote(target)
    return target


def _check_neighbours(record: Record, zone: Zone) -> None:
    if "refused" not in (zone.switches.cname_clash, zone.switches.duplicates):
        return
    neighbours = [
        other
        for other in zone.edited
        if other.sub_domain.lower() == record.sub_domain.lower() and other.id != record.id
    ]
    cname = record.field_type == "CNAME" or any(other.field_type == "CNAME" for other in neighbours)
    if neighbours and cname and zone.switches.cname_clash == "refused":
        raise ErrorAnswer(409, "A CNAME record cannot coexist with other records of the same subdomain")
    same = any((other.field_type, other.target) == (record.field_type, record.target) for other in neighbours)
    if same and zone.switches.duplicates == "refused":
        raise ErrorAnswer(409, "This record already exists")


def _object(body: Any, allowed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ErrorAnswer(400, "Missing request body")
    unknown = [name for name in body if name not in allowed]
    if unknown:
        raise ErrorAnswer(400, f"Received not described parameters: ({', '.join(unknown)})")
    return body


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ErrorAnswer(400, f"[{name}] Given data ({value}) is not valid for type string")
    return value


def _ttl(fields: dict[str, Any]) -> int:
    """Return the TTL: 1 to 59 silently become 60; 0 and a missing value are the zone's default."""
    value = fields.get("ttl") or 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2147483647:
        raise ErrorAnswer(400, f"[ttl] Given data ({value}) is not valid for type long")
    return max(value, MINIMUM_TTL) if value else 0
