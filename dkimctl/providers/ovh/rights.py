"""The rights that dkimctl uses on a zone. `GET /domain/zone` is not among them: it lists the whole account."""

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

OPTIONAL = (
    ("GET", "/domain/zone/{zone}"),
    ("GET", "/domain/zone/{zone}/status"),
    ("GET", "/domain/zone/{zone}/export"),
)
"""The rights without which publishing still works.

Listing records shows that the zone exists, the name servers show what is deployed, and records can be read singly.
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
"""The same rights for a service account, as actions of OVH's access management (IAM)."""


def rule_for(method: str, path: str) -> str:
    """Return the rule that grants a call, as written in OVH's form: `GET /domain/zone/example.com/record/*`."""
    parts = path.partition("?")[0].split("/")
    if len(parts) > 5 and parts[4] == "record":
        parts[5:] = ["*"]
    return f"{method} {'/'.join(parts)}"


def token_page(zone: str, host: str = "eu.api.ovh.com") -> str:
    """Return the URL of the page on which a person creates all three keys with exactly the rights for one zone."""
    wanted = "&".join(f"{method}={path.format(zone=zone)}" for method, path in RULES)
    return f"https://{host}/createToken/?{wanted}"
