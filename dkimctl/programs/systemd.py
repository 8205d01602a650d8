"""Whether systemd runs this machine, and what follows from it for the commands that are advised."""

import os
from pathlib import Path

_SYSTEMD = Path("/run/systemd/system")
_BUS = Path("/run/dbus/system_bus_socket")


def has_systemd() -> bool:
    """Return whether systemd runs this machine."""
    return _SYSTEMD.is_dir()


def can_start_units() -> bool:
    """Return whether `systemd-run` can start a unit and wait for it: root, and D-Bus, with systemd."""
    return os.geteuid() == 0 and has_systemd() and _BUS.exists()


def log_of(daemon: str, word: str = "") -> str:
    """Return the command that shows what a daemon logged, or only its lines with `word`."""
    if has_systemd():
        return f"journalctl -u {daemon}" + (f" -g {word}" if word else "")
    return f"grep {word or daemon} /var/log/mail.log"
