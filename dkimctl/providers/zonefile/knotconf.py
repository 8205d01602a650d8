"""Read one zone's setting from Knot's configuration file, its templates included."""

import re

_LINE = re.compile(r"^(?P<indent>\s*)(?P<dash>-\s+)?(?P<name>[\w-]+):\s*(?P<value>[^#]*?)\s*(?:#.*)?$")


def zone_setting(text: str, zone: str, name: str) -> str:
    """Return a setting of a zone, of its template or of the template `default`; empty when none of them has it."""
    zones, templates = _items(text, "zone", "domain"), _items(text, "template", "id")
    own = zones.get(zone.rstrip("."), {})
    template = templates.get(own.get("template", "default"), {})
    return own.get(name) or template.get(name, "")


def is_transferred(text: str, zone: str) -> bool:
    """Return whether Knot gets a zone from another server, so that it writes the zone's file itself."""
    zones, templates = _items(text, "zone", "domain"), _items(text, "template", "id")
    own = zones.get(zone.rstrip("."), {})
    return "master" in own or "master" in templates.get(own.get("template", "default"), {})


def _items(text: str, section: str, key: str) -> dict[str, dict[str, str]]:
    """Return the items of a section by their key, such as `domain`."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    inside = False
    for line in text.splitlines():
        parts = _LINE.match(line)
        if parts is None:
            continue
        if not parts["indent"] and not parts["dash"]:
            inside = parts["name"] == section
        elif inside and parts["dash"] and parts["name"] == key:
            current = found.setdefault(_bare(parts["value"]).rstrip("."), {})
        elif inside:
            current[parts["name"]] = _bare(parts["value"])
    return found


def _bare(value: str) -> str:
    return value.strip("\"'")
