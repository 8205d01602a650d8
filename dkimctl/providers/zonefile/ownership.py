"""Refuse zone files that the name server writes itself, rather than a person.

For a zone with dynamic updates the server keeps the newest changes in a journal. An edited file no longer matches the
journal, and the server does not load the zone at its next start.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

from dkimctl.errors import Refused, Unavailable, shell_word
from dkimctl.programs.child import run_program
from dkimctl.providers.zonefile.bindconf import BindZone, zones_in

_BIND = ("/etc/bind/named.conf", "/etc/named.conf", "/usr/local/etc/namedb/named.conf")
_KNOT = "/etc/knot/knot.conf"
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
        raise _owned(path, zone, f"in BIND's configuration its zone has {known.dynamic}")
    journal = known.journal if known and known.journal else path.with_name(path.name + _JOURNAL)
    if journal.exists() and not (known and known.is_signed_from_file):
        raise _owned(path, zone, f"there is its journal, {journal}", is_static=known is not None)
    knot = locate(_KNOT)
    newest = newest_serial(knot, zone) if knot.exists() else None
    if newest is not None and 0 < (newest - serial) % 2**32 < 2**31:  # RFC 1982 §3.2
        raise Refused(
            f"{path} belongs to the name server: Knot's journal has serial {newest}, the file {serial}",
            hint=f"use dynamic updates: --provider rfc2136:127.0.0.1; or write the journal out first: "
            f"knotc zone-flush {shell_word(zone)}",
        )


def _owned(path: Path, zone: str, why: str, *, is_static: bool = False) -> Refused:
    if is_static:
        hint = f"if that journal is left over, let BIND merge and remove it: rndc sync -clean {shell_word(zone)}"
    else:
        hint = (
            f"use dynamic updates: --provider rfc2136:127.0.0.1; or by hand: rndc freeze {shell_word(zone)}, "
            f"add the record (dkimctl record), rndc thaw {shell_word(zone)}"
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
        ended = run_program("kjournalprint", "-n", "-l", "1", "-c", str(configuration), zone)
    except Unavailable:
        return None
    found = [*_WHOLE.findall(ended.out), *_CHANGED.findall(ended.out)]
    return int(found[-1]) if ended.code == 0 and found else None
