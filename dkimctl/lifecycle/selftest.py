"""The selftest: messages from managed domains, handed in as real ones are, and their signatures verified."""

import smtplib
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, DkimctlError, Unavailable
from dkimctl.host.installation import read_installation
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import KeyStore
from dkimctl.lifecycle.signing import record_in_dns
from dkimctl.names import split_owner_name
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.postfix.milters import milter_socket, names_opendkim, split_milters
from dkimctl.postfix.postconf import read_settings
from dkimctl.probe.attempt import Attempt, Expected, State, assess, attempt, not_verified, why_hint
from dkimctl.probe.cases import Case, cases
from dkimctl.probe.instance import Instance, second_postfix
from dkimctl.probe.milter import Offered, Reply, Verdict, hand_over
from dkimctl.probe.signature import FIELD, FindRecord
from dkimctl.probe.sink import Sink
from dkimctl.programs import run_program
from dkimctl.record.from_key import record_of

_AT_ONCE = 3
"""So many messages the daemon has in hand at a time."""
_TO_ARRIVE = 20.0  # seconds for a mail through Postfix
_TO_LOG, _PAUSE = 1.0, 0.05  # seconds
_FILTERED = (
    ", because it hands mail back to the real Postfix; to see what it does to a signature, send one: "
    "dkimctl selftest DOMAIN --to YOU --relay 127.0.0.1, and dkimctl inspect what arrives"
)
_REWRITING = ("smtp_generic_maps", "smtp_header_checks", "smtp_mime_header_checks", "smtp_body_checks")


class Via(StrEnum):
    """How the messages are handed in."""

    MILTER = "milter"
    SMTP = "smtp"
    SENDMAIL = "sendmail"


@dataclass(frozen=True, slots=True)
class Selftest:
    """What came of all messages."""

    via: Via
    where: str
    """What they were handed to: the daemon's socket, or Postfix."""
    attempts: tuple[Attempt, ...]
    notes: tuple[str, ...] = ()
    """What holds for all of them."""

    @property
    def exit_code(self) -> int:
        """1 when a message is not signed as it should be, 3 when one could not be judged, else 0."""
        states = {a.state for a in self.attempts}
        return 3 if State.UNKNOWN in states else 1 if State.WRONG in states else 0


@dataclass(frozen=True, slots=True)
class Prober:
    """What a selftest works with."""

    settings: Settings
    store: KeyStore
    clock: Clock
    report: Callable[[Attempt], None]
    """Hears of each attempt as it ends."""
    patience: float = 10.0
    """Seconds that the daemon may take for one message."""


def selftest(prober: Prober, domains: Sequence[str], via: Via) -> Selftest:
    """Send every message of the first domain's cases, and for the others one from the domain and one from below it.

    Raises Unavailable when nobody takes the messages: no daemon, no Postfix.
    """
    if via is Via.MILTER:
        return _through_milter(prober, domains)
    return _through_postfix(prober, domains, via)


def _all_cases(prober: Prober, domains: Sequence[str], now: datetime) -> Iterator[tuple[str, Case]]:
    for number, domain in enumerate(domains):
        own = prober.settings.domain(domain).subdomains
        below = prober.settings.signing.subdomains if own is None else own
        for case in cases(domain, now, subdomains=below, thorough=number == 0):
            yield domain, case


# --- the daemon alone


def _through_milter(prober: Prober, domains: Sequence[str]) -> Selftest:
    place = daemon_socket(prober.settings)
    finder = Finder(prober)
    attempts = []
    for domain, case, sent, reply in _answers(prober, place, domains):
        expected = Expected(domain, finder.find, sent, prober.clock.now())
        attempts.append(_noted(_judged(case, reply, expected), finder))
        prober.report(attempts[-1])
    return Selftest(Via.MILTER, str(place), tuple(attempts), finder.notes)


def _answers(
    prober: Prober, place: MilterSocket, domains: Sequence[str]
) -> Iterator[tuple[str, Case, datetime, Reply]]:
    """Each message with the daemon's answer to it; meanwhile the daemon has the next few in hand."""
    in_hand: deque[tuple[str, Case, datetime, Offered]] = deque()
    try:
        for number, (domain, case) in enumerate(_all_cases(prober, domains, prober.clock.now())):
            sent = prober.clock.now()
            job = f"DKIMCTL{sent:%H%M%S}{number:03}"
            in_hand.append((domain, case, sent, hand_over(place, case.message, job=job, timeout=prober.patience)))
            if len(in_hand) == _AT_ONCE:
                yield _answered(*in_hand.popleft())
        while in_hand:
            yield _answered(*in_hand.popleft())
    finally:
        for _, _, _, offered in in_hand:
            offered.connection.close()


