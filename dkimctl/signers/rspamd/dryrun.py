"""Would the real rspamd read the new files?"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from dkimctl.errors import Refused, disk_errors
from dkimctl.programs import find_program, run_program
from dkimctl.signers.rspamd.rendering import PLACE


def dry_run(staged: Mapping[str, Path]) -> str:
    """Have rspamd read a copy of its whole configuration with the staged files in it; it signs no message.

    `staged`: system path → where its new content can be read. Returns what was tried, or why nothing was. Raises
    Refused when rspamd cannot read them.
    """
    if find_program("rspamadm") is None:
        return "no dry run: rspamd is not installed yet"
    with disk_errors("prepare a dry run"), TemporaryDirectory(prefix="dkimctl-") as name:
        copy = Path(name) / "rspamd"
        shutil.copytree(PLACE, copy)
        for path, content in staged.items():
            if path.startswith(f"{PLACE}/"):
                place = copy / path.removeprefix(f"{PLACE}/")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(content, place)
        places = (f"--var={variable}={copy}" for variable in ("CONFDIR", "LOCAL_CONFDIR"))
        ended = run_program("rspamadm", *places, "configtest", "-c", str(copy / "rspamd.conf"))
    if ended.code != 0:
        raise Refused(
            f"nothing was installed: rspamd cannot read the new configuration ({ended.last_word})",
            hint="is the installed one right? rspamadm configtest",
        )
    return "dry run: rspamd reads the new configuration"
