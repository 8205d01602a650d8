"""Simulated years of one domain, at random: `lifecycle.plan` decides, in seconds, and the history of the world judges.

Runs come early, late or not at all, stop between an effect and its note, servers lag, connections stay open for days.
Each year then goes on in peace until two rotations are completed. `DKIMCTL_TEST_FULL=1` draws fresh seeds.
"""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from dkimctl.lifecycle.facts import Facts, KeyFacts, KeyOnRelay, RecordFacts
from dkimctl.lifecycle.plan import Action, Do, plan
from dkimctl.lifecycle.policy import DAY, HOUR, Policy
from tests.conftest import FULL

POLICY = Policy(rotate_after=40 * DAY, checks_after_switch=(HOUR,), check_every=5 * DAY)
NEGATIVE, TTL, DELIVERY = 2 * HOUR, HOUR, 14 * DAY
NOTHING, KEY, EMPTY = 0, 1, 2


@dataclass
class WorldKey:
    """A key in the world, and what dkimctl noted of it."""

    facts: KeyFacts
    servers: list[int] = field(default_factory=lambda: [NOTHING, NOTHING])
    account: int = NOTHING
    absent: int = 0
    """When a server last said that the name does not exist."""
    signed: int | None = None
    """When a message was last signed with it."""
    is_held: bool = True


