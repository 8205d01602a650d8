"""The keys of a signer that dkimctl reads by its effective configuration, such as rspamd: copied into the key store.

Nothing of the signer's own files changes: it keeps signing with its keys until `render-config --install`, to which
dkimctl.toml says how mail is signed today. A key is copied where the signer's user may read that very file anyway: who
can change the signer's configuration or directories thus gets no key that was not the signer's.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from dkimctl.adopt import kept_settings as kept
from dkimctl.adopt.candidates import Candidate, Left
from dkimctl.adopt.files import NOTE, config_file, key_directories
from dkimctl.adopt.key_files import Judged
from dkimctl.adopt.plan import Adoption, Reason, known_key, taken_key
from dkimctl.clock import timestamp
from dkimctl.config.settings import MILTER_ACTIONS, SIGNERS, Settings, Signing
from dkimctl.errors import DkimctlError, UsageError, shell_word
from dkimctl.files import read_with_status
from dkimctl.host.accounts import Account
from dkimctl.host.world import World
from dkimctl.keys.knownbad import weakness
from dkimctl.keys.metadata import Change, Metadata, Phase, Tags, to_json
from dkimctl.keys.pair import LEAST_BITS, parse_private_key
from dkimctl.keys.store import Key, KeyReader
from dkimctl.names import owner_name
from dkimctl.opendkim.tables import KeyEntry
from dkimctl.signers.base import ConfiguredKey, Signer
from dkimctl.signers.habits import Habits
from dkimctl.signers.registry import signer_of
from dkimctl.signers.rendered import Notice, RenderedFile, Rendering, SigningKey, fixed

_LATER = "once render-config --install has run, {0}"
_SEE = "see first what it writes: dkimctl render-config"


@dataclass(frozen=True, slots=True)
class _Held:
    """A key of the signer, as it is on the disk."""

    key: ConfiguredKey
    verdict: Judged
    content: bytes = field(default=b"", repr=False)
    made: str = ""


def plan_keys(world: World, store: KeyReader, now: datetime) -> Adoption:
    """Return the plan for the signer of the settings; nothing is written.

    Raises UsageError when it has no keys that can be taken over, or dkimctl could not keep to how it signs.
    """
    settings, signer = world.settings, signer_of(world.settings)
    habits = signer.habits(settings)
    keys = _own_keys(settings, signer, habits)
    several = {domain for domain, count in Counter(key.domain for key in keys).items() if count > 1}
    left = [Left(key.source, key.domain, "several keys sign the same mail") for key in keys if key.domain in several]
    fit: dict[Candidate, tuple[_Held, Key | None]] = {}
    for key in keys:
        if key.domain in several:
            continue
        held, candidate = _held(world, key), _candidate(settings, key, habits)
        known, why, hint = _fitness(store, candidate, held.verdict)
        if why:
            left.append(Left(key.source, key.domain, why, hint))
        else:
            fit[candidate] = held, known
    wanted = _kept(world, signer, habits)
    shares = Counter(held.key.path for held, _ in fit.values())
    taken = tuple(
        replace(taken_key(c, held.verdict, known, Counter()), shared_by=shares[held.key.path])
        for c, (held, known) in fit.items()
    )
    rendering = _rendering(world, signer, fit, wanted, habits, now)
    return Adoption(taken, tuple(left), tuple(_reasons(rendering)), (), (), rendering, _with(settings, wanted))


def _own_keys(settings: Settings, signer: Signer, habits: Habits) -> list[ConfiguredKey]:
    if habits.refusal:
        raise UsageError(f"nothing to take over: {habits.refusal}", hint=habits.hint or "see: dkimctl why SENDER")
    copies = tuple(f"{place}/" for place in signer.key_copies)
    keys = [key for key in signer.configured_keys(settings) if not key.path.startswith(copies)]
    if not keys:
        why = f"nothing to take over: {signer.name}'s own configuration names no key"
        raise UsageError(why, hint="begin with: dkimctl setup DOMAIN")
    return keys


def _fitness(store: KeyReader, candidate: Candidate, verdict: Judged) -> tuple[Key | None, str, str]:
    """Return the store's key for a candidate, and why it stays, with a hint; the reason is empty when it is taken."""
    known, why, hint = known_key(store, candidate)
    if verdict.why:
        return known, verdict.why, verdict.hint
    if verdict.weakness and not why:
        why = f"its key is known to be bad: {verdict.weakness}"
        return known, why, f"make another key: dkimctl setup {shell_word(candidate.domain)} -s SELECTOR"
    return known, why, hint


