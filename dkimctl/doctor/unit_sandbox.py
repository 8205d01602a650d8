"""Check of the sandbox of opendkim's unit (systemd.exec(5)): hidden or read-only paths that the daemon needs."""

from collections.abc import Iterator
from itertools import islice

from dkimctl.catalogue import conf as c
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import edit
from dkimctl.host.datasets import FILES
from dkimctl.host.installation import where
from dkimctl.host.keyfiles import distinct_keys
from dkimctl.host.socketplace import effective_socket
from dkimctl.host.unit import Service
from dkimctl.host.world import World
from dkimctl.opendkim.conf import Setting

_ON = ("yes", "true", "on", "1")
_LOOKED_AT, _SAMPLE = 1_000, 10  # rows, and keys among them
_HOMES = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108  # paths that PrivateTmp= replaces
_SYSTEM = {"full": ("/usr", "/boot", "/efi", "/etc")}


def check_sandbox(world: World) -> Iterator[Diagnosis]:
    """Report each path that the daemon needs and its unit blocks."""
    unit = world.opendkim.service
    for path, use in _written(world):
        yield from _denied(world, _hides(unit, path) or _makes_read_only(unit, path), path, use)
    for path, use in _read(world):
        yield from _denied(world, _hides(unit, path), path, use)


def _denied(world: World, cause: Setting | None, path: str, use: str) -> Iterator[Diagnosis]:
    if cause is None:
        return
    seen = f"{where(cause)}: {cause.name}={cause.value}; {use} is {path}"
    advice = f"allow {path} (ReadWritePaths=, BindPaths=, ProtectHome=no), then systemctl daemon-reload and restart"
    yield diagnosis(c.SANDBOX, path, seen, edit(world, cause.file, cause.line, advice))


def _written(world: World) -> Iterator[tuple[str, str]]:
    """Yield the directories in which the daemon creates files, each with its use."""
    socket = effective_socket(world.opendkim)
    if socket is not None and socket.is_unix:
        yield socket.path.rpartition("/")[0], "the socket's directory"
    pid_file = world.opendkim.get("PidFile")
    if pid_file:
        yield pid_file.rpartition("/")[0], "the PID file's directory"


def _read(world: World) -> Iterator[tuple[str, str]]:
    """Yield the files that the daemon reads, with the first few keys as a sample."""
    for name, table in world.data_sets.items():
        if table.kind in FILES:
            yield table.place, name
    yield from ((key.path, "a key") for key in islice(distinct_keys(world, rows=_LOOKED_AT), _SAMPLE))


def _hides(unit: Service, path: str) -> Setting | None:
    """Return the setting that hides a path from the daemon."""
    homes = unit.find("ProtectHome")
    if homes and homes.value.lower() in (*_ON, "tmpfs") and _is_below(path, _HOMES) and not _is_opened(unit, path):
        return homes
    private = unit.find("PrivateTmp")
    if private and private.value.lower() in (*_ON, "disconnected") and _is_below(path, _TEMPORARY):
        return private
    return next((s for s in _settings(unit, "InaccessiblePaths") if _is_below(path, _paths(s))), None)


def _makes_read_only(unit: Service, path: str) -> Setting | None:
    """Return the setting that makes a path read-only for the daemon."""
    if _is_opened(unit, path):
        return None
    system = unit.find("ProtectSystem")
    if system:
        kind = system.value.lower()
        covered = ("/",) if kind == "strict" else _SYSTEM.get(kind, ("/usr", "/boot", "/efi") if kind in _ON else ())
        if _is_below(path, covered) and not _is_below(path, ("/dev", "/proc", "/sys")):
            return system
    homes = unit.find("ProtectHome")
    if homes and homes.value.lower() == "read-only" and _is_below(path, _HOMES):
        return homes
    return next((s for s in _settings(unit, "ReadOnlyPaths") if _is_below(path, _paths(s))), None)


def _is_opened(unit: Service, path: str) -> bool:
    """Return whether another setting of the unit makes the path writable again."""
    opened = [p for name in ("ReadWritePaths", "BindPaths") for s in _settings(unit, name) for p in _paths(s)]
    places = {"RuntimeDirectory": "/run", "StateDirectory": "/var/lib", "CacheDirectory": "/var/cache"}
    for name, place in places.items():
        opened += [f"{place}/{word}" for s in _settings(unit, name) for word in s.value.split()]
    return _is_below(path, opened)


def _settings(unit: Service, name: str) -> Iterator[Setting]:
    """Yield all assignments of a list; an empty one clears the earlier ones."""
    found: list[Setting] = []
    for line in unit.lines:
        if line.name == name:
            found = [*found, line] if line.value else []
    yield from found


def _paths(setting: Setting) -> list[str]:
    return [word.lstrip("-+").partition(":")[0] for word in setting.value.split()]


def _is_below(path: str, places: tuple[str, ...] | list[str]) -> bool:
    plain = _plain(path)
    return any(plain == _plain(place) or plain.startswith(_plain(place).rstrip("/") + "/") for place in places)


def _plain(path: str) -> str:
    """Return the path with /var/run resolved to /run."""
    return path.removeprefix("/var") if path.startswith("/var/run") else path
