"""Would the real rspamd read the new files?"""

from collections.abc import Mapping
from pathlib import Path

from dkimctl.errors import Refused
from dkimctl.files import copy_tree, make_directory, read_named, scratch_directory, write_file
from dkimctl.programs import find_program, run_program
from dkimctl.signers.rspamd.rendering import PLACE

_PLACES = ("CONFDIR", "LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR")
"""Where rspamd reads, and where it writes: root's configtest leaves its caches otherwise in the daemon's directory."""


def dry_run(staged: Mapping[str, Path]) -> str:
    """Have rspamd read a copy of its whole configuration with the staged files in it; it signs no message.

    `staged`: system path → where its new content can be read. Returns what was tried, or why nothing was. Raises
    Refused when rspamd cannot read them.
    """
    if find_program("rspamadm") is None:
        return "no dry run: rspamd is not installed yet"
    with scratch_directory("dry-run") as copy:
        copy_tree(Path(PLACE), copy)
        for path, content in staged.items():
            if path.startswith(f"{PLACE}/"):
                place = copy / path.removeprefix(f"{PLACE}/")
                make_directory(place.parent, mode=0o700)
                write_file(place, read_named(str(content)), mode=0o600)
        places = (f"--var={variable}={copy}" for variable in _PLACES)
        ended = run_program("rspamadm", *places, "configtest", "-c", str(copy / "rspamd.conf"))
    if ended.code != 0:
        raise Refused(
            f"nothing was installed: rspamd cannot read the new configuration ({ended.last_word})",
            hint="is the installed one right? rspamadm configtest",
        )
    return "dry run: rspamd reads the new configuration"