def _rendering(
    world: World,
    signer: Signer,
    fit: Mapping[Candidate, tuple[_Held, Key | None]],
    wanted: tuple[kept.KeptSetting, ...],
    habits: Habits,
    now: datetime,
) -> Rendering:
    owner = SIGNERS[signer.name].owner
    keys = tuple(
        SigningKey(c.domain, c.entry.selector, c.entry.path, c.subdomains, held.verdict.algorithm)
        for c, (held, _) in fit.items()
    )
    new = {c: held for c, (held, known) in fit.items() if known is None or known.phase is not Phase.ACTIVE}
    files = [*config_file(world.settings, wanted)] if new else []
    files += [file for c, held in new.items() for file in _stored(c, held, owner, now)]
    notices = [*kept.missing_settings(world.settings, wanted)] if new else []
    notices += [Notice(_LATER.format(change), _SEE) for change in habits.changes if new]
    directories = key_directories(world, [c.domain for c in new], owner)
    return Rendering(signer.name, keys, tuple(files), directories, MappingProxyType({}), tuple(notices))


def _stored(candidate: Candidate, held: _Held, owner: str, now: datetime) -> Iterator[RenderedFile]:
    """Yield the copy of a key and its metadata."""
    path, change = candidate.entry.path, Change(Phase.ACTIVE, timestamp(now), NOTE)
    metadata = Metadata(held.verdict.algorithm, held.verdict.bits, held.made, Tags(), Phase.ACTIVE, None, (change,))
    yield RenderedFile(path, fixed(held.content), mode=0o600, owner=owner)
    place = f"{path.removesuffix('.private')}.json"
    yield RenderedFile(place, fixed(to_json(metadata)), mode=0o600, owner=owner, is_shown=True)


def _reasons(rendering: Rendering) -> Iterator[Reason]:
    new = sum(file.path.endswith(".json") for file in rendering.files)
    if new:
        what = f"a copy of {new} key{'s' if new > 1 else ''}, with metadata"
        yield Reason(what, "active, because it signs today; the originals stay where they are")
        yield Reason(f"{rendering.signer}'s configuration", "it stays as it is until render-config --install")


def _kept(world: World, signer: Signer, habits: Habits) -> tuple[kept.KeptSetting, ...]:
    """Return what dkimctl.toml must say so that signing stays as it is."""
    default, usual = Signing(), SIGNERS[signer.name].socket
    action = next((p.values.get("milter_default_action", "") for p in world.postfix), "")
    found: list[tuple[str, kept.Value, object]] = [
        ("signer", signer.name, default.signer),
        ("socket", habits.socket or usual, usual),
        ("subdomains", habits.subdomains, default.subdomains),
        ("trusted_hosts", habits.trusted_hosts, default.trusted_hosts),
    ]
    if action in MILTER_ACTIONS:
        found.append(("milter_default_action", action, default.milter_default_action))
    return tuple(kept.KeptSetting("signing", name, value) for name, value, than in found if value != than)


def _with(settings: Settings, wanted: tuple[kept.KeptSetting, ...]) -> Settings:
    values: dict[str, Any] = {setting.key: setting.value for setting in wanted}
    return replace(settings, signing=settings.signing._replace(**values))


def _candidate(settings: Settings, key: ConfiguredKey, habits: Habits) -> Candidate:
    """Return the domain with its key as it will be in the key store."""
    path = f"{settings.paths.keys}/{key.domain}/{key.selector}.private"
    return Candidate(
        key.domain,
        KeyEntry(owner_name(key.selector, key.domain), key.domain, key.selector, path),
        habits.subdomains,
        (),
    )


def _held(world: World, key: ConfiguredKey) -> _Held:
    try:
        found = read_with_status(world.at(key.path))
        if found is None:
            return _Held(key, Judged(why=f"there is no file {key.path}", hint="restore it from a backup"))
        content, status = found
        pair = parse_private_key(content, key.path)
    except DkimctlError as error:
        return _Held(key, Judged(why=error.message, hint=error.hint))
    if not _may_read(world.accounts.account(key.user), status):
        why = f"{key.user} may not read {key.path}, so it does not sign today"
        return _Held(key, Judged(why=why, hint=f"see whose file it is: ls -l {shell_word(key.path)}"))
    if pair.algorithm.value == "rsa" and pair.bits < LEAST_BITS:
        return _Held(key, Judged(why=f"{key.path} has {pair.bits} bits", hint="make a new key: dkimctl genkey"))
    verdict = Judged(pair.algorithm.value, pair.bits, weakness=weakness(pair.public))
    return _Held(key, verdict, content, timestamp(datetime.fromtimestamp(status.st_mtime, UTC)))


def _may_read(account: Account | None, status: os.stat_result) -> bool:
    """Return whether the modes let the signer's user read this very file."""
    if account is None:
        return False
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IRUSR)
    if status.st_gid in account.groups:
        return bool(status.st_mode & stat.S_IRGRP)
    return bool(status.st_mode & stat.S_IROTH)
