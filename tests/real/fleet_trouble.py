"""What happens to a fleet: processes are killed or paused, sessions cut, a server crashes; each is repaired later."""

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from dkimctl.errors import DkimctlError
from tests.real.fleet_world import DOMAINS, World, wait_until

_CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.7"""
Repair = Callable[[], None]


class Trouble:
    """Draws what happens, and when it is over: after some rounds."""

    def __init__(self, world: World, draw: random.Random) -> None:
        self._world, self._draw = world, draw
        self._repairs: list[tuple[int, Repair]] = []
        self._round = 0
        self.counts: dict[str, int] = {}

    def round(self, hours: float, *, quiet: bool = False) -> None:
        """Move the clock, let both workers do what is due, and have something happen meanwhile."""
        world = self._world
        self._round += 1
        self._repair(due=self._round)
        world.go(hours)
        free = [control for control in world.controls if control.running is None]
        for control in free:
            control.start("rotate")
        if not quiet:
            time.sleep(self._draw.choice((0, 0.1, 0.3, 0.6)))
            self._happen()
        for control in free:
            if control not in self._paused():
                control.wait()

    def outage(self) -> list[int]:
        """The database is away for an hour, under mail; return how the workers' runs ended meanwhile."""
        world, codes = self._world, []
        world.server.stop()
        for _ in range(4):
            world.clock.move(0.25)
            for relay in world.relays:
                for domain in DOMAINS:
                    world.mail(relay, domain)
            for control in world.controls:
                control.start("rotate")
                codes.append(control.wait())
        world.server.start()
        return codes

    def calm(self) -> None:
        """Repair everything."""
        self._repair()

    def _repair(self, due: int | None = None) -> None:
        ready = [repair for at, repair in self._repairs if due is None or at <= due]
        self._repairs = [(at, repair) for at, repair in self._repairs if not (due is None or at <= due)]
        for repair in ready:
            repair()

    def _later(self, repair: Repair, most: int = 3) -> None:
        self._repairs.append((self._round + self._draw.randint(1, most), repair))

    def _happen(self) -> None:
        what = self._draw.choice((
            self._kill_worker, self._pause_worker, self._kill_follower, self._pause_follower, self._kill_signer,
            self._kill_postgres, self._cut_sessions, self._nothing,
        ))  # fmt: skip
        name = what.__name__.strip("_").replace("_", " ")
        self.counts[name] = self.counts.get(name, 0) + 1
        what()

    def _nothing(self) -> None:
        pass

    def _kill_worker(self) -> None:
        self._draw.choice(self._world.controls).signal(signal.SIGKILL)

    def _paused(self) -> list[object]:
        return [getattr(repair, "control", None) for _, repair in self._repairs]

    def _pause_worker(self) -> None:
        control = self._draw.choice(self._world.controls)
        if control.running is None or control in self._paused():
            return
        control.signal(signal.SIGSTOP)

        def repair() -> None:
            control.signal(signal.SIGCONT)
            control.wait()

        repair.control = control  # type: ignore[attr-defined]
        self._later(repair, 2)

    def _kill_follower(self) -> None:
        relay = self._draw.choice(self._world.relays)
        if relay.is_following:
            relay.signal("KILL")
            self._later(relay.follow)

    def _pause_follower(self) -> None:
        relay = self._draw.choice(self._world.relays)
        if relay.is_following:
            relay.signal("STOP")
            self._later(lambda: relay.signal("CONT"))

    def _kill_signer(self) -> None:
        relay = self._draw.choice(self._world.relays)
        if relay.is_signing:
            relay.kill_signer()
            self._later(relay.start_signer, 1)

    def _kill_postgres(self) -> None:
        server = self._world.server
        server.stop(kill=True)
        assert wait_until(lambda: _starts(server.start)), (server.directory / "log").read_text()[-2000:]

    def _cut_sessions(self) -> None:
        with suppress(DkimctlError):
            self._world.ask(_CUT)


def _starts(start: Callable[[], None]) -> bool:
    """Whether it starts: the killed server's children may still be there."""
    try:
        start()
    except AssertionError:
        return False
    return True
