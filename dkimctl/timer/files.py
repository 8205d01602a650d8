"""What `init` puts in place."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from dkimctl.config.commented import commented_file
from dkimctl.config.load import DEFAULT_FILE
from dkimctl.config.settings import Settings
from dkimctl.files import is_there, read_file
from dkimctl.fleet.role import is_member, is_relay
from dkimctl.lifecycle.hooks import PLACE, Stage
from dkimctl.timer import units
from dkimctl.timer.relay_units import relay_units

UNITS = "/etc/systemd/system"
PACKAGED = ("/usr/lib/systemd/system", "/lib/systemd/system")
"""Where a package has its units; one of the same name in UNITS takes precedence over them: systemd.unit(5)."""
STATE = "/var/lib/dkimctl"
_HOOKS_README = """\
Executable files in these directories are run around the rotation of a DKIM key, in the order of their names:

    pre.d       before the first change of a domain's rotation
    deploy.d    after a switch to a new key that was proven by a message
    post.d      once, at the end of a run that changed something

They belong to root and nobody else can write them, or they are not run. Each gets, in its environment:
DKIMCTL_HOOK (pre, deploy, post), DKIMCTL_DOMAIN, DKIMCTL_SELECTOR, DKIMCTL_OLD_SELECTOR, DKIMCTL_PHASE and
DKIMCTL_ACTION. It has five minutes. One that fails is reported, and stops no mail and no rotation.
"""


def wanted_directories(settings: Settings) -> MappingProxyType[str, int]:
    """Return each directory, as a system path, with its mode; those above it come first."""
    hooks = {f"{PLACE}/{stage}.d": 0o755 for stage in Stage}
    return MappingProxyType(
        {"/etc/dkimctl": 0o755, PLACE: 0o755, **hooks, UNITS: 0o755, STATE: 0o755, settings.paths.backups: 0o700}
    )


def wanted_files(settings: Settings, program: Sequence[str]) -> MappingProxyType[str, bytes]:
    """Return the content of each file by its system path. `program`: how dkimctl is run.

    A fleet's relay gets the units that sync, any other host those that rotate. The configuration is among them where
    none was read.
    """
    named = named_configuration(settings)
    found: dict[str, str] = {}
    if not is_relay(settings):
        found |= rotation_units(settings, [*program, "rotate", *named])
    if is_member(settings):
        found |= relay_units(settings, [*program, "fleet", "sync", *named])
    texts = {**{f"{UNITS}/{name}": text for name, text in found.items()}, f"{PLACE}/README": _HOOKS_README}
    if not named:
        texts[DEFAULT_FILE] = commented_file()
    return MappingProxyType({path: text.encode() for path, text in texts.items()})


def rotation_units(settings: Settings, command: Sequence[str]) -> dict[str, str]:
    """Return the text of the units that rotate, by their names. `command`: such as `/usr/bin/dkimctl rotate`."""
    return {
        units.SERVICE: units.service(settings, command),
        units.TIMER: units.timer(settings),
        units.FAILED: units.failed(),
    }


def packaged_unit(settings: Settings, name: str) -> str:
    """Return the path of the unit that the package has; empty where it has none."""
    return next((path for place in PACKAGED if is_there(settings.at(path := f"{place}/{name}"))), "")


def packaged_units(settings: Settings, wanted: Mapping[str, bytes]) -> dict[str, str]:
    """Return those of the wanted units that the package has with the same text, each with the package's path."""
    found = {path: packaged_unit(settings, path.rpartition("/")[2]) for path in wanted if path.startswith(UNITS)}
    return {
        path: there
        for path, there in found.items()
        if there and read_file(settings.at(there)) == units.packaged(wanted[path].decode()).encode()
    }


def named_configuration(settings: Settings) -> list[str]:
    """Return the option by which a unit finds the configuration; nothing where that is in its usual place."""
    return ["--config", str(settings.source)] if settings.source not in (None, settings.at(DEFAULT_FILE)) else []
