"""Have BIND's own checker read the new files of a zone before they replace the old ones.

It finds mistakes of other records, which dkimctl does not parse; asked only for what a name server refuses.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from dkimctl.errors import Refused
from dkimctl.files import scratch_directory, write_file
from dkimctl.programs import find_program, run_program
from dkimctl.providers.zonefile.scan import entries
from dkimctl.providers.zonefile.zonetext import ZoneText

_CHECKER = "named-checkzone"
_TOLERATED = ("-k", "-n", "-m", "-M", "-S", "-r", "-T")
"""Its checks of matters on which named, as it is configured, may be more lenient."""
_TIMEOUT = 60.0  # seconds: a zone may have a million records


def refuse_unloadable(
    zone: ZoneText, after: Mapping[str, str], path_of: Callable[[str], str], *, is_binds: bool
) -> None:
    """Raise Refused when the checker refuses the new texts, and the edit is the cause or BIND serves this file.

    `after`: path → new text of each file that changes. `path_of`: the name in `$INCLUDE` → the path of its file.
    Another server may load what BIND does not: a file that was refused before is left to it.
    """
    if find_program(_CHECKER) is None:
        return
    problem = _problem(zone, {**zone.texts, **after}, path_of)
    if problem and (is_binds or not _problem(zone, zone.texts, path_of)):
        raise Refused(
            f"{_CHECKER} refuses the zone file: {problem}; nothing was changed",
            hint=f"correct it, until this is quiet: {_CHECKER} {zone.zone} {zone.path}",
        )


def _problem(zone: ZoneText, texts: Mapping[str, str], path_of: Callable[[str], str]) -> str:
    """Return the first complaint about these texts, with the paths of their files; empty when there is none."""
    with scratch_directory("zone") as place:
        copies = {path: str(place / f"{number}.zone") for number, path in enumerate(texts)}
        for path, text in texts.items():
            written = _with_copies(text, path, lambda name: copies[path_of(name)])
            write_file(Path(copies[path]), written.encode("utf-8", "surrogateescape"), mode=0o600)
        lenient = (word for option in _TOLERATED for word in (option, "ignore"))
        ended = run_program(_CHECKER, *lenient, "-i", "none", zone.zone, copies[zone.path], within=_TIMEOUT)
    said = (ended.out + ended.err).strip() if ended.code else ""
    for path, copy in copies.items():
        said = said.replace(copy, path).replace(os.path.basename(copy), os.path.basename(path))
    return said.splitlines()[0] if said else ""


def _with_copies(text: str, path: str, copy_of: Callable[[str], str]) -> str:
    """Return the text in which each `$INCLUDE` names the copy of its file."""
    includes = [e for e in entries(text, path) if e.has_owner and e.tokens[0].value.upper() == "$INCLUDE"]
    for entry in reversed(includes):
        name = entry.tokens[1]
        copy = copy_of(name.value.encode("latin-1").decode("utf-8", "surrogateescape"))
        text = f'{text[: name.start]}"{copy}"{text[name.end :]}'
    return text
