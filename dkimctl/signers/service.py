"""The signers as services of this machine: how each is found, and how it takes up new files."""

from dataclasses import dataclass
from signal import SIGHUP, SIGUSR1, Signals

from dkimctl.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """One daemon."""

    name: str
    """Of its program, its process, its systemd unit, and its package in Debian."""
    pid_file: str
    start: str
    """The command that starts it where no systemd does."""
    reload: Signals | None
    """What makes it read its files again without an outage; None when only a restart does."""
    takes_up: str
    """When the files count after a reload."""
    to_reload: float
    """Seconds until they do."""
    to_start: float
    """Seconds until it listens after a restart."""


def service_of(settings: Settings) -> Service:
    """The service of the signer that the settings name."""
    paths = settings.paths
    services = (
        Service(
            "opendkim",
            paths.pid_file,
            f"opendkim -x {paths.opendkim_conf}",
            SIGUSR1,
            "it does so at its next connection",
            to_reload=2.0,  # at its next connection, or at the one after
            to_start=10.0,
        ),
        Service(
            "rspamd",
            "/run/rspamd/rspamd.pid",
            "rspamd -c /etc/rspamd/rspamd.conf -u _rspamd -g _rspamd",
            SIGHUP,
            "it does so within seconds",
            to_reload=40.0,  # it compiles its expressions before new workers take over
            to_start=40.0,
        ),
        Service(
            "dkimpy-milter",
            "/run/dkimpy-milter/dkimpy-milter.pid",
            "dkimpy-milter /etc/dkimpy-milter/dkimpy-milter.conf &",
            None,
            "it does so when it starts",
            to_reload=2.0,
            to_start=10.0,
        ),
    )
    return next(service for service in services if service.name == settings.signing.signer)
