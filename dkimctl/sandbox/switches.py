"""Switches for the behaviours of the OVH API that are undocumented or changed over the years."""

from dataclasses import dataclass, field
from typing import Literal, TypeVar

T = TypeVar("T")


def _switch(default: T, meaning: str) -> T:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True)
class Switches:
    """The behaviour of the sandbox where that of the real service is unknown, varies, or was once wrong.

    The defaults are today's API as described by its clients. Durations are in seconds. The meaning of each field is
    its `metadata["meaning"]`, which is also shown in the command's help.
    """

    error_format: Literal["class", "legacy"] = _switch(
        "class", "error bodies: {class, message} of today, or {errorCode, httpCode, message} of before 2024"
    )
    void: Literal["null", "204", "empty"] = _switch(
        "null", "answer without a value: 200 with null, 204, or 200 with an empty body"
    )
    latency: float = _switch(0.0, "delay before every API call is carried out")
    clock_skew: float = _switch(0.0, "seconds by which the API's clock is ahead of this machine's")
    timestamp_window: float = _switch(300.0, "how far the time of a signed request may differ")
    pending_credential_readable: bool = _switch(
        False, "GET /auth/currentCredential answers while the consumer key waits for validation"
    )
    token_lifetime: float = _switch(3600.0, "how long an OAuth2 access token is valid")

    sub_domain_filter: Literal["ilike", "like"] = _switch(
        "ilike", "record?subDomain=: both take _ and % as wildcards, ilike ignores case"
    )
    txt_form: Literal["quoted", "raw"] = _switch(
        "quoted", "TXT comes back quoted and split at 255 bytes, or as it was sent (2018)"
    )
    truncate_txt: bool = _switch(False, "a TXT longer than 255 bytes is silently truncated")
    truncate_dkim: bool = _switch(False, "a DKIM longer than 255 bytes is silently truncated")
    max_target: int = _switch(0, "longest accepted target, in characters; 0: no limit")
    retype_txt: bool = _switch(False, "a TXT that is a valid key record becomes a DKIM")
    refuse_dkim: bool = _switch(False, "the API does not know the field type DKIM")
    refuse_ed25519: bool = _switch(False, "k=ed25519 in a DKIM is a bad request")
    dkim_name: Literal["any", "label", "suffix"] = _switch(
        "any", "allowed names of a DKIM: any, with a label _domainkey, or ending in it"
    )
    cname_clash: Literal["accepted", "refused"] = _switch(
        "accepted", "a CNAME with other records of its name: accepted, or 409"
    )
    duplicates: Literal["accepted", "refused"] = _switch(
        "accepted", "the same record a second time: a second record, or 409"
    )
    lower_case_names: bool = _switch(False, "names come back in lower case")
    post_id_zero: bool = _switch(False, "POST record answers with id 0")
    get_404_after_post: int = _switch(0, "how many GETs of a new record answer 404 first")

    refresh_delay: float = _switch(0.0, "time from POST refresh until DNS serves the zone")
    refresh_race: int = _switch(0, "HTTP status of a refresh during another one; 0: accepted")
    export_dkim: Literal["split", "whole"] = _switch(
        "split", "a DKIM longer than 255 bytes in an export: as several strings, or as one"
    )

    soa_minimum: Literal[300, 60] = _switch(300, "negative TTL of a zone: 300 in older zones, 60 in newer")
    dns_delay: float = _switch(0.0, "delay before a DNS answer")
