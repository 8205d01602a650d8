"""Postfix's queue: what waits there was signed when it came, and must verify when it is delivered."""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.lifecycle.notes import at_text
from dkimctl.names import printable
from dkimctl.programs import find_program, run_program


class Queued(NamedTuple):
    """A message in Postfix's queue."""

    arrival: int
    text: str
    """What it is, in words."""
    sender: str = ""
    """Of its envelope: what is in From, and which key signed it, postqueue does not say."""


UNLISTED = Queued(0, "mail of any age in the queue, which postqueue -j could not list")


def queued_mail(settings: Settings) -> list[Queued] | None:
    """Return the messages in the queue, none where there is no Postfix.

    None when it could not be listed, such as one whose listing is too long or does not end.
    """
    if find_program("postqueue") is None:
        return []
    directory = str(settings.at(settings.paths.postfix_directory))
    try:
        listed = run_program("postqueue", "-c", directory, "-j")
    except DkimctlError:
        return None
    return None if listed.code else list(filter(None, map(_queued, listed.out.splitlines())))


def oldest_queued(settings: Settings) -> Queued | None:
    """Return the oldest message in the queue; None when it is empty. What could not be listed may be of any age."""
    found = queued_mail(settings)
    return UNLISTED if found is None else min(found, default=None)


def count_from(domain: str, mails: Iterable[Queued], until: int | None) -> int:
    """Return how many of these messages came from this domain, or from below it, until then."""
    senders = (mail.sender.rpartition("@")[2].lower() for mail in mails if until is None or mail.arrival <= until)
    return sum(f".{sender}".endswith(f".{domain}") for sender in senders)


def _queued(line: str) -> Queued | None:
    with suppress(ValueError, KeyError, TypeError):
        message = json.loads(line)
        arrival = int(message["arrival_time"])
        hold = " on hold" if message.get("queue_name") == "hold" else ""
        text = f"{printable(str(message.get('queue_id')), 40)}{hold} in the queue since {at_text(arrival)}"
        return Queued(arrival, text, str(message.get("sender")))
    return None
