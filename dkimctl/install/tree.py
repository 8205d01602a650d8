"""A rendering written to another directory, for review, other hosts, or images."""

from collections.abc import Iterator
from pathlib import Path

from dkimctl.files import as_place, make_directory, write_file
from dkimctl.signers.base import Rendering

POSTFIX_FILE = "postfix-settings"
"""Lines `name = value`, as `xargs -d '\\n' postconf -e` takes them."""


def write_tree(rendering: Rendering, directory: Path) -> tuple[Path, ...]:
    """Write every file below `directory` at its system path, and main.cf's settings; return the paths written.

    Private keys are omitted: only the daemon gets them.

    Raises DiskError.
    """
    return tuple(_write(rendering, directory))


def _write(rendering: Rendering, directory: Path) -> Iterator[Path]:
    for file in rendering.files:
        if file.is_secret:
            continue
        path = as_place(directory, file.path)
        make_directory(path.parent, mode=0o755)
        write_file(path, file.content, mode=file.mode)
        yield path
    if rendering.postfix:
        path = as_place(directory, POSTFIX_FILE)
        write_file(path, (f"{name} = {value}\n".encode() for name, value in rendering.postfix.items()))
        yield path
