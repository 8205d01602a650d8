"""A second Postfix for as long as a probe lasts: the settings of the real one, but everything ends in the sink.

The real one is not touched, nor is its queue, its log, or its mail. What is copied: main.cf as it is set, and the
milter settings of the smtpd that takes mail from outside. What is replaced: where mail goes (only to the sink), who may
send (only this machine), and every copy to somebody else (bcc, notices). Content filters are left out: they hand mail
back to the real Postfix.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import Unavailable, disk_errors
from dkimctl.postfix import postconf
from dkimctl.postfix.milters import milter_socket, split_milters
from dkimctl.probe.milter import greet
from dkimctl.programs import run_program

_TO_START = 15.0  # seconds
LEFT_OUT = ("content_filter", "smtpd_proxy_filter")
"""Settings that are not followed, because the mail would come back into the real Postfix."""
_QUEUE_ID = re.compile(r"^(?:NOQUEUE|[0-9A-F]{6,15}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,20}): |; from=<.*")
"""What of a line of the log is only about one message."""
_OF_SERVICE = ("smtpd_milters", "milter_default_action", "milter_protocol", "receive_override_options")
_PORT_25 = ("smtp/inet", "25/inet", "smtpd/pass")
"""The last is behind postscreen, which itself has no milters."""
_MILTERS = ("smtpd_milters", "non_smtpd_milters")
_EMPTY = (
    "alias_database",
    "alias_maps",
    "always_bcc",
    "content_filter",
    "fallback_transport",
    "local_recipient_maps",
    "multi_instance_directories",
    "multi_instance_wrapper",
    "mydestination",
    "notify_classes",
    "recipient_bcc_maps",
    "relay_domains",
    "sender_bcc_maps",
    "sender_dependent_default_transport_maps",
    "sender_dependent_relayhost_maps",
    "smtp_fallback_relay",
    "smtpd_client_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_etrn_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_proxy_filter",
    "smtpd_recipient_restrictions",
    "smtpd_sender_restrictions",
    "transport_maps",
    "virtual_alias_domains",
    "virtual_alias_maps",
    "virtual_mailbox_domains",
)
_FIXED = {
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "mynetworks": "127.0.0.0/8",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtpd_delay_reject": "yes",
    "smtpd_tls_security_level": "none",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_client_connection_count_limit": "0",
    "smtp_bind_address": "127.0.0.1",  # whatever a map or a check says: from here nobody outside can be reached
    "smtp_tls_security_level": "none",
    "smtp_sasl_auth_enable": "no",
    "smtp_sender_dependent_authentication": "no",
    "default_transport": "sink",
    "relay_transport": "sink",
    "smtp_host_lookup": "native",
    "multi_instance_enable": "no",
    "master_service_disable": "",
    "debug_peer_list": "",
    "queue_minfree": "0",
}
# Only the service `sink` sends mail, and only main.cf's own settings lead to it: a FILTER in a person's header checks,
# which names `smtp` and a host, ends there, and not in the real filter.
_MASTER = """\
{inet} inet n - n - - smtpd{overrides}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
sink unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Instance:
    """The running second Postfix."""

    directory: Path
    """Its main.cf and master.cf, for `postfix -c` and `sendmail -C`."""
    port: int
    """Where it takes mail, on 127.0.0.1."""
    log: Path
    milters: Mapping[str, str]
    """What its smtpd and its cleanup for local mail were told, with macros expanded."""
    left_out: tuple[str, ...]
    """Settings of the real one that it does not follow, as `name = value`."""

    def said(self, since: int = 0) -> tuple[str, ...]:
        """The warnings and refusals that it logged after the first `since` octets."""
        try:
            text = self.log.read_bytes()[since:].decode("utf-8", "replace")
        except OSError:
            return ()
        words = ("warning: ", "reject: ", "milter-", "fatal: ", "error: ", "status=bounced", "status=deferred")
        lines = [_QUEUE_ID.sub("", line.partition("]: ")[2]) for line in text.splitlines()]
        return tuple(dict.fromkeys(line for line in lines if any(word in line for word in words)))

    @property
    def logged(self) -> int:
        """How long the log is by now, in octets."""
        return self.log.stat().st_size if self.log.exists() else 0


@contextmanager
def second_postfix(directory: Path, sink_port: int, port: int) -> Iterator[Instance]:
    """A Postfix with the settings in `directory` that takes mail at `port` and delivers it to `sink_port` alone.

    Raises Unavailable without Postfix, without root, or when it does not start.
    """
    if not postconf.is_configured(directory):
        raise Unavailable(
            f"there is no Postfix set up in {directory}", hint="apt-get install postfix; or use --via milter"
        )
    if os.geteuid() != 0:
        raise Unavailable("only root can start a second Postfix", hint="run it as root (sudo dkimctl …)")
    place = Path(mkdtemp(prefix="dkimctl-postfix-"))
    try:
        instance = _prepare(place, directory, sink_port, port)
        _postfix(instance, "start")
        _wait_until_ready(instance)
        yield instance
    finally:
        run_program("postfix", "-c", str(place / "config"), "abort")
        shutil.rmtree(place, ignore_errors=True)


