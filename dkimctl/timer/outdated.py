"""Whether the units are still those that this version and the configuration ask for."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from dkimctl.catalogue.machine import UNITS_OUTDATED
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.files import is_there, read_file
from dkimctl.findings import Finding, finding
from dkimctl.timer.files import UNITS, named_configuration, packaged_unit, wanted_files
from dkimctl.timer.note import digest_of, read_note

_CONFIG = re.compile(rb"^ExecStart=.* --config (\S+)", re.MULTILINE)


def unit_findings(settings: Settings) -> tuple[Finding, ...]:
    """Return the finding when `init` would change a unit, on a host where it was run.

    What a person wrote is not judged, nor which dkimctl a unit runs, as long as that is there. Nothing is said when
    another configuration is looked at than that of the units.
    """
    with suppress(DkimctlError):
        note = read_note(settings)
        if note.digests and (names := list(_outdated(settings, note.digests))):
            return (finding(UNITS_OUTDATED, "init", f"missing or outdated: {', '.join(sorted(names))}"),)
    return ()


def _outdated(settings: Settings, digests: Mapping[str, str]) -> Iterator[str]:
    wanted = {path: text for path, text in wanted_files(settings, ["dkimctl"]).items() if path.startswith(UNITS)}
    noted = [path for path in digests if path.startswith(UNITS)]
    in_effect = {path: _in_effect(settings, path) for path in dict.fromkeys((*wanted, *noted))}
    if {found for text in in_effect.values() for found in _CONFIG.findall(text)} != {
        option.encode() for option in named_configuration(settings)[1:]
    }:
        return
    for path, there in in_effect.items():
        is_persons = is_there(settings.at(path)) and digest_of(there) != digests.get(path)
        is_right = _judged(there) == _judged(wanted.get(path, b"")) and _runs(settings, there)
        if not is_persons and not is_right:
            yield path.rpartition("/")[2]


def _in_effect(settings: Settings, path: str) -> bytes:
    """Return the text of a unit of `init`, or of the package where `init` wrote none; empty where there is none."""
    there = read_file(settings.at(path))
    if there is None and (packaged := packaged_unit(settings, path.rpartition("/")[2])):
        there = read_file(settings.at(packaged))
    return there or b""


def _judged(text: bytes) -> list[bytes]:
    """Return the lines that count: not comments, nor how this dkimctl is run."""
    return [line for line in text.splitlines() if not line.startswith((b"#", b"ExecStart="))]


def _runs(settings: Settings, text: bytes) -> bool:
    """Return False when a service runs a program that is not there any more."""
    programs = re.findall(rb'^ExecStart="?(/[^\s"]+)', text, re.M) if settings.is_live else []
    return all(is_there(settings.at(program.decode(errors="replace"))) for program in programs)
