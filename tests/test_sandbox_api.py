"""The sandbox's API without faults: the input, answer and effect of each call."""

import http.client
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import dns.zone
import pytest
from ovh.exceptions import APIError, BadParametersError, ResourceNotFoundError

from dkimctl.sandbox import Sandbox
from tests.sandbox_clients import KEY_2048, RECORDS, REFRESH, ZONE, library, raw, raw_json

SELECTOR = "mail._domainkey"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with two zones."""
    with Sandbox([ZONE, "other.tld"]) as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Any]:
    """The real library, allowed everything."""
    with library(sandbox) as client:
        yield client


def post(api: Any, **changes: Any) -> Any:
    """Create a record, a plain DKIM except for the changes."""
    return api.post(RECORDS, **{"fieldType": "DKIM", "subDomain": SELECTOR, "target": KEY_2048, "ttl": 0, **changes})


def test_time_is_a_bare_integer(sandbox: Sandbox) -> None:
    """`/auth/time` answers a number and needs no signature."""
    status, _, body = raw(sandbox, "GET", "/1.0/auth/time")
    assert status == 200
    assert re.fullmatch(rb"\d{10}", body)


def test_answers_carry_the_headers_of_the_service(sandbox: Sandbox) -> None:
    """Every answer, errors included, has a query id and is JSON."""
    for path in ("/1.0/auth/time", "/1.0/nonsense"):
        _, headers, _ = raw(sandbox, "GET", path)
        assert re.fullmatch(r"EU\.ext-2\.[0-9a-f]{8}\.\d+\.[0-9a-f]{32}", headers["x-ovh-queryid"])
        assert headers["content-type"] == "application/json; charset=utf-8"
        assert headers["cache-control"] == "no-cache"


def test_connection_is_kept(sandbox: Sandbox) -> None:
    """Several calls go through one connection."""
    address = urlsplit(sandbox.api_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
    connection.connect()
    local = connection.sock.getsockname()
    for _ in range(3):
        connection.request("GET", "/1.0/auth/time")
        connection.getresponse().read()
        assert connection.sock is not None
        assert connection.sock.getsockname() == local
    connection.close()


@pytest.mark.parametrize("path", ["/domain/zone", "/domain/zone/", "/v1/domain/zone", "/v1/domain/zone/"])
def test_prefixes_and_trailing_slash(sandbox: Sandbox, api: Any, path: str) -> None:
    """/1.0 and /v1 are the same API, a slash at the end changes nothing, and the log shows neither."""
    assert api.get(path) == sorted([ZONE, "other.tld"])
    assert sandbox.calls[-1].path == "/domain/zone"


def test_unknown_paths_are_404(sandbox: Sandbox, api: Any) -> None:
    """An unknown path is 404, a known one with a method it does not have is 405."""
    with pytest.raises(ResourceNotFoundError):
        api.get("/me")
    with pytest.raises(ResourceNotFoundError):
        api.get("/v2/iam/policy")
    with pytest.raises(APIError) as caught:
        api.put(REFRESH)
    assert caught.value.response.status_code == 405


def test_zone(api: Any) -> None:
    """A zone shows its two name servers, without trailing dots, and its IAM name."""
    zone = api.get(f"/domain/zone/{ZONE}")
    assert zone["name"] == ZONE
    assert zone["nameServers"] == ["ns1.sandbox.internal", "ns2.sandbox.internal"]
    assert zone["iam"]["urn"] == f"urn:v1:eu:resource:dnsZone:{ZONE}"


def test_unknown_zone(api: Any) -> None:
    """A zone of another account is 404 with the service's words, below it as well."""
    for path in ("/domain/zone/else.tld", "/domain/zone/else.tld/record"):
        with pytest.raises(ResourceNotFoundError, match="This service does not exist"):
            api.get(path)


def test_expired_zone(sandbox: Sandbox, api: Any) -> None:
    """An expired service answers 460 to everything."""
    sandbox.zone(ZONE).expired = True
    with pytest.raises(APIError, match="This service is expired") as caught:
        api.get(RECORDS)
    assert caught.value.response.status_code == 460


def test_fresh_zone_has_records(api: Any) -> None:
    """A new zone is not empty: NS, MX, A and www, with ids beyond 32 bits in no order."""
    ids = api.get(RECORDS)
    types = sorted(api.get(f"{RECORDS}/{number}")["fieldType"] for number in ids)
    assert types == ["A", "CNAME", "MX", "NS", "NS"]
    assert min(ids) > 2**32
    assert ids != sorted(ids)