def _prepare(place: Path, directory: Path, sink_port: int, port: int) -> Instance:
    values = postconf.read_settings(directory, ("mail_owner", "queue_directory", *_MILTERS, *LEFT_OUT), expanded=True)
    overrides = _overrides(directory, _OF_SERVICE)
    milters = {name: _absolute(overrides.get(name, values[name]), values["queue_directory"]) for name in _MILTERS}
    with disk_errors("prepare a second Postfix"):
        place.chmod(0o755)
        for name in ("config", "queue", "data"):
            (place / name).mkdir(mode=0o755)
        shutil.chown(place / "data", values["mail_owner"])
        (place / "config/main.cf").write_text(_main_cf(place, directory, sink_port, milters))
        service = "".join(
            f"\n  -o {{ {name} = {_absolute(value, values['queue_directory'])} }}" for name, value in overrides.items()
        )
        (place / "config/master.cf").write_text(_MASTER.format(inet=f"127.0.0.1:{port}", overrides=service))
    filters = {name: values[name] for name in LEFT_OUT} | _overrides(directory, LEFT_OUT)
    left_out = tuple(f"{name} = {value}" for name, value in filters.items() if value)
    return Instance(place / "config", port, place / "maillog", milters, left_out)


def _overrides(directory: Path, names: Sequence[str]) -> dict[str, str]:
    """What master.cf gives the smtpd on port 25 of these settings."""
    found = postconf.service_overrides(directory, names)
    return {override.name: override.value for override in found if override.service in _PORT_25}


def _main_cf(place: Path, directory: Path, sink_port: int, milters: Mapping[str, str]) -> str:
    own = {
        **dict.fromkeys(_EMPTY, ""),
        **_FIXED,
        **milters,
        "queue_directory": f"{place}/queue",
        "data_directory": f"{place}/data",
        "maillog_file": f"{place}/maillog",
        "maillog_file_prefixes": str(place),
        "relayhost": f"[127.0.0.1]:{sink_port}",
    }
    own_place = {*own, "config_directory"}
    copied = {n: v for n, v in postconf.set_values(directory).items() if n not in own_place}
    shown = {n: v.replace("$config_directory", str(directory)) for n, v in copied.items()}
    return "".join(f"{name} = {value}\n" for name, value in {**shown, **own}.items())


def _absolute(milters: str, queue: str) -> str:
    """The milters with whole paths: the second Postfix has another queue directory."""
    found: Sequence[str] = split_milters(milters)
    spelled = []
    for milter in found:
        socket = milter_socket(milter, queue)
        if socket is None or not socket.is_unix:
            spelled.append(milter)
            continue
        path = socket.path
        if not Path(path).exists() and Path(queue + path).exists():  # as seen from the chroot
            path = queue + path
        old = next(part for part in split_milters(milter.strip("{} \t")))
        spelled.append(milter.replace(old, f"unix:{path}", 1))
    return ", ".join(spelled)


def _postfix(instance: Instance, command: str) -> None:
    ended = run_program("postfix", "-c", str(instance.directory), command)
    if ended.code != 0:
        said = instance.said()
        why = said[-1] if said else ended.last_word
        raise Unavailable(
            f"the second Postfix does not start: {why}", hint="see whether the real one is right: postfix check"
        )


def _wait_until_ready(instance: Instance) -> None:
    import smtplib

    deadline = SYSTEM_CLOCK.monotonic() + _TO_START
    while True:
        try:
            with smtplib.SMTP("127.0.0.1", instance.port, timeout=_TO_START) as client:
                client.noop()
                return
        except (OSError, smtplib.SMTPException) as error:
            if SYSTEM_CLOCK.monotonic() > deadline or isinstance(error, smtplib.SMTPResponseException):
                said = instance.said()
                fatal = [line for line in said if "fatal: " in line]
                why = (fatal or said or (_silent(instance) or str(error),))[-1]
                raise Unavailable(f"the second Postfix does not take mail: {why}", hint=_HINT) from error
        SYSTEM_CLOCK.sleep(0.05)


def _silent(instance: Instance) -> str:
    """The milter that Postfix waits for; empty when each answers."""
    for milter in split_milters(instance.milters["smtpd_milters"]):
        place = milter_socket(milter, "")
        try:
            if place is not None:
                greet(place)
        except Unavailable as error:
            return f"it waits for the milter {milter}: {error.message}"
    return ""


_HINT = "see what it says of itself: dkimctl doctor"
