"""opendkim's service, and which changes of its configuration need a restart."""

from signal import SIGUSR1

from dkimctl.config.settings import Settings
from dkimctl.errors import Refused, Unavailable, UsageError, shell_word
from dkimctl.milter.client import greet
from dkimctl.milter.wire import NothingListens, connect
from dkimctl.opendkim import conf
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.signers.service import Running, Service

_NAME = "opendkim"
RESTART_ONLY = ("Socket", "UserID", "UMask", "PidFile", "AutoRestart", "AutoRestartRate", "AutoRestartCount")
"""What opendkim reads only when it starts; it reads everything else on SIGUSR1, without an outage."""
_GREETING = 3.0  # seconds; a connection on this machine


def service(settings: Settings) -> Service:
    """Return Debian's service."""
    return Service(
        _NAME,
        settings.paths.pid_file,
        f"opendkim -x {shell_word(settings.paths.opendkim_conf)}",
        SIGUSR1,
        "it does so at its next connection",
        to_reload=2.0,  # at its next connection, or at the one after
        to_start=10.0,
    )


def running(settings: Settings) -> Running:
    """Return where the installed configuration has it write its process id, and what counts only from a start."""
    installed = conf.read(settings.paths.opendkim_conf, settings.at)
    values = {name: installed.get(name) if installed else None for name in RESTART_ONLY}
    return Running(_NAME, tuple(filter(None, (values["PidFile"], settings.paths.pid_file))), values)


def needs_restart(settings: Settings, before: Running) -> bool:
    """Return True when a setting changed that a reload does not read, or the daemon does not listen at its socket.

    The latter: an earlier run may have been stopped between writing the files and restarting the daemon.
    """
    now = running(settings).start_settings
    return before.start_settings != now or not is_listening(now["Socket"])


def is_listening(socket: str | None) -> bool:
    """Return True when something listens there, or the spelling is one that only the daemon may know."""
    try:
        with connect(parse_socket(socket or ""), _GREETING):
            return True
    except NothingListens:
        return False
    except UsageError:
        return True


def refuse_taken_socket(settings: Settings, before: Running) -> None:
    """Raise Refused when the daemon is to move to a socket at which some other program listens."""
    if before.start_settings["Socket"] == settings.signing.socket:
        return
    socket = parse_socket(settings.signing.socket)
    try:
        greet(socket)
    except NothingListens:
        return
    except Unavailable as error:
        place = shell_word(socket.path or f":{socket.port}")
        raise Refused(
            f"nothing was installed: something else listens at {socket}, where opendkim is to listen",
            hint=f"see who: ss -lp | grep -F {place}; or choose another socket",
        ) from error
