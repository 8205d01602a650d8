"""The rights this tool uses on a zone, as data. `GET /domain/zone` is not among them: it lists the whole account."""

RULES: tuple[tuple[str, str], ...] = (
    ("GET", "/domain/zone/{zone}"),
    ("GET", "/domain/zone/{zone}/record"),
    ("GET", "/domain/zone/{zone}/record/*"),
    ("POST", "/domain/zone/{zone}/record"),
    ("PUT", "/domain/zone/{zone}/record/*"),
    ("DELETE", "/domain/zone/{zone}/record/*"),
    ("POST", "/domain/zone/{zone}/refresh"),
    ("GET", "/domain/zone/{zone}/status"),
    ("GET", "/domain/zone/{zone}/export"),
)
"""Method and path of each rule of a consumer key; the only wildcard of such a path is `*`."""

COMFORT = (
    ("GET", "/domain/zone/{zone}"),
    ("GET", "/domain/zone/{zone}/status"),
    ("GET", "/domain/zone/{zone}/export"),
)
"""Those without which publishing still works.

Records tell where the zone is, name servers what is deployed, and many records can be read one by one.
"""

ACTIONS = (
    "dnsZone:apiovh:get",
    "dnsZone:apiovh:record/get",
    "dnsZone:apiovh:record/create",
    "dnsZone:apiovh:record/edit",
    "dnsZone:apiovh:record/delete",
    "dnsZone:apiovh:refresh",
    "dnsZone:apiovh:status/get",
    "dnsZone:apiovh:export/get",
)
"""The same rights of a service account, as the policies of OVH's access management (IAM) name them."""


def rule_for(method: str, path: str) -> str:
    """The rule that grants a call, as the form of OVH wants it: `GET /domain/zone/example.com/record/*`."""
    parts = path.partition("?")[0].split("/")
    if len(parts) > 5 and parts[4] == "record":
        parts[5:] = ["*"]
    return f"{method} {'/'.join(parts)}"


def token_page(zone: str, host: str = "eu.api.ovh.com") -> str:
    """The page on which a person makes all three keys, with these rights on one zone and no others."""
    wanted = "&".join(f"{method}={path.format(zone=zone)}" for method, path in RULES)
    return f"https://{host}/createToken/?{wanted}"
