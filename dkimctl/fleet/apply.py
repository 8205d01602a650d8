"""A change set put into effect on a relay: checked whole, written, rendered, reloaded, proven.

Killed at any step, the next run does the same again and finishes it: every step is the same when it is done twice, and
the relay's generation is noted only after the daemon has been told.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.dkim.keysource import record_on_disk
from dkimctl.files import Version
from dkimctl.fleet.changes import ChangeSet, OpenKey, check
from dkimctl.fleet.local import LocalCopy
from dkimctl.fleet.parts import put_keys
from dkimctl.fleet.rendered import Rendered, note_rendered, read_rendered
from dkimctl.install.attempt import Attempt, attempt, remove_copies, take_back
from dkimctl.install.eligible_keys import installed_keys
from dkimctl.install.lock import with_current_files
from dkimctl.keys.filtered import FilteredKeys
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyReader, awaits_proof
from dkimctl.lifecycle.generation import key_owner
from dkimctl.names import counted
from dkimctl.signers.base import Name, Names
from dkimctl.signers.desired import desired, desired_for
from dkimctl.signers.dryrun import sample
from dkimctl.signers.registry import signer_of
from dkimctl.signers.rendered import Rendering, SigningKey

MOST_PROVEN = 100
"""Of the keys that change, those proven by a message each; the others have been written by the same rendering."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What the signer of this relay does now."""

    signing: frozenset[Name]
    """Domain and selector of each key that its tables name."""
    proven: frozenset[Name] = frozenset()
    """The keys with which it signed a message that verifies."""
    failed: Mapping[Name, str] = field(default_factory=dict)
    """Why each of these keys does not sign: its domain signs as before."""
    daemon: str = ""
    """What was done about the daemon, in words."""
    is_told: bool = False
    """True when a daemon runs, and has read the tables."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A change set that is in effect."""

    generation: int
    keys: int
    """How many keys changed."""
    domains: frozenset[str]
    """Those of the keys."""
    removed: int
    """How many private keys were removed."""
    installation: Installation


def apply(
    settings: Settings,
    store: KeyReader,
    changes: ChangeSet,
    open_key: OpenKey,
    *,
    clock: Clock,
    report: Callable[[str], None] = lambda _: None,
) -> Applied:
    """Put a change set into effect. `report` is called with each step in words.

    Raises Refused before anything is written when a key cannot be opened, is not what its row says, or would replace
    another one; DiskError; and what `install_keys` raises.
    """
    before = read_rendered(settings) if changes.since else None
    copy = LocalCopy(settings.key_directory, key_owner(settings).owner)
    checked = check(changes, open_key, copy.conflict)
    report(f"generation {changes.generation}: {counted(checked.keys, 'key')}, all checked")
    written = put_keys(copy, changes.keys, open_key)
    report(f"keys of {counted(len(written.changed), 'domain')} written")
    installation = install_keys(settings, store, written.domains, written.changed, before, clock=clock)
    report(installation.daemon)
    removed = copy.remove_ended(written.ended)
    return Applied(changes.generation, checked.keys, written.domains, removed, installation)


def install_keys(
    settings: Settings,
    store: KeyReader,
    domains: frozenset[str],
    changed: frozenset[str],
    before: Rendered | None,
    *,
    clock: Clock,
) -> Installation:
    """Have the signer sign as the key directory says, proven by a message for each key that changes.

    `domains`: all those of which anything may have changed; `changed`: those of which a file did; `before`: the
    rendering that is installed and can be changed for these domains alone, None to render all. A domain whose proof
    fails goes back to what it signed with, the others go on. Raises what an installation raises; everything is then as
    it was before.
    """
    return with_current_files(settings, lambda: _install_keys(settings, store, domains, changed, before, clock))


def _install_keys(
    settings: Settings,
    store: KeyReader,
    domains: frozenset[str],
    changed: frozenset[str],
    before: Rendered | None,
    clock: Clock,
) -> Installation:
    failed: dict[Name, str] = {}
    while True:
        held_back = frozenset(domain for domain, _ in failed)
        part = _render_part(settings, store, domains, before, held_back) if before else None
        render = part or _render_all(settings, store, held_back)
        wanted = _to_prove(render.rendering.keys, render.installed, changed)
        made = attempt(render.rendering, settings, wanted, record_on_disk(store), clock=clock)
        if made.reload_failed:
            _take_back(made, settings)
            raise made.reload_failed
        new = {name: error for name, error in _failures(made).items() if name[0] not in held_back}
        if not new:
            _keep(made, settings, is_as_left=before is not None)
            _note(settings, render, made, held_back)
            return _result(render.rendering.keys, made, failed)
        _take_back(made, settings)
        failed.update(new)


