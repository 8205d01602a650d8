"""Changes of several files together, all or none; each file that could not be restored is named."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dkimctl.errors import DiskError, DkimctlError, shell_word
from dkimctl.files import Expected, FileChanged, Staged
from dkimctl.install.backup import Backup

Put = Callable[[Staged, Expected], None]
"""Changes one file, if it is still at the expected version."""


@contextmanager
def all_or_nothing(backup: Backup | None = None) -> Iterator[Put]:
    """Yield a function that changes one file. When the block fails, each changed file is restored, the last one first.

    `backup`: copies of these files, for one that cannot be put back itself; they are removed when nothing was changed
    at all. Raises what the block raised, with what became of the files; DiskError when one could not be put back.
    """
    begun: list[Staged] = []

    def put(staged: Staged, expected: Expected) -> None:
        begun.append(staged)
        staged.put(expected)

    try:
        yield put
    except BaseException as error:
        changed = [staged for staged in begun if staged.is_put()]
        if not changed:
            if backup is not None:
                backup.remove()
            raise
        left = [staged.target for staged in reversed(changed) if not _is_put_back(staged, backup)]
        if left:
            raise _incomplete(error, left, backup) from error
        if isinstance(error, DkimctlError) and not isinstance(error, FileChanged):
            raise _undone(error, backup) from error
        raise


def _is_put_back(staged: Staged, backup: Backup | None) -> bool:
    """Restore the old file, or else its copy; return False when neither is possible."""
    try:
        staged.revert()
    except FileChanged:
        return False  # another program's change stays
    except DkimctlError:
        if backup is None:
            return False
        try:
            backup.put_back(staged.target)
        except DkimctlError:
            return False
    return True


def _undone(error: DkimctlError, backup: Backup | None) -> DkimctlError:
    copies = f"; copies of the old files are in {backup.shown}" if backup and backup.shown else ""
    message = f"{error.message}; everything was put back as it was before{copies}"
    if isinstance(error, DiskError):
        return DiskError(message, hint="fix the cause and run the same command again")
    error.message = message
    error.args = (message,)
    return error


def _incomplete(error: BaseException, left: list[Path], backup: Backup | None) -> DiskError:
    cause = error.message if isinstance(error, DkimctlError) else "interrupted"
    files, commands = [], []
    if backup is None:
        names = ", ".join(map(str, left))
        return DiskError(f"{cause}; changed already: {names}", hint="fix the cause and run the same command again")
    for path in left:
        copy = backup.copy_of(path)
        if copy is None:
            files.append(f"{path} is new and was not there before")
            commands.append(f"rm {shell_word(path)}")
        else:
            files.append(f"{path} may hold its new content, and {copy} its old one")
            commands.append(f"cp -p {shell_word(copy)} {shell_word(path)}")
    message = f"{cause}; not everything could be put back: {'; '.join(files)}"
    return DiskError(message, hint=f"fix the cause, then run the same command again, or: {' && '.join(commands)}")
