"""opendkim as it will start on this host: its configuration file, and the command line that overrides it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.host.process import Process
from dkimctl.host.running import only_daemon
from dkimctl.host.unit import Service, read_service
from dkimctl.opendkim import conf
from dkimctl.opendkim.conf import Configuration, Setting

DEFAULT_CONF = "/etc/opendkim.conf"


@dataclass(frozen=True, slots=True)
class Installation:
    """The daemon's configuration: file, unit and command line."""

    conf_path: str
    """As the daemon gets it."""
    conf: Configuration | None
    """None when the file is missing: the daemon then uses its defaults."""
    service: Service = field(default_factory=Service)

    def find(self, name: str) -> Setting | None:
        """Return the setting in effect: from the command line, else from the file; None when neither has it."""
        return self.service.option(name) or (self.conf.find(name) if self.conf else None)

    def get(self, name: str, default: str = "") -> str:
        """Return the value in effect, or the default."""
        found = self.find(name)
        return found.value if found else default

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a Boolean as the daemon reads it: by its first letter."""
        value = self.get(name)
        return value[:1].lower() in ("t", "y", "1") if value else default

    def number(self, name: str, default: int) -> int:
        """Return an integer as the daemon reads it (base 0); the default when it is not one."""
        return whole_number(self.get(name), default)

    def is_on_command_line(self, setting: Setting) -> bool:
        """Return whether the setting is on the command line, which must not be replaced by a setting."""
        return setting == self.service.option(setting.name)

    @property
    def user(self) -> str:
        """The user that the daemon switches to; empty when it stays root."""
        return self.get("UserID").partition(":")[0]

    @property
    def group(self) -> str:
        """The group in UserID; empty when there is none."""
        return self.get("UserID").partition(":")[2]

    @property
    def signs(self) -> bool:
        """Return True unless Mode excludes signing."""
        return "s" in self.get("Mode", "sv").lower()


def whole_number(text: str, default: int) -> int:
    """Return the number in strtol's base 0 (`0x`, leading 0 for octal), or the default when it is not one."""
    value = text.strip()
    try:
        if len(value) > 1 and value[0] == "0" and value[1] in "01234567":
            return int(value, 8)
        return int(value, 0) if value else default
    except ValueError:
        return default


def read_installation(conf_path: str, at: Callable[[str], Path], running: Process | None = None) -> Installation:
    """Return the installation: as `running` (the daemon's process) was started, else as its unit starts it.

    A configuration file on the command line is used unless the caller asked for another `conf_path`. Raises DiskError.
    """
    service = read_service(at)
    service = service.run_as(running) if running else service
    named = service.option("conf")
    path = named.value if named and conf_path == DEFAULT_CONF else conf_path
    return Installation(path, conf.read(path, at), service)


def installation_of(settings: Settings, at: Callable[[str], Path] | None = None) -> Installation:
    """Return the installation of this host, as its daemon runs where one does. Raises DiskError.

    `at`: system path → the file to read its content from; by default `settings.at`.
    """
    running = only_daemon("opendkim") if settings.is_live else None
    return read_installation(settings.paths.opendkim_conf, at or settings.at, running)


def where(setting: Setting) -> str:
    """Return `/etc/opendkim.conf line 7`; without the line for a setting that is not in a file."""
    return f"{setting.file} line {setting.line}" if setting.line else setting.file


def words(value: str) -> Iterator[str]:
    """Return the items of an inline list."""
    for item in value.removeprefix("csl:").split(","):
        if item.strip():
            yield item.strip()
