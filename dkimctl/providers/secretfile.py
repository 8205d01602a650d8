"""Read files that hold a secret, and refuse those that other users can read."""

import stat
from pathlib import Path

from dkimctl.errors import ConfigError, shell_word
from dkimctl.files import read_with_status


def secret_text(path: Path, *, hint: str) -> str:
    """Return the text of a file. `hint`: for the error when it is missing.

    Raises ConfigError when there is no such file or when other users can read it, DiskError when it cannot be read.
    """
    found = read_with_status(path)
    if found is None:
        raise ConfigError(f"no such file: {path}", hint=hint)
    content, status = found
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"{path} can be read by other users (mode {mode:04o}), and it holds a secret",
            hint=f"chmod 600 {shell_word(path)}",
        )
    return content.decode("utf-8", "replace").removeprefix("\ufeff")  # the byte order mark of Windows editors