def test_create_answers_the_record(api: Any) -> None:
    """POST answers the record, keys in the service's order, and GET shows the same."""
    made = post(api)
    assert list(made) == ["target", "ttl", "zone", "fieldType", "id", "subDomain"]
    assert made == {
        "target": KEY_2048,
        "ttl": 0,
        "zone": ZONE,
        "fieldType": "DKIM",
        "id": made["id"],
        "subDomain": SELECTOR,
    }
    assert api.get(f"{RECORDS}/{made['id']}") == made


def test_create_twice_makes_two(api: Any) -> None:
    """POST is not idempotent."""
    assert post(api)["id"] != post(api)["id"]
    assert len(api.get(RECORDS, subDomain=SELECTOR)) == 2


def test_apex_is_the_empty_name(api: Any) -> None:
    """No name, null and the empty string are the apex."""
    for name in ({}, {"subDomain": None}, {"subDomain": ""}):
        made = api.post(RECORDS, fieldType="TXT", target="x", **name)
        assert made["subDomain"] == ""


@pytest.mark.parametrize(("sent", "stored"), [(None, 0), (0, 0), (1, 60), (59, 60), (60, 60), (86400, 86400)])
def test_short_ttl_is_raised(api: Any, sent: int | None, stored: int) -> None:
    """A TTL of 1 to 59 silently becomes 60; 0 and a missing one are the zone's default."""
    assert post(api, ttl=sent)["ttl"] == stored


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fieldType": None}, "[fieldType]"),
        ({"target": None}, "[target]"),
        ({"fieldType": "DKIMX"}, "does not belong to"),
        ({"ttl": -1}, "[ttl]"),
        ({"ttl": "60"}, "[ttl]"),
        ({"target": 5}, "[target]"),
        ({"id": 5}, "Received not described parameters: (id)"),
        ({"fieldType": "A", "target": "here"}, "Invalid target for A"),
        ({"fieldType": "CNAME", "subDomain": "", "target": "x.tld."}, "Subdomain is mandatory for CNAME"),
        ({"fieldType": "DMARC", "target": "v=DMARC1; p=none"}, "Invalid subdomain"),
    ],
)
def test_create_refuses(sandbox: Sandbox, api: Any, changes: dict[str, Any], words: str) -> None:
    """A body that is wrong is 400, says what, and changes nothing."""
    before = sandbox.zone(ZONE).edited
    with pytest.raises(BadParametersError) as caught:
        post(api, **changes)
    assert words in str(caught.value)
    assert sandbox.zone(ZONE).edited == before


def test_body_must_be_an_object(sandbox: Sandbox, api: Any) -> None:
    """A list, an empty body, and invalid JSON are 400."""
    for body in ([1], None):
        with pytest.raises(BadParametersError):
            api.call("POST", RECORDS, body)


@pytest.mark.parametrize(
    ("target", "subfield"),
    [
        (f'"{KEY_2048}"', '"v=DKIM1'),
        ('v=DKIM1; p="MIIB" "MIIB"', 'p="MIIB" "MIIB"'),
        ("v=DKIM2; p=MIIB", "v=DKIM2"),
        ("v=DKIM1; k=dsa; p=MIIB", "k=dsa"),
        ("v=DKIM1; x=1; p=MIIB", "x=1"),
        ("v=DKIM1; h=sha512; p=MIIB", "h=sha512"),
        ("v=DKIM1; s=web; p=MIIB", "s=web"),
        ("v=DKIM1; t=x; p=MIIB", "t=x"),
        ("v=DKIM1; p=MII", "p=MII"),
        ("v=DKIM1; p=MI IB", "p=MI IB"),
        ("v=DKIM1; k=rsa", "p"),
        ("nonsense", "nonsense"),
    ],
)
def test_dkim_tags_are_checked(api: Any, target: str, subfield: str) -> None:
    """A DKIM with a bad tag, or with quotes, is refused in the service's words, by POST and by PUT."""
    with pytest.raises(BadParametersError) as caught:
        post(api, target=target)
    assert str(caught.value).startswith(f"Invalid subfield found in DKIM : {subfield}")
    made = post(api)
    with pytest.raises(BadParametersError):
        api.put(f"{RECORDS}/{made['id']}", target=target)


@pytest.mark.parametrize(
    "target",
    [
        "v=DKIM1;k=rsa;p=MIIB",
        "v=DKIM1; k=rsa; p=MIIB;",
        "v=DKIM1; h=sha256:sha1; s=email; t=y:s; n=a note; p=MIIB",
        "v=DKIM1; p=",
        "p=MIIB",
        "v=DKIM1; k=ed25519; p=" + "A" * 43 + "=",
    ],
)
def test_good_dkim_comes_back_as_sent(api: Any, target: str) -> None:
    """A DKIM is stored as one unquoted string, whatever its spaces."""
    assert post(api, target=target)["target"] == target


