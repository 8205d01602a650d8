"""One credential, one budget: any number of workers on any host never exceed a provider's rate limit together."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.settings import Option, Settings
from dkimctl.errors import ApiError, Unavailable
from dkimctl.fleet.budget import FleetBudget
from dkimctl.fleet.database import Database, connect
from dkimctl.providers.base import Pace
from dkimctl.providers.budget import Turns, sharing
from dkimctl.providers.limit import RateLimit
from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.provider import OvhProvider
from dkimctl.providers.registry import open_provider
from dkimctl.sandbox import Fault, Sandbox
from tests.clocks import ManualClock
from tests.conftest import DkimctlInside
from tests.fleets import configure
from tests.postgres import Server

RATE = 40


@pytest.fixture
def opened(postgres: Server, fleet_database: str) -> Callable[[], Database]:
    """Open a session, as each worker does."""
    return partial(connect, postgres.url(fleet_database))


def worker(sandbox: Sandbox, budget: FleetBudget) -> OvhProvider:
    """A worker's account: each has the same credential."""
    variables = sandbox.environment()
    keys = (variables[f"OVH_{name}"] for name in ("APPLICATION_KEY", "APPLICATION_SECRET", "CONSUMER_KEY"))
    credentials = Credentials(variables["OVH_ENDPOINT"], *keys)
    return OvhProvider(credentials, SYSTEM_CLOCK, pace=Pace(rate=RATE), budget=budget)


def asked(sandbox: Sandbox) -> int:
    """How many requests the service has answered."""
    return sum(call.path.startswith("/domain") for call in sandbox.calls)


def test_two_workers_with_one_credential_share_its_rate(opened: Callable[[], Database]) -> None:
    """At no moment the service has had more requests than one worker alone may make."""
    counts: list[tuple[int, float]] = []
    with Sandbox(zones=["a.example"]) as sandbox, FleetBudget(opened) as one, FleetBudget(opened) as two:
        workers = [worker(sandbox, one), worker(sandbox, two)]
        begin = monotonic()

        def work(number: int) -> None:
            workers[number % 2].find("a.example", [f"s{number}._domainkey.a.example"])
            counts.append((asked(sandbox), monotonic() - begin))

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(80)))
    assert counts[-1][0] >= 80
    assert all(count <= RATE * seconds + 1 for count, seconds in counts), counts


def test_a_credential_that_is_to_rest_rests_at_every_worker(opened: Callable[[], Database]) -> None:
    """The service tells one worker that it was asked too often: no other one asks meanwhile. Others are not held up."""
    with ExitStack() as stack:
        one, two = (stack.enter_context(FleetBudget(opened)) for _ in range(2))
        sandbox = stack.enter_context(Sandbox(zones=["a.example"]))
        sandbox.faults.add(Fault("429", path="/domain/*", retry_after=1))
        begin = monotonic()
        worker(sandbox, one).find("a.example", ["s._domainkey.a.example"])
        assert monotonic() - begin >= 1
        one.rest("other", 100)
        assert 90 < two.take("other", 1) <= 100
        assert two.take("third", 1) == pytest.approx(0, abs=0.001)


def test_only_the_clock_of_the_database_counts(opened: Callable[[], Database]) -> None:
    """Where it was set back nobody waits for hours; what the row names is no credential."""
    with FleetBudget(opened) as budget, opened() as database:
        budget.take("digest", 1)
        database.run("UPDATE dkimctl.request_budget SET free = now() + interval '3 h'")
        assert budget.take("digest", 1) <= 600
        secret = Credentials("ovh-eu", "application", "secret", "consumer")
        assert not any(word in secret.digest for word in ("application", "secret", "consumer"))
        assert secret.digest != Credentials("ovh-ca", "application", "secret", "consumer").digest


class Stopped(ManualClock):
    """Of a process that is stopped for ten seconds when it wakes the first time."""

    def sleep(self, seconds: float) -> None:
        """Sleep, and be stopped."""
        super().sleep(seconds + (0 if self.slept else 10))


