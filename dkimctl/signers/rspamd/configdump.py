"""rspamd's own configuration as it takes effect (`rspamadm configdump`), and the maps that it names.

Only the tables that decide about signing are kept: others hold passwords.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.files import read_file
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.programs import find_program, run_program
from dkimctl.signers.rspamd.suffixes import SUFFIX_LIST

USUAL_PATH = "/var/lib/rspamd/dkim/$domain.$selector.key"
USUAL_SELECTOR = "dkim"


@cache
def signing_options() -> Mapping[str, Any] | None:
    """Return the table dkim_signing; None where rspamd is not installed or its configuration cannot be read."""
    return next(iter(_dumped("dkim_signing")), None)


@cache
def milter_socket() -> MilterSocket | None:
    """Return where its proxy speaks the milter protocol; None when it does nowhere, or that cannot be read."""
    for worker in _dumped("worker"):
        proxy = worker.get("rspamd_proxy")
        if isinstance(proxy, dict) and proxy.get("milter"):
            bound = proxy.get("bind_socket", "")
            place = str(bound[0] if isinstance(bound, list) and bound else bound).split()
            if place and place[0].startswith("/"):
                return MilterSocket(path=place[0])
            host, _, port = place[0].rpartition(":") if place else ("", "", "")
            if port.isdigit():
                return MilterSocket(port=int(port), host=host.strip("[]").replace("*", ""))
    return None


def _dumped(section: str) -> list[dict[str, Any]]:
    """Return the documents of one section: one for each block of that name."""
    if find_program("rspamadm") is None:
        return []
    try:
        ended = run_program("rspamadm", "configdump", "-j", section)
    except Unavailable:
        return []
    text, found = ended.out.lstrip(), list[dict[str, Any]]()
    while text.startswith("{"):
        try:
            document, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            break
        found.append(document)
        text = text[end:].lstrip()
    return found


def suffix_list() -> Path:
    """Return the list that rspamd's options name: its own in Debian 12, that of the package publicsuffix since."""
    return Path(str(next(iter(_dumped("options")), {}).get("url_tld", SUFFIX_LIST)))


def key_named(options: Mapping[str, Any], domain: str) -> tuple[str, str, str]:
    """Return the selector, the path with its variables, and their source: the domain's table, a map or the default."""
    own = options.get("domain", {}).get(domain) if isinstance(options.get("domain"), dict) else None
    if isinstance(own, dict):
        first = next(iter(own.get("selectors", ())), own)
        path = first.get("path", own.get("path", options.get("path", USUAL_PATH)))
        return str(first.get("selector", options.get("selector", USUAL_SELECTOR))), str(path), f"domain {domain}"
    selector, path, source = options.get("selector", USUAL_SELECTOR), options.get("path", USUAL_PATH), "path"
    for name in ("selector_map", "path_map"):
        found = next((v for k, v in map_rows(options.get(name)) if k.lower() == domain), "")
        if found:
            selector, path = (found, path) if name == "selector_map" else (selector, found)
            source = name
    return str(selector), str(path), source


def map_rows(place: object) -> Iterator[tuple[str, str]]:
    """Yield the rows of a map in a file: a domain and its value."""
    for line in map_lines(place) if isinstance(place, str) else ():
        key, _, value = line.partition(" ")
        yield key, value.strip()


def map_lines(place: str) -> list[str]:
    """Return the lines of a map in a file, without comments; none where it cannot be read."""
    path = place.removeprefix("file://").removeprefix("map://")
    try:
        content = read_file(Path(path)) if path.startswith("/") else None
    except DkimctlError:
        return []
    lines = (line.partition(b"#")[0].decode("utf-8", "replace").strip() for line in (content or b"").splitlines())
    return [" ".join(line.split()) for line in lines if line]