def test_dkim_of_4096_bits(api: Any) -> None:
    """A key record of any size comes back whole."""
    target = "v=DKIM1; k=rsa; p=" + "MIIC" * 184
    assert post(api, target=target)["target"] == target


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("token", '"token"'),
        ('"token"', '"token"'),
        ('"one" "two"', '"onetwo"'),
        ("a" * 300, f'"{"a" * 255}" "{"a" * 45}"'),
        ('say "x" \\', '"say \\"x\\" \\\\"'),
    ],
)
def test_txt_comes_back_quoted(api: Any, sent: str, shown: str) -> None:
    """A TXT is shown in quoted strings of at most 255 bytes."""
    assert post(api, fieldType="TXT", target=sent)["target"] == shown


def test_name_filter_is_a_pattern(api: Any) -> None:
    """`subDomain=` takes `_` as any character and `%` as any run, and ignores case: two names answer to one."""
    underscore = post(api)["id"]
    letter = post(api, subDomain="mailx_domainkey".replace("_", "X"))["id"]
    dotted = post(api, subDomain="mail.Xdomainkey")["id"]
    assert set(api.get(RECORDS, subDomain=SELECTOR)) == {underscore, dotted}
    assert set(api.get(RECORDS, subDomain="MAIL%")) == {underscore, letter, dotted}
    assert api.get(RECORDS, subDomain="mail") == []


def test_type_filter(api: Any) -> None:
    """`fieldType=` narrows, alone and with a name."""
    made = post(api)["id"]
    post(api, fieldType="TXT")
    assert api.get(RECORDS, fieldType="DKIM") == [made]
    assert api.get(RECORDS, fieldType="DKIM", subDomain=SELECTOR) == [made]
    assert api.get(RECORDS, fieldType="DKIM", subDomain="other") == []


def test_change(api: Any) -> None:
    """PUT changes name, target and TTL, each alone, and answers nothing."""
    made = post(api)
    path = f"{RECORDS}/{made['id']}"
    assert api.put(path, target="v=DKIM1; p=", ttl=5) is None
    assert api.get(path) == {**made, "target": "v=DKIM1; p=", "ttl": 60}
    api.put(path, subDomain="other._domainkey")
    assert api.get(path) == {**made, "target": "v=DKIM1; p=", "ttl": 60, "subDomain": "other._domainkey"}


@pytest.mark.parametrize("name", ["fieldType", "id", "zone"])
def test_change_refuses_read_only_properties(api: Any, name: str) -> None:
    """PUT with a read-only property is 400 and says which."""
    made = post(api)
    with pytest.raises(BadParametersError, match=f"Try to alter read-only properties: {name}"):
        api.put(f"{RECORDS}/{made['id']}", **{"target": "v=DKIM1; p=", name: made[name]})
    assert api.get(f"{RECORDS}/{made['id']}") == made


def test_delete(api: Any) -> None:
    """DELETE answers nothing, and a second one is 404 with the id."""
    number = post(api)["id"]
    assert api.delete(f"{RECORDS}/{number}") is None
    for call in (api.delete, api.get, lambda path: api.put(path, ttl=60)):
        with pytest.raises(ResourceNotFoundError, match=rf"The requested object \(id = {number}\) does not exist"):
            call(f"{RECORDS}/{number}")


def test_served_only_after_refresh(sandbox: Sandbox, api: Any) -> None:
    """The edited zone is served only after a refresh; status, serial and task say so."""
    zone = sandbox.zone(ZONE)
    before, serial = zone.served, zone.serial
    assert api.get(f"/domain/zone/{ZONE}/status") == {"warnings": None, "errors": None, "isDeployed": True}
    post(api)
    assert zone.served == before != zone.edited
    assert api.get(f"/domain/zone/{ZONE}/status")["isDeployed"] is False
    assert api.post(REFRESH) is None
    assert set(zone.served) == set(zone.edited)
    assert api.get(f"/domain/zone/{ZONE}/status")["isDeployed"] is True
    assert (zone.serial, zone.refreshes) == (serial + 1, 1)
    (task,) = api.get(f"/domain/zone/{ZONE}/task", function="ZoneRefresh")
    assert api.get(f"/domain/zone/{ZONE}/task/{task}")["status"] == "done"


