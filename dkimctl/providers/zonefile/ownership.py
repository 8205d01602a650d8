"""Refuse zone files that the name server writes itself, rather than a person.

For a zone with dynamic updates the server keeps the newest changes in a journal. An edited file no longer matches the
journal, and the server does not load the zone at its next start.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

from dkimctl.errors import Refused, Unavailable, shell_word
from dkimctl.files import is_there, read_file
from dkimctl.programs.child import run_program
from dkimctl.providers.zonefile.bindconf import BindZone, zones_in
from dkimctl.providers.zonefile.knotconf import is_transferred, zone_setting

_BIND = ("/etc/bind/named.conf", "/etc/named.conf", "/usr/local/etc/namedb/named.conf")
_NSD = "/etc/nsd/nsd.conf"
_KNOT = "/etc/knot/knot.conf"
_TRANSFERRED = ("type secondary", "type slave", "type mirror", "type stub")
_JOURNAL = ".jnl"
_CHANGED = re.compile(r"zone versions: \d{1,10} -> (\d{1,10})")
_WHOLE = re.compile(r"^;; Zone-in-journal, serial: (\d{1,10})", re.MULTILINE)


def refuse_servers_file(path: Path, zone: str, serial: int, locate: Callable[[str], Path]) -> None:
    """Raise Refused when the server, not a person, writes this file.

    `serial`: the serial of the SOA record in the file. `locate`: maps a system path to its place below `--root`.
    """
    path = Path(os.path.realpath(path))
    known = bind_zone(path, locate)
    if known and known.dynamic:
        raise _owned(
            path,
            zone,
            f"in BIND's configuration its zone has {known.dynamic}",
            is_secondary=known.dynamic in _TRANSFERRED,
        )
    journal = known.journal if known and known.journal else path.with_name(path.name + _JOURNAL)
    if is_there(journal) and not (known and known.only_reads_file):
        raise _owned(path, zone, f"there is its journal, {journal}", is_static=known is not None)
    knot = locate(_KNOT)
    configured = (read_file(knot) or b"").decode("utf-8", "replace")
    if is_transferred(configured, zone):
        raise _owned(path, zone, f"Knot gets the zone from another server (master in {_KNOT})", is_secondary=True)
    if _is_nsds(zone, locate):
        raise _owned(path, zone, f"NSD gets the zone from another server (request-xfr in {_NSD})", is_secondary=True)
    if zone_setting(configured, zone, "zonefile-load") == "none":
        raise Refused(
            f"{path} belongs to the name server: Knot does not read it (zonefile-load: none in {_KNOT})",
            hint="use dynamic updates: --provider rfc2136:127.0.0.1; or zonefile-load: difference",
        )
    newest = newest_serial(knot, zone) if knot.exists() else None
    if newest is not None and 0 < (newest - serial) % 2**32 < 2**31:  # RFC 1982 §3.2
        raise Refused(
            f"{path} belongs to the name server: Knot's journal has serial {newest}, the file {serial}",
            hint=f"use dynamic updates: --provider rfc2136:127.0.0.1; or write the journal out first: "
            f"knotc zone-flush {shell_word(zone)}",
        )


def _is_nsds(zone: str, locate: Callable[[str], Path]) -> bool:
    """Return whether the zone in NSD's configuration has a `request-xfr`."""
    text = (read_file(locate(_NSD)) or b"").decode("utf-8", "replace")
    blocks = re.split(r"(?m)^[ \t]*(?:zone|pattern|server|key|remote-control):", text)
    named = re.compile(rf"(?m)^[ \t]*name:[ \t]*[\"']?{re.escape(zone)}\.?[\"']?[ \t]*(?:#.*)?$")
    return any(named.search(block) and re.search(r"(?m)^[ \t]*request-xfr:", block) for block in blocks)


def _owned(path: Path, zone: str, why: str, *, is_static: bool = False, is_secondary: bool = False) -> Refused:
    if is_secondary:
        hint = "publish at the primary server, from which the zone is transferred"
    elif is_static:
        hint = f"if that journal is left over, let BIND merge and remove it: rndc sync -clean {shell_word(zone)}"
    else:
        hint = (
            f"use dynamic updates: --provider rfc2136:127.0.0.1; or by hand: rndc freeze {shell_word(zone)}, "
            f"add what dkimctl record prints, rndc thaw {shell_word(zone)}"
        )
    return Refused(f"{path} belongs to the name server: {why}", hint=hint)


def bind_zone(path: Path, locate: Callable[[str], Path]) -> BindZone | None:
    """Return the zone of a file in BIND's configuration; None when it has none or cannot be read."""
    for name in _BIND:
        configuration = locate(name)
        if configuration.exists():
            try:
                status = configuration.stat()
                zones = zones_in(str(configuration), (status.st_mtime_ns, status.st_size))
            except (Unavailable, OSError):
                return None
            return next(
                (
                    zone
                    for zone in zones
                    if str(path) in (os.path.realpath(zone.path), os.path.realpath(locate(str(zone.path))))
                ),
                None,
            )
    return None


def newest_serial(configuration: Path, zone: str) -> int | None:
    """Return the serial of the newest change in the journal; None when it is empty or cannot be read."""
    try:
        ended = run_program("kjournalprint", "-x", "-l", "1", "-c", str(configuration), zone)
    except Unavailable:
        return None
    found = [*_WHOLE.findall(ended.out), *_CHANGED.findall(ended.out)]
    return int(found[-1]) if ended.code == 0 and found else None
