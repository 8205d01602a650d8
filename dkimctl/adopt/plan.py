"""The plan of `adopt` as one value: the keys it takes over, what stays, and every file it writes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from dkimctl.adopt import kept_settings as kept
from dkimctl.adopt.candidates import Candidate, Left, survey
from dkimctl.adopt.files import Fit, rendering_of
from dkimctl.adopt.installed import Installed, read_installed
from dkimctl.adopt.key_files import Judged, judge_keys
from dkimctl.adopt.new_tables import arrange
from dkimctl.adopt.refusals import nothing_to_adopt, refuse_command_line
from dkimctl.config.settings import Settings
from dkimctl.doctor.keys import check_keys
from dkimctl.errors import DiskError, DkimctlError, shell_word
from dkimctl.findings import Finding, exit_code
from dkimctl.host.accounts import may_become
from dkimctl.host.datasets import DataSetState
from dkimctl.host.world import Unread, World
from dkimctl.keys.metadata import RETIRED, Phase
from dkimctl.keys.store import Key, KeyReader
from dkimctl.signers.rendered import Rendering


@dataclass(frozen=True, slots=True)
class Taken:
    """A key that is taken over where it lies."""

    domain: str
    selector: str
    path: str
    algorithm: str
    bits: int
    subdomains: bool
    shared_by: int
    """How many domains sign with this file."""
    is_new: bool
    """False when the key was managed already, and only its table lines were a person's."""


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason for a file that is written."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """The plan of an adoption."""

    taken: tuple[Taken, ...]
    left: tuple[Left, ...]
    reasons: tuple[Reason, ...]
    findings: tuple[Finding, ...]
    """The findings of `doctor` about the keys in use."""
    unread: tuple[Unread, ...]
    rendering: Rendering = field(repr=False)
    settings: Settings = field(repr=False)
    """With the daemon's user and configuration file as they are here."""

    @property
    def exit_code(self) -> int:
        """0, 1 when a key in use is at fault, 3 when something could not be read."""
        return 3 if self.unread else exit_code(self.findings)


def plan_adoption(world: World, store: KeyReader, now: datetime) -> Adoption:
    """Return the plan; nothing is written.

    Raises UsageError when nothing is signed here, or with tables in a database, DiskError when they cannot be read.
    """
    for unread in world.unread:
        if unread.what == world.settings.paths.opendkim_conf:
            raise DiskError(unread.why, hint=unread.hint)
    refuse_command_line(world)
    installed = read_installed(world)
    if world.internal_hosts.state is DataSetState.UNREADABLE:
        raise DiskError(world.internal_hosts.why, hint="run it as root: sudo dkimctl adopt")
    if installed is None:
        raise nothing_to_adopt(world)
    candidates, left = survey(installed)
    judged = judge_keys(world, sorted({c.entry.path for c in candidates}))
    fit, unfit = _sorted_out(store, installed, candidates, judged)
    if installed.whole and (left or unfit):
        why = "without tables, dkimctl takes over all domains or none"
        unfit += [Left(installed.signing.at(c.rows[0]), c.domain, why) for c, _ in fit]
        fit = []
    arranged = arrange(installed, [candidate for candidate, _ in fit])
    shares = Counter(candidate.entry.path for candidate, _ in fit)
    wanted = kept.kept_settings(world, [candidate for candidate, _ in fit], patterns=installed.signing.patterns)
    taken = tuple(taken_key(candidate, judged[candidate.entry.path], known, shares) for candidate, known in fit)
    rendering = rendering_of(world, installed, arranged, fit, judged, wanted, now)
    return Adoption(
        taken,
        (*left, *unfit),
        tuple(_reasons(rendering, taken)),
        tuple(_findings(world)),
        (*world.unread, *_unread(judged)),
        rendering,
        kept.with_kept_settings(world, wanted),
    )


def _sorted_out(
    store: KeyReader, installed: Installed, candidates: list[Candidate], judged: dict[str, Judged]
) -> tuple[list[Fit], list[Left]]:
    """Return each candidate that can be taken, with the store's key for it, and those that cannot."""
    fit: list[Fit] = []
    unfit: list[Left] = []
    for candidate in candidates:
        verdict = judged[candidate.entry.path]
        place = installed.signing.at(candidate.rows[0])
        known, why, hint = known_key(store, candidate)
        why, hint = (verdict.why, verdict.hint) if verdict.why else (why, hint)
        if verdict.weakness and not (known and known.phase is Phase.ACTIVE):
            why = why or f"{candidate.entry.path} is known to be bad: {verdict.weakness}"
            hint = hint or f"make another key: dkimctl setup {shell_word(candidate.domain)} -s SELECTOR"
        if why:
            unfit.append(Left(place, candidate.domain, why, hint))
        else:
            fit.append((candidate, known))
    return fit, unfit


def known_key(store: KeyReader, candidate: Candidate) -> tuple[Key | None, str, str]:
    """The store's key with this selector and file; or why its own view forbids to take the key over, and a hint."""
    try:
        keys = store.keys(candidate.domain)
    except DkimctlError as error:
        return None, error.message, error.hint
    same = next((k for k in keys if (k.selector, k.path) == (candidate.entry.selector, candidate.entry.path)), None)
    other = next((k for k in keys if k.phase is Phase.ACTIVE and k != same), None)
    if other is not None:
        return None, f"dkimctl has another key of this domain as active: {other.selector}", "see: dkimctl why"
    named_so = next((k for k in keys if k.selector == candidate.entry.selector and k != same), None)
    if named_so is not None and named_so.path != candidate.entry.path:
        return None, f"dkimctl has another key with this selector: {named_so.path}", "move one of them away"
    if same is not None and same.phase in RETIRED:
        return None, f"dkimctl has this key as {same.phase}, and yet it signs", "see: dkimctl why"
    return same, "", ""


def taken_key(candidate: Candidate, judged: Judged, known: Key | None, shares: Counter[str]) -> Taken:
    """Return what is said about a key that is taken over. `shares`: how many domains sign with each file."""
    entry = candidate.entry
    is_new = known is None or known.phase is not Phase.ACTIVE
    return Taken(
        candidate.domain,
        entry.selector,
        entry.path,
        judged.algorithm,
        judged.bits,
        candidate.subdomains,
        shares[entry.path],
        is_new,
    )


def _reasons(rendering: Rendering, taken: tuple[Taken, ...]) -> Iterator[Reason]:
    names = {PurePosixPath(file.path).name for file in rendering.files}
    new = sum(key.is_new for key in taken)
    if PurePosixPath(kept.CONFIG_FILE).name in names:
        yield Reason(kept.CONFIG_FILE, "settings of this host that differ from dkimctl's defaults, kept as they are")
    if new:
        yield Reason(f"metadata of {new} key{'s' if new > 1 else ''}", "active, because it signs today")
    if taken:
        yield Reason("KeyTable, SigningTable", "these rows change when a key is rotated; all others stay a person's")
    if "dkimctl.conf" in names:
        yield Reason("opendkim.conf", "the tables move to where dkimctl keeps them; the last setting wins")


def _findings(world: World) -> Iterator[Finding]:
    """Yield the findings of `doctor` about keys; below --root only those that the caller can check."""
    if world.account is not None and (world.is_live or may_become(world.account)):
        yield from (diagnosis.finding for diagnosis in check_keys(world))


def _unread(judged: dict[str, Judged]) -> Iterator[Unread]:
    for path, verdict in judged.items():
        if verdict.is_unknown:
            yield Unread(path, verdict.why, verdict.hint)