def test_soa(sandbox: Sandbox, api: Any) -> None:
    """The SOA can be read, and its durations changed."""
    path = f"/domain/zone/{ZONE}/soa"
    soa = api.get(path)
    assert list(soa) == ["server", "email", "serial", "refresh", "expire", "nxDomainTtl", "ttl"]
    assert str(soa["serial"]).startswith("20")
    api.put(path, nxDomainTtl=120)
    assert api.get(path)["nxDomainTtl"] == 120
    with pytest.raises(BadParametersError):
        api.put(path, ttl="soon")


def test_export(api: Any) -> None:
    """The export is a zone file: DKIM as split TXT in parentheses, a TTL only where a record has its own."""
    post(api)
    post(api, fieldType="TXT", subDomain="", target="v=spf1 -all", ttl=600)
    text = api.get(f"/domain/zone/{ZONE}/export")
    assert text.startswith("$TTL 3600\n@\tIN SOA ns1.sandbox.internal. tech.ovh.net. (")
    assert '\n                   600 IN TXT    "v=spf1 -all"\n' in text
    assert f'\nmail._domainkey        IN TXT    ( "{KEY_2048[:255]}" "{KEY_2048[255:]}" )\n' in text
    parsed = dns.zone.from_text(text, origin=ZONE)
    assert parsed.find_rdataset(SELECTOR, "TXT").ttl == 3600


def test_import_renumbers(sandbox: Sandbox, api: Any) -> None:
    """An import of the export keeps every record but its id, and is a task."""
    post(api)
    post(api, fieldType="TXT", subDomain="note", target="hello", ttl=600)
    before = {(it.field_type, it.sub_domain, it.target, it.ttl): it.id for it in sandbox.zone(ZONE).edited}
    path = f"/domain/zone/{ZONE}"
    task = api.post(f"{path}/import", zoneFile=api.get(f"{path}/export"))
    after = {(it.field_type, it.sub_domain, it.target, it.ttl): it.id for it in sandbox.zone(ZONE).edited}
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())
    assert (task["function"], task["status"]) == ("ZoneImport", "done")


def test_import_refuses_nonsense(sandbox: Sandbox, api: Any) -> None:
    """An invalid zone file changes nothing."""
    before = sandbox.zone(ZONE).edited
    for body in ({"zoneFile": "@ IN A here"}, {"zoneFile": 5}, {}):
        with pytest.raises(BadParametersError):
            api.post(f"/domain/zone/{ZONE}/import", **body)
    assert sandbox.zone(ZONE).edited == before


def test_planting_is_like_the_panel(sandbox: Sandbox, api: Any) -> None:
    """A planted record is seen by the API, unchecked, and served at once or after the next refresh."""
    zone = sandbox.zone(f"{ZONE}.")
    quoted = zone.add("TXT", SELECTOR, KEY_2048[:255])
    later = zone.add("DKIM", "later._domainkey", '"v=DKIM1', ttl=60, served=False)
    assert api.get(f"{RECORDS}/{quoted.id}")["target"] == f'"{KEY_2048[:255]}"'
    assert api.get(f"{RECORDS}/{later.id}")["target"] == '"v=DKIM1'
    assert quoted in zone.served
    assert later not in zone.served
    api.post(REFRESH)
    assert later in zone.served


def test_log_shows_calls_in_order(sandbox: Sandbox, api: Any) -> None:
    """The log has method, path with query, body and status, and can be emptied."""
    api.get(RECORDS, subDomain="x y")
    made = post(api)
    sandbox.clear_calls()
    api.put(f"{RECORDS}/{made['id']}", ttl=60)
    api.get(RECORDS, subDomain="x y")
    put, get = sandbox.calls
    assert (put.method, put.path, put.body, put.status) == ("PUT", f"{RECORDS}/{made['id']}", '{"ttl":60}', 200)
    assert (get.method, get.path, get.body, get.status) == ("GET", f"{RECORDS}?subDomain=x+y", "", 200)


def test_a_bug_of_the_sandbox_is_an_answer(sandbox: Sandbox, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a route reaches the client as a 500 that names it, not as a hung connection."""
    monkeypatch.setattr(type(sandbox.zone(ZONE)), "ids", None)
    with pytest.raises(APIError, match="the sandbox failed") as caught:
        api.get(RECORDS)
    assert caught.value.response.status_code == 500


def test_unsigned_call_is_not_logged_in(sandbox: Sandbox) -> None:
    """Without any credential the answer is 401."""
    status, value = raw_json(sandbox, "GET", f"/1.0{RECORDS}")
    assert (status, value["class"]) == (401, "Client::Unauthorized")
    assert json.dumps(value)