def _answered(domain: str, case: Case, sent: datetime, offered: Offered) -> tuple[str, Case, datetime, Reply]:
    return domain, case, sent, offered.reply()


def _judged(case: Case, reply: Reply, expected: Expected) -> Attempt:
    if reply.verdict is not Verdict.ACCEPT:
        answer = f" ({reply.text})" if reply.text else ""
        seen = f"the daemon answered {reply.verdict}{answer}: such mail does not go out"
        return attempt(case, expected, State.WRONG, seen, hint=f"{why_hint(case)}; or its log: journalctl -u opendkim")
    message = case.message
    for name, value in reversed(reply.added):
        if name.lower() == FIELD.lower():
            message = message.with_header(name, value)
    try:
        return assess(case, message.raw, expected)
    except DkimctlError as error:
        return not_verified(case, expected, error)


def daemon_socket(settings: Settings) -> MilterSocket:
    """Where the daemon of this machine listens: what opendkim.conf says, else what the configuration says."""
    if settings.signing.signer != "opendkim":
        return parse_socket(settings.signing.socket)
    try:
        found = read_installation(settings.paths.opendkim_conf, settings.at).get("Socket")
    except DkimctlError:
        found = ""
    return parse_socket(found or settings.signing.socket)


# --- the key records


class Finder:
    """Finds the key record of a signature: in DNS, or on this disk for a key that was not published yet."""

    def __init__(self, prober: Prober) -> None:
        self._store = prober.store
        self._in_dns: FindRecord = record_in_dns(prober.settings.lookup)
        self._known: dict[str, str | DkimctlError | None] = {}
        self._unpublished: dict[str, None] = {}

    def find(self, owner: str) -> str | None:
        """The record's text. Raises Unavailable; asks once for each name."""
        if owner not in self._known:
            try:
                self._known[owner] = self._on_disk(owner) or self._in_dns(owner)
            except DkimctlError as error:
                self._known[owner] = error
        found = self._known[owner]
        if isinstance(found, DkimctlError):
            raise found
        return found

    @property
    def notes(self) -> tuple[str, ...]:
        """Which keys were taken from this disk."""
        return tuple(
            f"{name} is not published yet: verified with the key on this disk; nobody else can verify it"
            for name in self._unpublished
        )

    def is_unpublished(self, owner: str) -> bool:
        """True when its key came from this disk."""
        return owner in self._unpublished

    def _on_disk(self, owner: str) -> str | None:
        selector, domain = split_owner_name(owner)
        for key in self._store.keys(domain):
            if key.selector == selector and key.phase is Phase.GENERATED:
                self._unpublished[owner] = None
                return record_of(self._store, key).text
        return None


def _noted(attempt: Attempt, finder: Finder) -> Attempt:
    """A signature that only this disk can verify is a warning."""
    if attempt.state is not State.SIGNED:
        return attempt
    names = [f"{selector}._domainkey.{attempt.domain}" for selector in attempt.selectors]
    return replace(attempt, state=State.WARNING) if any(map(finder.is_unpublished, names)) else attempt


# --- through Postfix


def _through_postfix(prober: Prober, domains: Sequence[str], via: Via) -> Selftest:
    directory = prober.settings.at(prober.settings.paths.postfix_directory)
    finder = Finder(prober)
    attempts = []
    with Sink() as sink, second_postfix(directory, sink.port, _free_port()) as instance:
        after = _what_comes_after(prober, instance, via)
        for domain, case in _all_cases(prober, domains, prober.clock.now()):
            expected = Expected(domain, finder.find, prober.clock.now(), prober.clock.now(), after)
            attempts.append(_noted(_sent(case, expected, prober, sink, instance, via), finder))
            prober.report(attempts[-1])
        notes = (*finder.notes, *(f"not followed: {setting}{_FILTERED}" for setting in instance.left_out))
    where = f"a second Postfix with the settings of {directory}"
    return Selftest(via, where, tuple(attempts), notes)


