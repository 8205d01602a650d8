"""Bringing names to the wanted state: write, look, write what is still missing, look again."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dkimctl.clock import Clock
from dkimctl.errors import RUN_AGAIN, ApiError, DkimctlError, shell_word
from dkimctl.providers.base import Change, Create, Delete, Provider, ProviderRecord, Replace
from dkimctl.publish.likeness import Likeness, key_value, likeness
from dkimctl.publish.plan import NamePlan, Overrides, Wanted, delegation_hint, plan

_PAUSES = (1.0, 2.0, 4.0, 8.0, 8.0)  # seconds between looks for what was accepted but does not show yet


@dataclass(slots=True)
class Settling:
    """The names of one zone while they are being changed."""

    provider: Provider
    zone: str
    clock: Clock
    overrides: Overrides
    errors: dict[str, DkimctlError] = field(default_factory=dict)
    """Owner name → why it is not right."""
    half_done: set[str] = field(default_factory=set)
    """Names left in an intermediate state: neither right nor as they were."""
    _before: dict[str, tuple[ProviderRecord, ...]] = field(default_factory=dict)
    _created: set[str] = field(default_factory=set)
    _replaced: set[str] = field(default_factory=set)
    _second_type: set[str] = field(default_factory=set)
    """Names whose record the service did not take under its own type, and which may stand under the other."""
    _one_by_one: bool = False

    def settle(self, names: Sequence[NamePlan]) -> None:
        """Write and look until every name is right or has an error."""
        self._before = {name.wanted.name: name.existing for name in names}
        pending = list(names)
        for pause in _PAUSES:
            stopped = self._write(pending)
            try:
                pending = self._look(pending)
                if stopped:
                    raise stopped
            except DkimctlError as error:
                return self._give_up(pending, error, looked=error is stopped)
            if not pending:
                return None
            if not any(self._step(name) for name in pending):
                self.clock.sleep(pause)
        self._give_up(pending, ApiError("the change was accepted but does not show", hint=RUN_AGAIN), looked=True)

    def _write(self, pending: Sequence[NamePlan]) -> DkimctlError | None:
        """The next step at each name. Returns the error that makes going on pointless."""
        steps = {name.wanted.name: self._step(name) for name in pending}
        wanted = {name.wanted.name: name.wanted for name in pending}
        batches = [[name] for name in steps] if self._one_by_one or len(steps) == 1 else [list(steps)]
        for batch in batches:
            try:
                self.provider.apply(self.zone, [change for name in batch for change in steps[name]])
            except DkimctlError as error:
                if not (isinstance(error, ApiError) and error.status == 400):
                    return error
                if len(batch) == 1:
                    self._refused(wanted[batch[0]], steps[batch[0]], error)
                self._one_by_one = True  # one record was refused as such: find out which, and do the others
                continue
            self._created |= {name for name in batch if any(isinstance(c, Create) for c in steps[name])}
            self._replaced |= {name for name in batch if any(isinstance(c, Replace) for c in steps[name])}
        return None

    def _refused(self, wanted: Wanted, step: Sequence[Change], error: ApiError) -> None:
        """Handle a record that the service did not take as such.

        It may be taken under the second type: a key that is not RSA always, another one with `--accept-limits`.
        """
        name, capabilities = wanted.name, self.provider.capabilities
        is_new = any(isinstance(c, Create) and c.record.field_type == capabilities.field_type for c in step)
        is_rsa = wanted.record.get("k", "rsa") == "rsa"
        if not capabilities.fallback_type or (is_rsa and not is_new) or name in self._second_type:
            self.errors[name] = error
        elif not is_rsa or self.overrides.accept_limits:
            self._second_type.add(name)
        else:
            hint = f"{delegation_hint(wanted.domain)}; or, as {capabilities.fallback_type}, with --accept-limits"
            self.errors[name] = ApiError(error.message, hint=hint, status=error.status, call=error.call)

    def _step(self, name: NamePlan) -> list[Change]:
        """First what makes the record right; once that was read back, what removes the others.

        A record whose creation was accepted is not created again, even when it does not show yet.
        """
        making = [change for change in name.changes if not isinstance(change, Delete)]
        if not making:
            return list(name.changes)
        return [self._typed(c) for c in making if not (isinstance(c, Create) and name.wanted.name in self._created)]

    def _typed(self, change: Change) -> Change:
        """Return the change under the service's second type, at the names where the first was refused.

        No service changes the type of a record: in place of a replacement there is a new record, and the old one goes
        once that was read back.
        """
        if isinstance(change, Delete) or change.name not in self._second_type:
            return change
        record = change.after if isinstance(change, Replace) else change.record
        return Create(replace(record, field_type=self.provider.capabilities.fallback_type, id=""))

    def _look(self, pending: Sequence[NamePlan]) -> list[NamePlan]:
        """The names that still need something, as they are now. Raises DkimctlError when they cannot be read."""
        wanted = [name.wanted for name in pending]
        looked = plan(self.provider, self.zone, wanted, self.overrides)
        still = []
        for name in looked.names:
            spoilt = self._spoilt(name)
            if spoilt is not None:
                self._undo(name, spoilt)
            elif name.refusal or name.wanted.name in self.errors:
                self._fail(name, name.refusal)
            elif name.changes:
                still.append(name)
        return still

    def _spoilt(self, name: NamePlan) -> ProviderRecord | None:
        """A record that came of what was sent, and is not what was sent."""
        kinds = {record: likeness(record.text, name.wanted.record) for record in name.existing}
        if Likeness.SAME in kinds.values():
            return None
        wrong = [record for record, kind in kinds.items() if kind in (Likeness.CUT_SHORT, Likeness.FOREIGN)]
        return next((record for record in wrong if self._is_of_this_run(name.wanted.name, record)), None)

    def _is_of_this_run(self, name: str, record: ProviderRecord) -> bool:
        """False for what was there before, also when an edit of the whole zone has given it another id."""
        before = {old.id: old for old in self._before[name]}
        if record.id in before:
            return name in self._replaced or record.text != before[record.id].text
        return (record.field_type, record.text) not in {(old.field_type, old.text) for old in before.values()}

    def _undo(self, name: NamePlan, spoilt: ProviderRecord) -> None:
        """Put back what was there, except for a broken record that was to be mended, and say what came back."""
        before = [record for record in self._before[name.wanted.name] if not self._is_broken(record, name.wanted)]
        try:
            self.provider.apply(self.zone, undoing(before, name.existing))
            now = self.provider.find(self.zone, [name.wanted.name])[name.wanted.name]
            undone = _contents(now) == _contents(before)
        except DkimctlError:
            undone = False
        self.errors[name.wanted.name] = _spoilt_error(name.wanted, spoilt, undone=undone)
        if not undone:
            self.half_done.add(name.wanted.name)

    def _is_broken(self, record: ProviderRecord, wanted: Wanted) -> bool:
        own_type = record.field_type == self.provider.capabilities.field_type
        return own_type and likeness(record.text, wanted.record) is Likeness.CUT_SHORT

    def _give_up(self, pending: Sequence[NamePlan], error: DkimctlError, *, looked: bool) -> None:
        for name in pending:
            if looked:
                self._fail(name, error)
            else:
                self.errors.setdefault(name.wanted.name, error)
                self.half_done.add(name.wanted.name)

    def _fail(self, name: NamePlan, error: DkimctlError | None) -> None:
        """This name is not right; what is there now decides whether the zone may be served."""
        if error is not None:
            self.errors.setdefault(name.wanted.name, error)
        if _contents(name.existing) == _contents(self._before[name.wanted.name]):
            return
        if len(name.existing) > 1 and any(_is_same(record, name.wanted) for record in name.existing):
            self._old_stays(name)
        else:
            self.half_done.add(name.wanted.name)

    def _old_stays(self, name: NamePlan) -> None:
        """The new record is there and the old one cannot be removed: with two, no verifier accepts either.

        Where there were fewer records before, the new one is taken out again.
        """
        before, now = self._before[name.wanted.name], name.existing
        cause = self.errors[name.wanted.name]
        if len(before) < len(now):
            try:
                self.provider.apply(self.zone, undoing(before, now))
                now = tuple(self.provider.find(self.zone, [name.wanted.name])[name.wanted.name])
            except DkimctlError:
                pass  # what was read last is what is reported
            if _contents(now) == _contents(before):
                self.errors[name.wanted.name] = _taken_back(name.wanted, cause)
                return
        self.errors[name.wanted.name] = _several(name.wanted, now, cause)
        self.half_done.add(name.wanted.name)


def undoing(before: Sequence[ProviderRecord], now: Sequence[ProviderRecord]) -> list[Change]:
    """The changes that bring back what was there: first what is missing or different, then away with the rest."""
    there = {record.id: record for record in now}
    changes: list[Change] = []
    for record in before:
        if record.id not in there:
            changes.append(Create(record))
        elif there[record.id] != record:
            changes.append(Replace(there[record.id], record))
    known = {record.id for record in before}
    return changes + [Delete(record) for record in now if record.id not in known]


def _contents(records: Sequence[ProviderRecord]) -> list[tuple[str, str, int]]:
    return sorted((record.field_type, record.text, record.ttl) for record in records)


def _is_same(record: ProviderRecord, wanted: Wanted) -> bool:
    return likeness(record.text, wanted.record) is Likeness.SAME


def _taken_back(wanted: Wanted, cause: DkimctlError) -> ApiError:
    return ApiError(
        f"the old record at {wanted.name} was not removed, so the new one was taken out again: {cause.message}",
        hint="remove the old record where the zone is kept, then run the same command again",
    )


def _several(wanted: Wanted, now: Sequence[ProviderRecord], cause: DkimctlError) -> ApiError:
    there = "; ".join(f"{record.field_type} of {len(record.text)} characters" for record in now)
    right = next((record for record in now if _is_same(record, wanted)), now[0])
    return ApiError(
        f"{wanted.name} has {len(now)} records now ({there}), and with more than one no signature verifies: "
        f"the old one was not removed: {cause.message}",
        hint=f"remove all but the {right.field_type} record whose key ends in …{wanted.record.get('p')[-12:]}",
    )


def _spoilt_error(wanted: Wanted, spoilt: ProviderRecord, *, undone: bool) -> ApiError:
    sent, came = wanted.record.text, spoilt.text
    if likeness(came, wanted.record) is Likeness.CUT_SHORT:
        key, part = len(wanted.record.get("p")), len(key_value(came))
        message = f"the record came back truncated: {len(came)} of {len(sent)} characters, its key {part} of {key}"
        hint = "this service does not store long texts: let the name be a CNAME into a zone elsewhere"
    else:
        message = f"the record came back different: {len(came)} characters where {len(sent)} were sent"
        hint = f"compare with: dkimctl record {shell_word(wanted.domain)}"
    if undone:
        return ApiError(f"{message}; nothing of it was left in the zone", hint=hint)
    return ApiError(
        f"{message}; it could not be taken out again, and was not made effective",
        hint=f"put {wanted.name} right in the provider's panel before anybody refreshes the zone",
    )
