"""Write the planned changes of one zone: write, read back, write what is still missing, read back again."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dkimctl.clock import Clock
from dkimctl.errors import RUN_AGAIN, ApiError, DkimctlError, shell_word
from dkimctl.providers.base import Change, Create, Delete, Provider, ProviderRecord, Replace
from dkimctl.publish.plan import NamePlan, Overrides, Wanted, delegation_hint, plan
from dkimctl.publish.record_match import RecordMatch, key_value, match_record

_PAUSES = (1.0, 2.0, 4.0, 8.0, 8.0)  # seconds between reads while an accepted change does not show yet


@dataclass(slots=True)
class ZoneWriter:
    """Writes the names of one zone and checks each by reading it back."""

    provider: Provider
    zone: str
    clock: Clock
    overrides: Overrides
    errors: dict[str, DkimctlError] = field(default_factory=dict)
    """Owner name → why its record is not the wanted one."""
    half_done: set[str] = field(default_factory=set)
    """Names in an intermediate state: neither right nor unchanged."""
    _before: dict[str, tuple[ProviderRecord, ...]] = field(default_factory=dict)
    _created: set[str] = field(default_factory=set)
    _replaced: set[str] = field(default_factory=set)
    _second_type: set[str] = field(default_factory=set)
    """Names whose record the service refused under its own record type and which may get the second type."""
    _one_by_one: bool = False

    def write(self, names: Sequence[NamePlan]) -> None:
        """Write and read back until every name is right or has an error."""
        self._before = {name.wanted.name: name.existing for name in names}
        pending = list(names)
        for pause in _PAUSES:
            stopped = self._write_step(pending)
            try:
                pending = self._read_back(pending)
                if stopped:
                    raise stopped
            except DkimctlError as error:
                return self._fail_all(pending, error, was_read=error is stopped)
            if not pending:
                return None
            if not any(self._step(name) for name in pending):
                self.clock.sleep(pause)
        self._fail_all(pending, ApiError("the change was accepted but does not show", hint=RUN_AGAIN), was_read=True)

    def _write_step(self, pending: Sequence[NamePlan]) -> DkimctlError | None:
        """Write the next changes of each name. Return an error that ends the zone; None otherwise."""
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
                self._one_by_one = True  # one record was refused as invalid: find out which, and write the others
                continue
            self._created |= {name for name in batch if any(isinstance(c, Create) for c in steps[name])}
            self._replaced |= {name for name in batch if any(isinstance(c, Replace) for c in steps[name])}
        return None

    def _refused(self, wanted: Wanted, step: Sequence[Change], error: ApiError) -> None:
        """Handle a record that the service refused as invalid.

        It may be tried under the second record type: always for a key that is not RSA, else with `--accept-limits`.
        """
        name, capabilities = wanted.name, self.provider.capabilities
        is_new = any(isinstance(c, Create) and c.record.field_type == capabilities.field_type for c in step)
        is_rsa = wanted.record.get("k", "rsa") == "rsa"
        if not capabilities.fallback_type or (is_rsa and not is_new) or name in self._second_type:
            self.errors[name] = error
        elif not is_rsa or self.overrides.accept_limits:
            self._second_type.add(name)
        else:
            hint = (
                f"{delegation_hint(wanted.domain)}; or publish it as {capabilities.fallback_type} with --accept-limits"
            )
            self.errors[name] = ApiError(error.message, hint=hint, status=error.status, call=error.call)

    def _step(self, name: NamePlan) -> list[Change]:
        """Return the changes that make the record right; once that was read back, those that remove the others.

        A record whose creation was accepted is not created again, even when it does not show yet.
        """
        making = [change for change in name.changes if not isinstance(change, Delete)]
        if not making:
            return list(name.changes)
        return [self._typed(c) for c in making if not (isinstance(c, Create) and name.wanted.name in self._created)]

    def _typed(self, change: Change) -> Change:
        """Return the change under the service's second type, at the names where the first was refused.

        No service changes the type of a record: a replacement becomes a new record, and the old one is removed once
        the new one was read back.
        """
        if isinstance(change, Delete) or change.name not in self._second_type:
            return change
        record = change.after if isinstance(change, Replace) else change.record
        return Create(replace(record, field_type=self.provider.capabilities.fallback_type, id=""))

    def _read_back(self, pending: Sequence[NamePlan]) -> list[NamePlan]:
        """Return new plans for the names that still need changes. Raises DkimctlError when they cannot be read."""
        wanted = [name.wanted for name in pending]
        planned = plan(self.provider, self.zone, wanted, self.overrides)
        still = []
        for name in planned.names:
            altered = self._altered(name)
            if altered is not None:
                self._undo(name, altered)
            elif name.refusal or name.wanted.name in self.errors:
                self._fail(name, name.refusal)
            elif name.changes:
                still.append(name)
        return still

    def _altered(self, name: NamePlan) -> ProviderRecord | None:
        """Return a record that this run wrote and that the service stored differently; None when there is none."""
        kinds = {record: match_record(record.text, name.wanted.record) for record in name.existing}
        if RecordMatch.SAME in kinds.values():
            return None
        wrong = [record for record, kind in kinds.items() if kind in (RecordMatch.TRUNCATED, RecordMatch.FOREIGN)]
        return next((record for record in wrong if self._is_of_this_run(name.wanted.name, record)), None)

    def _is_of_this_run(self, name: str, record: ProviderRecord) -> bool:
        """Return whether this run made a record; an old one may have another id since the whole zone was edited."""
        before = {old.id: old for old in self._before[name]}
        if record.id in before:
            return name in self._replaced or record.text != before[record.id].text
        return (record.field_type, record.text) not in {(old.field_type, old.text) for old in before.values()}

    def _undo(self, name: NamePlan, altered: ProviderRecord) -> None:
        """Restore the earlier records, except a truncated one that was to be corrected, and set the error."""
        before = [record for record in self._before[name.wanted.name] if not self._is_truncated(record, name.wanted)]
        try:
            self.provider.apply(self.zone, undoing(before, name.existing))
            now = self.provider.find(self.zone, [name.wanted.name])[name.wanted.name]
            undone = _contents(now) == _contents(before)
        except DkimctlError:
            undone = False
        self.errors[name.wanted.name] = _altered_error(name.wanted, altered, undone=undone)
        if not undone:
            self.half_done.add(name.wanted.name)

    def _is_truncated(self, record: ProviderRecord, wanted: Wanted) -> bool:
        own_type = record.field_type == self.provider.capabilities.field_type
        return own_type and match_record(record.text, wanted.record) is RecordMatch.TRUNCATED

    def _fail_all(self, pending: Sequence[NamePlan], error: DkimctlError, *, was_read: bool) -> None:
        for name in pending:
            if was_read:
                self._fail(name, error)
            else:
                self.errors.setdefault(name.wanted.name, error)
                self.half_done.add(name.wanted.name)

    def _fail(self, name: NamePlan, error: DkimctlError | None) -> None:
        """Set a name's error, and mark it half done unless its records are as they were before."""
        if error is not None:
            self.errors.setdefault(name.wanted.name, error)
        if _contents(name.existing) == _contents(self._before[name.wanted.name]):
            return
        if len(name.existing) > 1 and any(_is_same(record, name.wanted) for record in name.existing):
            self._remove_new(name)
        else:
            self.half_done.add(name.wanted.name)

    def _remove_new(self, name: NamePlan) -> None:
        """Handle an old record that cannot be removed when the new one is there: with two, no verifier accepts either.

        Where there were fewer records before, the new one is removed again.
        """
        before, now = self._before[name.wanted.name], name.existing
        cause = self.errors[name.wanted.name]
        if len(before) < len(now):
            try:
                self.provider.apply(self.zone, undoing(before, now))
                now = tuple(self.provider.find(self.zone, [name.wanted.name])[name.wanted.name])
            except DkimctlError:
                pass  # the records that were read last are reported
            if _contents(now) == _contents(before):
                self.errors[name.wanted.name] = _removed_again_error(name.wanted, cause)
                return
        self.errors[name.wanted.name] = _several_records_error(name.wanted, now, cause)
        self.half_done.add(name.wanted.name)