def _sent(case: Case, expected: Expected, prober: Prober, sink: Sink, instance: Instance, via: Via) -> Attempt:
    since = instance.logged
    try:
        (_hand_to_sendmail if via is Via.SENDMAIL else _hand_to_smtpd)(case, instance)
    except DkimctlError as error:
        said = _said(instance, since, patience=_TO_LOG)
        hint = f"{said}; {why_hint(case)}" if "milter-reject: END-OF-MESSAGE" in said else said or error.hint
        return attempt(case, expected, State.WRONG, error.message, hint=hint)
    mark = dict(case.message.headers)["Message-ID"]
    arrived = sink.wait_for(mark, _TO_ARRIVE)
    said = _said(instance, since)
    if not arrived:
        seen = f"it did not come out of Postfix within {_TO_ARRIVE:.0f} seconds"
        return attempt(case, expected, State.WRONG if said else State.UNKNOWN, seen, hint=said or why_hint(case))
    found = assess(case, arrived[0], replace(expected, now=prober.clock.now()))
    if found.state is State.WRONG and "without a signature" in found.seen:
        return replace(found, hint=said or _not_asked(prober, instance, via) or found.hint)
    return found


def _not_asked(prober: Prober, instance: Instance, via: Via) -> str:
    """Why the daemon did not see it, where Postfix does not ask it on this way."""
    name = "non_smtpd_milters" if via is Via.SENDMAIL else "smtpd_milters"
    if _signing_milters(prober, instance.milters[name]):
        return ""
    return f"{name} = {instance.milters[name] or '(empty)'} does not name the daemon: sudo dkimctl doctor"


def _said(instance: Instance, since: int, patience: float = 0.0) -> str:
    """What Postfix logged of this message, in a line: about a milter where it did; or nothing.

    `patience`: seconds to wait for it, because another process writes the log.
    """
    said = instance.said(since)
    while not said and patience > 0:
        SYSTEM_CLOCK.sleep(_PAUSE)
        patience -= _PAUSE
        said = instance.said(since)
    about_milters = [line for line in said if line.startswith("warning: ") and "ilter" in line]
    return f"Postfix says: {(about_milters or said)[-1]}" if said else ""


def _hand_to_smtpd(case: Case, instance: Instance) -> None:
    message = case.message
    recipient = dict(message.headers)["To"]
    try:
        with smtplib.SMTP("127.0.0.1", instance.port, "localhost", timeout=_TO_ARRIVE) as client:
            client.sendmail(message.sender, [recipient], message.raw, ["BODY=8BITMIME"])
    except smtplib.SMTPResponseException as error:
        raise CheckFailed(f"Postfix refuses it: {error.smtp_code} {_text(error.smtp_error)}") from error
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        raise CheckFailed(f"Postfix refuses it: {code} {_text(text)}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(f"Postfix does not take it: {error}") from error


def _hand_to_sendmail(case: Case, instance: Instance) -> None:
    message = case.message
    recipient = dict(message.headers)["To"]
    raw = message.raw.replace(b"\r\n", b"\n")
    ended = run_program("sendmail", "-C", str(instance.directory), "-i", "-f", message.sender, recipient, input=raw)
    if ended.code != 0:
        raise CheckFailed(f"sendmail refuses it: {ended.last_word}", hint="see: sendmail -bv postmaster")


def _what_comes_after(prober: Prober, instance: Instance, via: Via) -> str:
    """The milters behind the signing one, and what Postfix itself may change on the way out."""
    directory = prober.settings.at(prober.settings.paths.postfix_directory)
    value = instance.milters["non_smtpd_milters" if via is Via.SENDMAIL else "smtpd_milters"]
    milters, signing = split_milters(value), _signing_milters(prober, value)
    later = [f"the milter {milter}" for milter in milters[signing[0] + 1 :]] if signing else []
    rewriting = read_settings(directory, _REWRITING, expanded=True)
    later += [f"{name} = {value}" for name, value in rewriting.items() if value]
    return ", ".join(later)


def _signing_milters(prober: Prober, value: str) -> list[int]:
    """Where in a list of milters the daemon stands."""
    place = daemon_socket(prober.settings)
    milters = split_milters(value)
    return [n for n, m in enumerate(milters) if names_opendkim(m, "", [place]) or milter_socket(m, "") == place]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
