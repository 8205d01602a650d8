"""Reloads that an earlier run did not get to: it may have been killed after it changed the files."""

from collections.abc import Iterable
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.files import status_of
from dkimctl.host.clockstate import started
from dkimctl.host.process import processes
from dkimctl.host.running import find_running
from dkimctl.install.backup import copies_of
from dkimctl.postfix import postconf
from dkimctl.signers.service import Service, last_reload


def signer_missed_reload(pid: int | None, service: Service, paths: Iterable[str], settings: Settings) -> bool:
    """Return True when one of these files is newer than the signer's start and its last reload, where both are known.

    `pid`: its process; `paths`: system paths.
    """
    began, reloaded = started(pid) if pid else None, last_reload(service.pid_file)
    if began is None or reloaded is None:
        return False
    found = filter(None, (status_of(settings.at(path)) for path in paths))
    return any(status.st_mtime > max(began, reloaded) for status in found)


def signer_missed_restart(pid: int | None, paths: Iterable[str], settings: Settings) -> bool:
    """Return True when dkimctl changed one of these files after the signer was started, by the copies that it keeps."""
    began = started(pid) if pid else None
    return began is not None and any(_copied(path, settings) > began for path in paths)


def postfix_missed_reload(settings: Settings) -> bool:
    """Return True when dkimctl changed main.cf after Postfix was started or reloaded, by the copies that it keeps."""
    copied = _copied(settings.paths.main_cf, settings)
    if not copied:
        return False
    directory = settings.at(settings.paths.postfix_directory)
    queue = postconf.read_settings(directory, ("queue_directory",))["queue_directory"]
    master = find_running(Path(queue) / "pid/master.pid", "master")
    # each reload starts another qmgr
    began = [started(process.pid) for process in processes("qmgr") if process.parent == master]
    return any(since is not None and since < copied for since in began)


def _copied(path: str, settings: Settings) -> float:
    """Return when the newest copy of a file was made; 0 where there is none."""
    status = next((status_of(copy) for copy in copies_of(path, settings)), None)
    return status.st_ctime if status else 0.0