class Years(RuleBasedStateMachine):
    """One relay, two servers; the keys that are gone from everywhere are forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.start = 1_800_000_000
        before = self.now - 3 * DAY
        record = RecordFacts(before, before, before, self.now, ttl=TTL, negative_ttl=NEGATIVE)
        first = KeyFacts("0", "dk0", "rsa", before, record=record)
        first = first._replace(relays={"mx": KeyOnRelay(since=before, proven=self.now)})
        self.keys = [WorldKey(first, [KEY, KEY], KEY, before, self.now)]
        self.files = self.daemon = self.keys[0]
        self.pinned: WorldKey | None = None
        self.made = 0
        self.last_run = self.now
        self.returned: int | None = None
        self.completed = 0

    # --- what happens

    @rule(hours=st.sampled_from([1, 3, 24, 24 * 7, 24 * 45]))
    def time_passes(self, hours: int) -> None:
        """Mail is signed all the time; nothing else happens."""
        self.passes(hours * HOUR)

    @rule(actions=st.integers(0, 5), stop=st.booleans())
    def a_run(self, actions: int, stop: bool) -> None:
        """dkimctl runs; after so many actions it is killed, perhaps between an effect and its note."""
        self.run(actions, stop)

    @rule(server=st.sampled_from([0, 1]))
    def a_server_catches_up(self, server: int) -> None:
        """One server takes over what the provider has."""
        for key in self.keys:
            key.servers[server] = key.account

    @rule()
    def all_goes_well_for_a_while(self) -> None:
        """Ten runs, each when it is due."""
        for _ in range(10):
            self.good_run()

    @rule()
    def the_connection_closes(self) -> None:
        """The connection that was open at the last reload closes."""
        self.pinned = None

    @invariant()
    def mail_can_be_verified(self) -> None:
        """Every message signed, now or within its delivery window, has its record at every server, and in caches."""
        for key in (self.daemon, self.pinned):
            if key is not None:
                assert key.is_held, "signs with a key that is not there"
                assert key.servers == [KEY, KEY], "signs with a key that is not served"
                assert self.now - key.absent >= NEGATIVE, "signs with a key that a cache believes missing"
        for key in self.keys:
            if key.signed is not None and self.now - key.signed < DELIVERY:
                assert key.servers == [KEY, KEY], "mail under way cannot be verified"

    def teardown(self) -> None:
        """In peace, two more rotations are completed, and no more than the keys in use and in retirement are left."""
        target = self.completed + 2
        for _ in range(400):
            if self.completed >= target and not self.returned:  # removals wait for a day after a long gap
                break
            self.good_run()
        assert self.completed >= target, "no rotation is completed"
        assert len(self.keys) <= 6, "old keys stay for ever"

    # --- the world

    def passes(self, seconds: int) -> None:
        for key in self.keys:
            if NOTHING in key.servers:
                key.absent = self.now
        self.now += seconds
        for key in self.keys:
            if NOTHING in key.servers:
                key.absent = self.now
            if key is self.daemon or key is self.pinned:
                key.signed = self.now
        self.mail_can_be_verified()

    def good_run(self) -> None:
        self.pinned = None
        for key in self.keys:
            key.servers = [key.account, key.account]
        due = self.run(30, False)
        self.passes(max(60, min((due or self.now + DAY) - self.now, 10 * DAY)))

    def run(self, most: int, stop: bool) -> int | None:
        self.look_at_the_clock()
        for left in range(most, 0, -1):
            self.gather()
            made = plan(POLICY, self.facts(), self.now)
            before = [key.facts for key in self.keys]
            for action in made.actions:
                self.act(action, is_noted=not (stop and left == 1))
                if [key.facts for key in self.keys] != before:
                    break
            else:
                return made.due
        return None

    def look_at_the_clock(self) -> None:
        """What a run notes of itself: that it came after a long gap, for as long as that counts."""
        if self.now - self.last_run > POLICY.keep_after:
            self.returned = self.now
        elif self.returned is not None and self.now - self.returned > POLICY.care:
            self.returned = None
        self.last_run = self.now

    def facts(self) -> Facts:
        return Facts("example.com", tuple(self.seen(key) for key in self.keys), returned=self.returned)

    def seen(self, key: WorldKey) -> KeyFacts:
        relay = key.facts.relays["mx"]._replace(is_held=key.is_held, is_used=key is self.files)
        return key.facts._replace(relays={"mx": relay})

    def gather(self) -> None:
        if self.files.facts.relays["mx"].since is None:
            return
        for key in self.keys:
            relay = key.facts.relays["mx"]
            if key is not self.files and relay.has_signed and relay.left is None:
                may_still = self.pinned is not None and (not relay.pinned or self.pinned is key)
                self.note(key, KeyOnRelay(pinned=("open",)) if may_still else KeyOnRelay(left=self.now))

    def note(self, key: WorldKey, relay: KeyOnRelay) -> None:
        key.facts = key.facts._replace(relays={"mx": relay})

    def noted(self, key: WorldKey, is_noted: bool, **changes: int | None) -> None:
        if is_noted:
            key.facts = key.facts._replace(record=key.facts.record._replace(**changes))  # type: ignore[arg-type]

    # --- dkimctl

    def act(self, action: Action, *, is_noted: bool) -> None:
        used = self.files.facts
        if self.returned is not None and action.do not in (Do.LOOK, Do.PROVE) and action.key != used.id:
            waited, is_removal = self.now - self.returned, action.do in (Do.REVOKE, Do.REMOVE, Do.PURGE)
            is_late = waited >= (POLICY.care if is_removal else NEGATIVE if action.do is Do.SWITCH else HOUR)
            is_broken = used.record.missing is not None and not is_removal
            assert is_late or is_broken, "not only looked and proven after a long gap"
        if action.do is Do.MAKE:
            self.made += 1
            new = KeyFacts(str(self.made), f"dk{self.made}", "rsa", self.now, relays={"mx": KeyOnRelay()})
            self.keys.append(WorldKey(new, absent=self.now))
            return
        key = next(key for key in self.keys if key.facts.id == action.key)
        match action.do:
            case Do.PUBLISH if key.account != EMPTY:
                key.account = KEY
                self.noted(key, is_noted, written=self.now)
            case Do.LOOK:
                self.look(key)
            case Do.SWITCH:
                self.switch(key, is_noted)
            case Do.PROVE:
                self.reload()
                since = key.facts.relays["mx"].since
                self.note(key, KeyOnRelay(since=self.now if since is None else since, proven=self.now))
            case Do.REVOKE:
                key.account = EMPTY
                if is_noted:
                    key.facts = key.facts._replace(record=RecordFacts(revoked=self.now, ttl=TTL))
            case Do.REMOVE:
                key.account = NOTHING
                self.noted(key, is_noted, removed=self.now, absent=None)
            case Do.PURGE:
                key.is_held = False
                if is_noted:
                    key.facts = key.facts._replace(is_purged=True)
                    self.keys.remove(key)
                    assert key.servers == [NOTHING, NOTHING], "a record of a purged key is left"

    def look(self, key: WorldKey) -> None:
        record = key.facts.record
        if key.servers == [KEY, KEY]:
            seen = self.now if record.seen is None else record.seen
            twice = record.confirmed is None and self.now - seen >= POLICY.proof_interval
            confirmed = self.now if twice else record.confirmed
            record = record._replace(seen=seen, confirmed=confirmed, last_seen=self.now, missing=None)
            key.facts = key.facts._replace(record=record._replace(negative_ttl=NEGATIVE, ttl=TTL))
            return
        record = record._replace(missing=record.missing or self.now, seen=None, confirmed=None)
        if KEY not in key.servers and record.gone is None and (record.revoked or key.servers == [EMPTY, EMPTY]):
            record = record._replace(gone=self.now)
        if record.gone is not None and record.absent is None and key.servers == [NOTHING, NOTHING]:
            record = record._replace(absent=self.now)
        key.facts = key.facts._replace(record=record)

    def switch(self, key: WorldKey, is_noted: bool) -> None:
        self.note(key, KeyOnRelay(tried=self.now))
        self.files = key
        if is_noted:
            self.reload()
            self.note(key, KeyOnRelay(since=self.now, proven=self.now))
            self.completed += 1

    def reload(self) -> None:
        if self.daemon is not self.files:
            self.pinned, self.daemon = self.daemon, self.files


def test_no_year_at_random_leaves_mail_without_a_record() -> None:
    """In a thousand simulated years every message can be verified, and two rotations are completed after each."""
    run_state_machine_as_test(
        Years,
        settings=settings(
            max_examples=5_000 if FULL else 1_000,
            stateful_step_count=15,
            derandomize=not FULL,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