def _keep(made: Attempt, settings: Settings, *, is_as_left: bool) -> None:
    """End an attempt that is to stay; keep a dated copy only of what nobody else has: there may be a pass a minute.

    Files as a pass has left them (`is_as_left`) are no such thing: a person's lines in them were copied when that pass
    first found them. Nor is a table with nothing but rows of this program, which come from the fleet's database.
    """
    if is_as_left:
        return remove_copies(made, settings)
    tables = signer_of(settings).tables(settings)
    return remove_copies(made, settings, of_these=tables.paths if tables else ())


def _take_back(made: Attempt, settings: Settings) -> None:
    """Have everything as it was before, and keep no copy of that: a domain may fail in every pass."""
    take_back(made, settings)
    remove_copies(made, settings)


class _Render(NamedTuple):
    """A rendering of all domains, or of some."""

    rendering: Rendering
    installed: Names
    """The keys that the installed tables name for these domains."""
    algorithms: frozenset[str]
    """Of the keys of all domains."""


def _render_all(settings: Settings, store: KeyReader, held_back: frozenset[str]) -> _Render:
    installed, algorithms = installed_keys(settings), set[str]()
    keys = signing_keys(store, installed, held_back, algorithms)
    return _Render(desired(settings, keys, or_none=True), installed, frozenset(algorithms))


def _render_part(
    settings: Settings, store: KeyReader, domains: frozenset[str], before: Rendered, held_back: frozenset[str]
) -> _Render | None:
    """Return the rendering with other rows for these domains; None where all domains have to be rendered.

    With keys of two algorithms one signs for all: which, no domain can say alone.
    """
    tables = signer_of(settings).tables(settings)
    if tables is None or len(before.algorithms) > 1:
        return None
    domains |= before.again
    installed, algorithms = tables.installed(domains), set[str]()
    keys = signing_keys(store, installed, held_back, algorithms)
    rendering = desired_for(domains, settings, keys, tables, before.files)
    return _Render(rendering, installed, before.algorithms) if algorithms <= before.algorithms else None


def _note(settings: Settings, render: _Render, made: Attempt, held_back: frozenset[str]) -> None:
    written: dict[str, Version | None] = {}
    for switched in made.switched:
        written |= switched.installed.versions
    again = held_back | frozenset(render.rendering.unread)
    note_rendered(settings, render.rendering, written, render.algorithms, again)


def signing_keys(store: KeyReader, before: Names, held_back: frozenset[str], algorithms: set[str]) -> FilteredKeys:
    """Return the keys that may sign on a relay: none that DNS was not seen to serve, unless it signs already.

    `before`: the keys of the installed tables; `held_back`: the domains that keep signing with those. The algorithm of
    every key that is seen is added to `algorithms`.
    """

    def select(key: Key) -> Key | None:
        algorithms.add(key.metadata.algorithm)
        name = (key.domain, key.selector)
        if key.domain in held_back:
            return key._replace(metadata=key.metadata._replace(phase=Phase.ACTIVE)) if name in before else None
        return None if awaits_proof(key) and name not in before else key

    return FilteredKeys(store, select)


def _to_prove(keys: tuple[SigningKey, ...], before: Names, changed: Iterable[str]) -> list[SigningKey]:
    """Return the keys to prove: those that did not sign before or whose domain changed, else a few of the others."""
    domains = frozenset(changed)
    new = (key for key in keys if key.domain in domains or (key.domain, key.selector) not in before)
    return list(islice(new, MOST_PROVEN)) or sample(keys, before)


def _failures(made: Attempt) -> dict[Name, str]:
    return {(failure.key.domain, failure.key.selector): failure.error.message for failure in made.failures}


def _result(keys: tuple[SigningKey, ...], made: Attempt, failed: Mapping[Name, str]) -> Installation:
    daemon = made.switched[-1].daemon
    return Installation(
        frozenset((key.domain, key.selector) for key in keys),
        frozenset((key.domain, key.selector) for key in made.proven),
        dict(failed),
        daemon.message if daemon else "no daemon belongs to a tree below --root",
        daemon is not None and daemon.done,
    )
