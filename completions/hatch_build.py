"""What the build adds to the wheel: the manual pages, made from the program, and the `dkimctl` script."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The script that pip writes for an entry point imports `re` first (up to pip 25 at least; Debian 12 has 23): half again
# the time of `dkimctl --version`. A script in the wheel is installed as it is, the Python in its first line put right.
SCRIPT = """\
#!python
import sys

from {module} import {function}

sys.exit({function}())
"""


class DkimctlBuildHook(BuildHookInterface):
    """Runs for the wheel only; the files it makes live in a temporary directory."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the files and name them to the build."""
        self._made = tempfile.TemporaryDirectory()
        for name, text in self._manual_pages().items():
            page = Path(self._made.name, name)
            page.write_text(text, encoding="utf-8")
            build_data["shared_data"][str(page)] = f"share/man/man{name[-1]}/{name}"
        # an entry point of the same name would win over the script, so it is taken out of this wheel's metadata
        module, _, function = self.metadata.core.scripts.pop("dkimctl").partition(":")
        script = Path(self._made.name, "dkimctl")
        script.write_text(SCRIPT.format(module=module, function=function))
        script.chmod(0o755)
        build_data["shared_scripts"][str(script)] = "dkimctl"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary files."""
        self._made.cleanup()

    def _manual_pages(self) -> dict[str, str]:
        sys.path.insert(0, self.root)
        try:
            from dkimctl.cli.main import cli
            from dkimctl.manual.pages import manual_pages

            return dict(manual_pages(cli))
        finally:
            sys.path.remove(self.root)