def undoing(before: Sequence[ProviderRecord], now: Sequence[ProviderRecord]) -> list[Change]:
    """Return the changes that restore the records `before`: first those missing or different, then the deletions."""
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
    return match_record(record.text, wanted.record) is RecordMatch.SAME


def _removed_again_error(wanted: Wanted, cause: DkimctlError) -> ApiError:
    return ApiError(
        f"the old record at {wanted.name} was not removed, so the new one was removed again: {cause.message}",
        hint="remove the old record at the zone's provider, then run the same command again",
    )


def _several_records_error(wanted: Wanted, now: Sequence[ProviderRecord], cause: DkimctlError) -> ApiError:
    there = "; ".join(f"{record.field_type} of {len(record.text)} characters" for record in now)
    right = next((record for record in now if _is_same(record, wanted)), now[0])
    return ApiError(
        f"{wanted.name} now has {len(now)} records ({there}), and with more than one no signature verifies: "
        f"the old one was not removed: {cause.message}",
        hint=f"remove all but the {right.field_type} record whose key ends in …{wanted.record.get('p')[-12:]}",
    )


def _altered_error(wanted: Wanted, altered: ProviderRecord, *, undone: bool) -> ApiError:
    sent, stored = wanted.record.text, altered.text
    if match_record(stored, wanted.record) is RecordMatch.TRUNCATED:
        key, part = len(wanted.record.get("p")), len(key_value(stored))
        message = f"the record came back truncated: {len(stored)} of {len(sent)} characters, its key {part} of {key}"
        hint = "this service does not store long texts: make the name a CNAME into a zone at another provider"
    else:
        message = f"the record came back different: {len(stored)} characters instead of the {len(sent)} sent"
        hint = f"compare with: dkimctl record {shell_word(wanted.domain)}"
    if undone:
        return ApiError(f"{message}; it was removed from the zone again", hint=hint)
    return ApiError(
        f"{message}; it could not be removed again, and the zone was not refreshed",
        hint=f"correct {wanted.name} in the provider's control panel before the zone is refreshed",
    )