def test_a_turn_that_was_missed_is_not_made_up_for(opened: Callable[[], Database]) -> None:
    """A worker that was stopped between its turn and its request takes another turn."""
    clock = Stopped(datetime.now(UTC))
    with FleetBudget(opened) as budget:
        Turns(budget, "digest", clock).wait(0.001)
    assert len(clock.slept) == 2


def test_without_the_database_no_request_is_made(opened: Callable[[], Database], postgres: Server) -> None:
    """A turn that cannot be had is no permission; once the session is lost the next turn opens another one."""
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dkimctl' AND datname = '{}'"
    with FleetBudget(opened) as budget, opened() as database:
        budget.take("digest", 0.001)
        name = database.value("SELECT current_database()")
        postgres.run(end.format(name))
        with pytest.raises(Unavailable):
            budget.take("digest", 0.001)
        assert budget.take("digest", 0.001) < 1


class Recorded:
    """A budget that gives every turn at once, and remembers for whom."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, float]] = []
        self.rests: list[str] = []

    def take(self, credential: str, seconds: float) -> float:
        """Give a turn."""
        self.taken.append((credential, seconds))
        return 0

    def rest(self, credential: str, seconds: float) -> None:
        """Remember that there is to be none."""
        self.rests.append(credential)


def asking(text: str, settings: Settings, rate: float | None) -> set[tuple[str, float]]:
    """The turns that a provider takes for one look, by credential and length."""
    budget = Recorded()
    with sharing(budget), suppress(ApiError):
        provider = open_provider(text, settings, ManualClock(datetime.now(UTC)), Pace(rate=rate))
        provider.find("a.example", ["s._domainkey.a.example"])
    return set(budget.taken)


@pytest.mark.parametrize("name", ["rfc2136", "lexicon:localzone"])
def test_every_provider_takes_turns(name: str, tmp_path: Path) -> None:
    """Those with one credential take them from one budget, and others from their own."""
    if name != "rfc2136":
        pytest.importorskip("localzone")
    found = []
    for number in (1, 1, 2):
        key, zone = tmp_path / f"key{number}", tmp_path / f"zone{number}"
        key.touch(mode=0o600)
        key.write_text(f'key dkimctl {{ algorithm hmac-sha256; secret "{"AAA" + str(number)}"; }};')
        zone.write_text("$ORIGIN a.example.\n@ 60 SOA ns h 1 60 60 60 60\n")
        options: dict[str, Option] = (
            {"server": "127.0.0.1:9", "key_file": str(key)} if name == "rfc2136" else {"filename": str(zone)}
        )
        settings = Settings(providers={name: options})
        [turn] = asking(name, settings, 40)
        found.append(turn)
        assert len(turn[0]) == 64 and turn[1] == 1 / 40
        assert bool(asking(name, settings, None)) == (name != "rfc2136")  # one's own server has no limit unasked
        assert asking(name, settings, 0) == set()
    assert found[0] == found[1] != found[2]


def test_a_request_too_many_slows_everybody_down() -> None:
    """What a service asks of one worker is told to the others, whatever the provider."""
    budget, clock = Recorded(), ManualClock(datetime.now(UTC))
    limit = RateLimit(clock, Pace(rate=10), budget=budget, credential="digest")
    limit.slow_down(None)
    with limit.turn():
        assert clock.slept[0] == 1 and budget.rests == ["digest"] and budget.taken == [("digest", 0.2)]


def test_commands_of_a_control_host_take_turns(
    dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str
) -> None:
    """What `publish` asks a provider counts for the whole fleet."""
    configure(dkimctl_inside.scratch, postgres, empty_database)
    assert dkimctl_inside("fleet", "init").code == 0
    assert dkimctl_inside("genkey", "a.example", "-s", "s", "--algorithm", "ed25519").code == 0
    with Sandbox(zones=["a.example"]) as sandbox:
        account = ("--provider", "ovh", "--no-wait")
        published = dkimctl_inside("publish", "a.example", *account, env=sandbox.environment())
    assert published.code == 0, published.err
    with connect(postgres.url(empty_database)) as database:
        assert database.value("SELECT count(*) FROM dkimctl.request_budget WHERE length(credential) = 64") == 1
