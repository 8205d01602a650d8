"""A second Postfix for as long as a probe lasts: the settings of the real one, but everything ends in the sink.

The real one is not touched, nor is its queue, its log, or its mail.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import Unavailable, reason
from dkimctl.files import is_there, scratch_directory
from dkimctl.milter.client import greet
from dkimctl.postfix import postconf
from dkimctl.postfix.milters import milter_socket, split_milters
from dkimctl.programs import run_program
from dkimctl.selftest.postfix_copy import Copied, Ports, copy_settings

_TO_START = 15.0  # seconds
_QUEUE_ID = re.compile(r"^(?:NOQUEUE|[0-9A-F]{6,15}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,20}): |; from=<.*")
"""What of a line of the log is only about one message."""


@dataclass(frozen=True, slots=True)
class Instance:
    """The running second Postfix."""

    directory: Path
    """Its main.cf and master.cf, for `postfix -c` and `sendmail -C`."""
    port: int
    """Where it takes mail, on 127.0.0.1."""
    log: Path
    copied: Copied

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
        """Return the present length of the log, in octets."""
        return self.log.stat().st_size if self.log.exists() else 0


@contextmanager
def second_postfix(directory: Path, ports: Ports) -> Iterator[Instance]:
    """A Postfix with the settings in `directory` that takes and delivers mail at these ports only.

    Raises Unavailable without Postfix, without root, or when it does not start.
    """
    if not postconf.is_configured(directory):
        raise Unavailable(
            f"there is no Postfix set up in {directory}", hint="apt-get install postfix; or use --via milter"
        )
    if os.geteuid() != 0:
        raise Unavailable("only root can start a second Postfix", hint="run it as root (sudo dkimctl …)")
    # 0711: its daemons pass through as users of their own
    with scratch_directory("second-postfix", mode=0o711, stop=_abort) as place:
        try:
            copied = copy_settings(place, directory, ports)
            instance = Instance(place / "config", ports.smtp, place / "maillog", copied)
            _postfix(instance, "start")
            _wait_until_ready(instance)
            yield instance
        finally:
            _abort(place)


def _abort(place: Path) -> None:
    """End the second Postfix below `place`, which may be that of a killed run."""
    if is_there(place / "config"):
        run_program("postfix", "-c", str(place / "config"), "abort")


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
                why = (fatal or said or (_silent(instance) or reason(error),))[-1]
                raise Unavailable(f"the second Postfix does not accept mail: {why}", hint=_HINT) from error
        SYSTEM_CLOCK.sleep(0.05)


def _silent(instance: Instance) -> str:
    """The milter that Postfix waits for; empty when each answers."""
    for milter in split_milters(instance.copied.milters["smtpd_milters"]):
        place = milter_socket(milter, "")
        try:
            if place is not None:
                greet(place)
        except Unavailable as error:
            return f"it waits for the milter {milter}: {error.message}"
    return ""


_HINT = "see what is wrong with it: sudo dkimctl doctor"
