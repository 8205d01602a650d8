"""The queue of work in the fleet's database: what is due is claimed once, and is free when its worker is gone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from dkimctl.errors import Unavailable
from dkimctl.fleet.database import Database, connect
from dkimctl.fleet.queue import Worker
from tests.postgres import Server

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=1)
FAR = NOW + timedelta(days=999)
ADD_KEY = """
INSERT INTO dkimctl.key (domain, stem, selector, identity, phase, metadata) VALUES (%s, 'a', 'a', '', '', '{}')"""


@pytest.fixture
def sessions(postgres: Server, fleet_database: str) -> Iterator[list[Database]]:
    """Four sessions at a fleet of ten domains, the first of them due for the longest time."""
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(postgres.url(fleet_database))) for _ in range(4)]
        for number in range(10):
            opened[0].run(
                "INSERT INTO dkimctl.domain (name, due) VALUES (%s, %s)",
                (f"{number}.example", NOW - timedelta(hours=10 - number)),
            )
        yield opened


def names(worker: Worker, most: int = 100, now: datetime = NOW) -> list[str]:
    """What a worker gets."""
    return sorted(claim.domain for claim in worker.claim(now, most))


def test_each_domain_is_claimed_once_the_longest_due_first(sessions: list[Database]) -> None:
    """Several workers share what is due, at the same time too; a domain given back is due at its time."""
    first, second = Worker(sessions[0]), Worker(sessions[1])
    assert names(first, 3) == ["0.example", "1.example", "2.example"]
    assert names(second, 2) == ["3.example", "4.example"]
    [claim] = second.claim(NOW, 1)
    second.release(claim, LATER, NOW)
    with ThreadPoolExecutor(4) as pool:
        workers = [first, second, Worker(sessions[2]), Worker(sessions[3])]
        got = [name for found in pool.map(lambda worker: names(worker, 2), workers) for name in found]
    assert sorted(got) == [f"{number}.example" for number in range(6, 10)]
    assert sessions[0].value("SELECT count(*) FROM dkimctl.domain WHERE due <= %s", (NOW,)) == 9
    assert names(second, now=LATER) == ["5.example"]


def test_a_dead_workers_domains_are_free_at_once(sessions: list[Database]) -> None:
    """Its session ended, however: no timeout is waited for, and nothing that it writes later counts."""
    dead, worker = Worker(sessions[0]), Worker(sessions[1])
    claims = dead.claim(NOW, 10)
    assert names(worker) == []
    sessions[2].run(
        "SELECT pg_terminate_backend(pid, 20000) FROM pg_locks "
        "WHERE locktype = 'advisory' AND objid = (SELECT min(claimed_by)::oid FROM dkimctl.domain)"
    )
    assert len(names(worker)) == 10
    with pytest.raises(Unavailable):
        dead.release(claims[0], LATER, NOW)


def test_a_row_that_another_transaction_holds_is_passed_over(sessions: list[Database]) -> None:
    """A command at work on a domain does not hold the queue up."""
    with sessions[0].transaction():
        sessions[0].run("UPDATE dkimctl.domain SET notes = '{}' WHERE name = '0.example'")
        assert names(Worker(sessions[1]), 1) == ["1.example"]


def test_what_others_changed_meanwhile_is_due_again_at_once(sessions: list[Database]) -> None:
    """A worker's plan is of the past then; its own changes are part of the plan."""
    worker = Worker(sessions[0])
    own, foreign, key = sorted(worker.claim(NOW, 3))
    sessions[0].run("UPDATE dkimctl.domain SET notes = '{\"begun\": null}' WHERE name = %s", (own.domain,))
    sessions[0].run(ADD_KEY, (own.domain,))
    sessions[1].run("UPDATE dkimctl.domain SET notes = '{\"held\": true}' WHERE name = %s", (foreign.domain,))
    sessions[1].run(ADD_KEY, (key.domain,))
    for claim in (own, foreign, key):
        worker.release(claim, LATER, NOW, "no reason")
    assert names(Worker(sessions[2]))[:3] == ["1.example", "2.example", "3.example"]


def test_a_command_makes_its_domain_due(sessions: list[Database]) -> None:
    """A key that was made or moved by hand is looked at by the next worker; a worker's own is not."""
    worker = Worker(sessions[0])
    for claim in worker.claim(NOW, 10):
        worker.release(claim, FAR, NOW)
    sessions[0].run(ADD_KEY, ("1.example",))
    sessions[1].run(ADD_KEY, ("2.example",))
    assert names(Worker(sessions[2]), now=LATER) == ["2.example"]


def test_named_domains_are_claimed_though_not_due(sessions: list[Database]) -> None:
    """A person who names a domain gets it, unless a worker is at it."""
    first, second = Worker(sessions[0]), Worker(sessions[1])
    assert [claim.domain for claim in first.claim_named(["9.example", "none.example"])] == ["9.example"]
    assert second.claim_named(["9.example"]) == []


def test_the_queue_is_read_by_its_index(sessions: list[Database]) -> None:
    """However many domains are not due, none of them is looked at."""
    sessions[0].run(
        "INSERT INTO dkimctl.domain (name, due) "
        "SELECT 'd' || n || '.example', '2999-01-01' FROM generate_series(1, 5000) n; ANALYZE dkimctl.domain"
    )
    plan = sessions[0].rows("EXPLAIN SELECT name FROM dkimctl.domain WHERE due <= now() ORDER BY due LIMIT 100")
    assert any("domain_due" in line for (line,) in plan)
