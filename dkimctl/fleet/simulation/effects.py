"""The actions of a plan, done in the simulated world: the notes are the real ones, and so is the SQL below them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dkimctl.fleet.simulation.account import EMPTY, Account, Name
from dkimctl.fleet.simulation.judge import Judge
from dkimctl.fleet.simulation.load import Load
from dkimctl.fleet.simulation.pool import Pool
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key
from dkimctl.lifecycle.due import Due
from dkimctl.lifecycle.effects import Effects
from dkimctl.lifecycle.generation import Failed, KeyRequest, KeyStyle, generate_keys
from dkimctl.lifecycle.next_key import free_selector
from dkimctl.lifecycle.plan import Do
from dkimctl.verify.report import Report, Target, Verdict


@dataclass(frozen=True, slots=True)
class SimulatedEffects(Effects):
    """Does actions in the simulated world, and reports each to the judge before it is done."""

    account: Account = field(kw_only=True)
    judge: Judge = field(kw_only=True)
    load: Load = field(kw_only=True)
    pool: Pool = field(kw_only=True)
    start: int = field(kw_only=True)

    def perform(self, do: Do, dues: Sequence[Due]) -> bool:
        """Count and do these actions."""
        for due in dues:
            is_again = do is Do.SWITCH and due.key.phase is Phase.ACTIVE  # a relay is away, and was told already
            if not is_again:
                self.load.count(do, self._now - self.start)
            if do is Do.SWITCH and not is_again:
                self.judge.told(_name(due.key), self._now)
        return Effects.perform(self, do, dues)

    def _make(self, due: Due) -> tuple[str, str]:
        now, domain = self.clock.now(), due.domain
        style = KeyStyle(lambda: self.pool.next(domain), self.pool.tags)
        request = KeyRequest(domain, free_selector(self.settings, self.store, domain, now))
        [made] = generate_keys([request], style, self.store, now=now)
        if isinstance(made, Failed):
            raise made.error
        self.judge.made((domain, made.selector), self.pool.last(domain).base64, self._now)
        return made.selector, made.path

    def _publish(self, dues: Sequence[Due]) -> None:
        for due in dues:
            with self._alone(due):
                name, public = _name(due.key), due.key.metadata.public
                self.judge.published(name, public, self._now)
                self.account.write(name, public, self._now)
                if due.key.phase is Phase.GENERATED:
                    self.store.advance(due.key, Phase.PUBLISHED, self.clock.now(), "simulated")
                self._note_written(due.key)

    def _look(self, dues: Sequence[Due]) -> None:
        for due in dues:
            with self._alone(due):
                key = due.key
                answers = self.account.answers(_name(key), key.metadata.algorithm, self._now)
                target = Target(key.selector, key.domain)
                self._note_seen(due, Report(target, key.domain, key.selector, "", Verdict.UNKNOWN, (), answers=answers))

    def _write_empty(self, key: Key) -> str:
        return self._write(key, EMPTY)

    def _delete_record(self, key: Key) -> str:
        return self._write(key, None)

    def _write(self, key: Key, value: str | None) -> str:
        name = _name(key)
        self.judge.taken_away(name, self._now)
        self.account.write(name, value, self._now)
        return "simulated"

    def _purge(self, due: Due) -> tuple[str, str]:
        self.judge.purged(_name(due.key))
        self.account.forget(_name(due.key))
        return Effects._purge(self, due)


def _name(key: Key) -> Name:
    return key.domain, key.selector
