"""The selftest through Postfix: a second one with the settings of the real one, which delivers to dkimctl only."""

import smtplib
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import CheckFailed, DkimctlError, Unavailable, reason
from dkimctl.host.othersigners import signers_instead
from dkimctl.host.world import read_world
from dkimctl.postfix.milters import milter_socket, names_opendkim, split_milters
from dkimctl.postfix.postconf import read_settings
from dkimctl.programs import run_program
from dkimctl.selftest.attempt import Attempt, AttemptState, Expected, assess, attempt, why_hint
from dkimctl.selftest.cases import Case
from dkimctl.selftest.postfix_copy import Copied, Ports
from dkimctl.selftest.postfix_instance import Instance, second_postfix
from dkimctl.selftest.probing import Finder, Prober, Selftest, Via, all_cases, daemon_socket, noted
from dkimctl.selftest.sink import Sink

_TO_ARRIVE = 20.0  # seconds for a mail through Postfix
_AFTER_A_LOSS = 2.0  # seconds for each further one, when one did not come out
_LOST = "Postfix did not deliver it in time"
_TO_LOG, _PAUSE = 1.0, 0.05  # seconds
_SEND = "send one: dkimctl selftest DOMAIN --to YOU --relay 127.0.0.1, and dkimctl inspect what arrives"
_FILTERED = f"because it hands mail back to the real Postfix; to see what it does to a signature, {_SEND}"
_REWRITING = ("smtp_generic_maps", "smtp_header_checks", "smtp_mime_header_checks", "smtp_body_checks")


def through_postfix(prober: Prober, domains: Sequence[str], via: Via) -> Selftest:
    """Every message in over SMTP or sendmail(1), and out at a sink. Raises Unavailable without a Postfix to copy."""
    directory = prober.settings.at(prober.settings.paths.postfix_directory)
    finder = Finder(prober, domains)
    attempts = []
    with (
        Sink() as sink,
        _held_port() as port,
        _held_port() as back,
        second_postfix(directory, Ports(sink.port, port, back)) as instance,
    ):
        after, patience = _what_comes_after(prober, instance, via), _TO_ARRIVE
        for domain, case in all_cases(prober, domains, prober.clock.now()):
            expected = Expected(domain, finder.find, prober.clock.now(), prober.clock.now(), after)
            attempts.append(noted(_sent(case, expected, prober, sink, instance, via, patience), finder))
            patience = _AFTER_A_LOSS if attempts[-1].seen == _LOST else patience
            prober.report(attempts[-1])
        notes = (*finder.notes, *_filter_notes(instance.copied))
    where = f"a second Postfix with the settings of {directory}"
    return Selftest(via, where, tuple(attempts), notes)


def _filter_notes(copied: Copied) -> Iterator[str]:
    for setting in copied.filters:
        if copied.way_back:
            yield f"not asked: {setting}, {_FILTERED}. Here the mail went on, unchanged, as at {copied.way_back}"
        else:
            yield f"not followed: {setting}, {_FILTERED}"


def _sent(
    case: Case, expected: Expected, prober: Prober, sink: Sink, instance: Instance, via: Via, patience: float
) -> Attempt:
    since = instance.logged
    try:
        (_hand_to_sendmail if via is Via.SENDMAIL else _hand_to_smtpd)(case, instance)
    except DkimctlError as error:
        said = _said(instance, since, patience=_TO_LOG)
        hint = f"{said}; {why_hint(case)}" if "milter-reject: END-OF-MESSAGE" in said else said or error.hint
        return attempt(case, expected, AttemptState.WRONG, error.message, hint=hint)
    mark = dict(case.message.headers)["Message-ID"]
    arrived = sink.wait_for(mark, patience)
    said = _said(instance, since)
    if not arrived:
        return attempt(
            case, expected, AttemptState.WRONG if said else AttemptState.UNKNOWN, _LOST, hint=said or why_hint(case)
        )
    found = assess(case, arrived[0], replace(expected, now=prober.clock.now()))
    if found.state is AttemptState.WRONG and "without a signature" in found.seen:
        unasked = _signing_filter(prober, instance)
        if unasked:
            seen = f"{found.seen} here, where {unasked} was not asked, which may sign it"
            return replace(found, state=AttemptState.UNKNOWN, seen=seen, hint=_SEND)
        return replace(found, hint=said or _not_asked(prober, instance, via) or found.hint)
    return found


def _signing_filter(prober: Prober, instance: Instance) -> str:
    """Return the content filter that may sign, where the opendkim of this host signs nothing; empty for none."""
    others = {f"{other.setting} = {other.value}" for other in signers_instead(read_world(prober.settings))}
    return next((setting for setting in instance.copied.filters if setting in others), "")


def _not_asked(prober: Prober, instance: Instance, via: Via) -> str:
    """Return why the daemon did not see the message: Postfix does not ask it on this path."""
    name = "non_smtpd_milters" if via is Via.SENDMAIL else "smtpd_milters"
    milters = instance.copied.milters[name]
    if _signing_milters(prober, milters):
        return ""
    return f"{name} = {milters or '(empty)'} does not name the daemon: sudo dkimctl doctor"


def _said(instance: Instance, since: int, patience: float = 0.0) -> str:
    """Return the line that Postfix logged about this message, one about a milter first; or nothing.

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
        raise Unavailable(f"Postfix does not accept it: {reason(error)}") from error


def _hand_to_sendmail(case: Case, instance: Instance) -> None:
    message = case.message
    recipient = dict(message.headers)["To"]
    raw = message.raw.replace(b"\r\n", b"\n")
    ended = run_program("sendmail", "-C", str(instance.directory), "-i", "-f", message.sender, recipient, input=raw)
    if ended.code != 0:
        raise CheckFailed(f"sendmail refuses it: {ended.last_word}", hint="see: sendmail -bv postmaster")


def _what_comes_after(prober: Prober, instance: Instance, via: Via) -> str:
    """The milters after the signing one, and what Postfix itself may change on the way out."""
    directory = prober.settings.at(prober.settings.paths.postfix_directory)
    value = instance.copied.milters["non_smtpd_milters" if via is Via.SENDMAIL else "smtpd_milters"]
    milters, signing = split_milters(value), _signing_milters(prober, value)
    later = [f"the milter {milter}" for milter in milters[signing[0] + 1 :]] if signing else []
    rewriting = read_settings(directory, _REWRITING, expanded=True)
    later += [f"{name} = {value}" for name, value in rewriting.items() if value]
    return ", ".join(later)


def _signing_milters(prober: Prober, value: str) -> list[int]:
    """Return the position of the daemon in a list of milters."""
    place = daemon_socket(prober.settings)
    milters = split_milters(value)
    return [n for n, m in enumerate(milters) if names_opendkim(m, "", [place]) or milter_socket(m, "") == place]


@contextmanager
def _held_port() -> Iterator[int]:
    """A port that nobody but Postfix gets: bound and not listening, it can be bound once more with SO_REUSEADDR."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
