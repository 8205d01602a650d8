"""What a rotation knows of the mail queue: a queue that could not be read is never an empty one."""

import json

import pytest

from dkimctl.config.settings import Settings
from dkimctl.errors import Unavailable
from dkimctl.lifecycle import queue
from dkimctl.programs import Ended


def test_queue_that_cannot_be_listed_may_hold_mail_of_any_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that is too long or does not end keeps an old key's record; it does not count as an empty queue."""

    def fail(*_: str) -> Ended:
        raise Unavailable("postqueue writes too much", hint="")

    monkeypatch.setattr(queue, "find_program", lambda _: "/usr/sbin/postqueue")
    monkeypatch.setattr(queue, "run_program", fail)
    assert queue.oldest_queued(Settings()) == queue.UNLISTED


def test_a_listing_that_fails_is_not_an_empty_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exit code other than 0 counts as mail of any age, whatever was listed before it."""
    monkeypatch.setattr(queue, "find_program", lambda _: "/usr/sbin/postqueue")
    monkeypatch.setattr(queue, "run_program", lambda *_: Ended(69, '{"arrival_time": 70}\n', "fatal: queue"))
    found = queue.oldest_queued(Settings())
    assert found is not None
    assert found.arrival == 0
    assert "could not list" in found.text


def test_the_oldest_message_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue id, since when it is there, and whether it is on hold: what a person looks for."""
    listing = (
        '{"queue_name": "hold", "queue_id": "4ABC", "arrival_time": 50}\n{"queue_id": "4DEF", "arrival_time": 70}\n'
    )
    monkeypatch.setattr(queue, "find_program", lambda _: "/usr/sbin/postqueue")
    monkeypatch.setattr(queue, "run_program", lambda *_: Ended(0, listing, ""))
    found = queue.oldest_queued(Settings())
    assert found is not None
    assert found.text == "4ABC on hold in the queue since 1970-01-01T00:00:50Z"


@pytest.mark.parametrize(
    ("listing", "oldest"),
    [("", None), ('{"arrival_time": 70}\n{"arrival_time": 50}\nnot JSON\n', 50)],
)
def test_oldest_message_of_a_listed_queue(monkeypatch: pytest.MonkeyPatch, listing: str, oldest: int | None) -> None:
    """The oldest arrival counts, and an empty listing is an empty queue."""
    monkeypatch.setattr(queue, "find_program", lambda _: "/usr/sbin/postqueue")
    monkeypatch.setattr(queue, "run_program", lambda *_: Ended(0, listing, ""))
    found = queue.oldest_queued(Settings())
    assert (found and found.arrival) == oldest


def test_host_without_postfix_has_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no postqueue nothing waits for mail."""
    monkeypatch.setattr(queue, "find_program", lambda _: None)
    assert queue.oldest_queued(Settings()) is None


def test_mail_of_a_domain_is_counted_until_another_key_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the envelope's sender: the domain and what is below it, and no other name that ends the same."""
    senders = ["a@example.com", "b@Sub.Example.COM", "c@other-example.com", "MAILER-DAEMON", "d@example.com"]
    lines = [json.dumps({"arrival_time": 10 * n, "sender": name}) for n, name in enumerate(senders)]
    monkeypatch.setattr(queue, "find_program", lambda _: "/usr/sbin/postqueue")
    monkeypatch.setattr(queue, "run_program", lambda *_: Ended(0, "\n".join(lines), ""))
    found = queue.queued_mail(Settings())
    assert found is not None
    assert (queue.count_from("example.com", found, 30), queue.count_from("example.com", found, None)) == (2, 3)
