"""What opendkim does with mail from one sender, and why: its own decisions, made here one after the other."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from dkimctl.errors import DkimctlError, Unavailable, UsageError
from dkimctl.files import read_file
from dkimctl.host.accounts import may_become
from dkimctl.host.answer import Answer, Mail, Outcome, Signing, Step
from dkimctl.host.datasets import DataSet, State, read_data_set
from dkimctl.host.doctor.conf import check_conf
from dkimctl.host.doctor.joins import aligned
from dkimctl.host.impersonate import NOT_REGULAR, as_user, open_results
from dkimctl.host.installation import where
from dkimctl.host.internal import HostList
from dkimctl.host.keyfiles import Fault, read_key
from dkimctl.host.keysafety import Walk
from dkimctl.host.lookup import Wanted, find_key, nearest_miss, resolved, wanted_keys
from dkimctl.host.world import World
from dkimctl.keys.pair import LEAST_BITS, Algorithm
from dkimctl.opendkim.tables import KeyEntry, Row, key_entry


class _Decided(Exception):
    """The daemon looks no further."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


def decide(world: World, mail: Mail) -> Answer:
    """What opendkim does with this mail.

    Raises UsageError when the sender is no address, Unavailable where another daemon signs.
    """
    if not world.is_opendkim:
        signer = world.settings.signing.signer
        raise Unavailable(f"why reads opendkim's files, and here {signer} signs", hint="ask it: dkimctl selftest")
    user, at, domain = mail.sender.rpartition("@")
    if not (user and at and domain):
        raise UsageError(f"not an address: {mail.sender}", hint="an address looks like contact@example.com")
    steps: list[Step] = []
    signatures: list[Signing] = []
    try:
        _starts(world)
        _peer(world, mail)
        _exempt(world, domain)
        _origin(world, mail, steps)
        signatures += _signatures(world, f"{user}@{domain.lower()}", steps)
    except _Decided as end:
        return Answer(mail, end.outcome, end.reason, tuple(steps))
    return Answer(mail, Outcome.SIGNED, "", tuple(steps), tuple(signatures))


def _starts(world: World) -> None:
    """Stops where the daemon would not start."""
    if world.unread:
        raise _Decided(Outcome.UNKNOWN, world.unread[0].why)
    fatal = next((d.finding for d in check_conf(world) if d.finding.code in _FATAL), None)
    if fatal:
        raise _Decided(Outcome.NOT_STARTED, f"opendkim does not start: {fatal.title}: {fatal.seen}")
    hidden = next((d for d in world.data_sets.values() if d.state is State.UNREADABLE), None)
    if hidden:
        raise _Decided(Outcome.UNKNOWN, hidden.why)
    elsewhere = next((d for d in world.data_sets.values() if d.state is State.ELSEWHERE), None)
    if elsewhere:
        raise _Decided(Outcome.UNKNOWN, f"{where(elsewhere.setting)}: a data base, which is not looked into")
    refused = _start_walk(world)
    if refused:
        raise _Decided(Outcome.NOT_STARTED, f"opendkim does not start: {refused}")


_FATAL = {f"DKIM{n}" for n in (701, 702, 703, 704, 705, 706, 707, 708, 709, 711, 712, 717, 733)}


def _start_walk(world: World) -> str:
    """Why the daemon refuses its tables at the start; empty when it takes them.

    It walks through a `file:` SigningTable for keys that the KeyTable lacks, but stops at the first row without a
    signer (`KEY:SIGNER`), which is as good as every row.
    """
    keys, signing = world.data_sets.get("KeyTable"), world.data_sets.get("SigningTable")
    if keys is None or signing is None or signing.patterns or not world.opendkim.signs:
        return ""
    for row in signing.rows:
        if row.value and ":" not in row.value:
            return ""
        name = row.value.partition(":")[0]
        found = find_key(keys, name)
        if found is None or key_entry(found) is None:
            return (
                f"{signing.at(row)} names no key" if not name else f"{signing.at(row)}: no key {name} in {keys.place}"
            )
    return ""


def _peer(world: World, mail: Mail) -> None:
    peers = world.data_sets.get("PeerList")
    fit = HostList(peers).fit(mail.client, mail.name) if peers else None
    if peers and fit and not fit.negated:
        raise _Decided(Outcome.UNSIGNED, f"{mail.client} is in PeerList ({peers.at(fit.row)}): its mail is left alone")


def _exempt(world: World, domain: str) -> None:
    exempt = world.data_sets.get("ExemptDomains")
    row = next((r for r in exempt.rows if r.key.lower() == domain.lower()), None) if exempt else None
    if exempt and row:
        raise _Decided(Outcome.UNSIGNED, f"{domain} is in ExemptDomains ({exempt.at(row)})")


def _origin(world: World, mail: Mail, steps: list[Step]) -> None:
    """Is the mail ours: an internal client, or an authenticated user?"""
    hosts = world.internal_hosts
    fit = HostList(hosts).fit(mail.client, mail.name)
    if fit and not fit.negated:
        steps.append(Step("client", f"{mail.client} is internal: {hosts.at(fit.row)}: {fit.row.key}"))
    elif mail.login:
        steps.append(Step("client", f"authenticated as {mail.login}: signed from any address"))
    elif fit:
        raise _Decided(Outcome.UNSIGNED, f"{mail.client} is excluded by {hosts.at(fit.row)}: {fit.row.key}")
    else:
        listed = hosts.place if hosts.kind in ("file", "refile") else f"{where(hosts.setting)}: {hosts.place}"
        raise _Decided(Outcome.UNSIGNED, f"{mail.client} is not internal (nothing in {listed} fits), not authenticated")


def _signatures(world: World, address: str, steps: list[Step]) -> Iterator[Signing]:
    """The daemon loads every key first, then looks whether it may sign at all, then signs."""
    keys, signing = world.data_sets.get("KeyTable"), world.data_sets.get("SigningTable")
    if keys is None or signing is None:
        entries = [_Loaded(_single(world, address, steps))]
    else:
        entries = _from_tables(world, keys, signing, address, steps)
    if not world.opendkim.signs:
        raise _Decided(Outcome.UNSIGNED, f"Mode {world.opendkim.get('Mode')} leaves signing out")
    for loaded in entries:
        yield _sign(world, loaded, address, steps)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A key that the daemon has in hand."""

    entry: KeyEntry
    signer: str = ""


def _from_tables(world: World, keys: DataSet, signing: DataSet, address: str, steps: list[Step]) -> list[_Loaded]:
    found = list(wanted_keys(signing, address, several=world.opendkim.flag("MultipleSignatures")))
    if not found:
        miss = nearest_miss(signing, address)
        near = f"; nearest is line {miss.row.line}: {miss.row.key} ({miss.why})" if miss else ""
        raise _Decided(Outcome.UNSIGNED, f"no row of {signing.place} fits {address}{near}")
    entries = []
    for wanted in found:
        steps.append(Step("sender", f"{signing.at(wanted.row)}: {wanted.row.key} → {wanted.name or '(no key)'}"))
        row, entry = _entry(keys, signing, wanted, address)
        steps.append(Step("key", f"{keys.at(row)}: {row.key}: d={entry.domain} s={entry.selector} {entry.path}"))
        _load(world, entry, steps)
        entries.append(_Loaded(entry, wanted.signer))
    return entries


def _entry(keys: DataSet, signing: DataSet, wanted: Wanted, address: str) -> tuple[Row, KeyEntry]:
    at = signing.at(wanted.row)
    if not wanted.name:
        if signing.patterns:
            raise _Decided(Outcome.CRASH, f"{at} names no key: the daemon crashes (SIGSEGV)")
        raise _Decided(Outcome.DEFERRED, f"{at} names no key: error reading signing table")
    row = find_key(keys, wanted.name)
    if row is None:
        raise _Decided(Outcome.DEFERRED, f"{at} names the key {wanted.name}, which {keys.place} lacks")
    entry = resolved(row, address.rpartition("@")[2])
    if entry is None:
        raise _Decided(Outcome.DEFERRED, f"{keys.at(row)} lacks domain, selector or key: {row.key} {row.value}")
    return row, entry


def _single(world: World, address: str, steps: list[Step]) -> KeyEntry:
    """Domain, Selector and KeyFile instead of tables."""
    setting, domain = world.opendkim.find("Domain"), address.rpartition("@")[2]
    if setting is None:
        raise _Decided(Outcome.UNSIGNED, "there is neither a KeyTable nor a Domain")
    listed = read_data_set(setting, world.settings.at)
    known = {row.key.lower() for row in listed.rows}
    parents = [domain.split(".", n)[n] for n in range(1, domain.count(".") + 1)]
    candidates = [domain, *(parents if world.opendkim.flag("SubDomains") else [])]
    fit = next((d for d in candidates if d in known or (d == domain and "*" in known)), None)
    if fit is None:
        raise _Decided(Outcome.UNSIGNED, f"{domain} is not in Domain ({where(setting)}: {setting.value})")
    steps.append(Step("sender", f"{where(setting)}: Domain {setting.value}"))
    return KeyEntry("KeyFile", fit, world.opendkim.get("Selector"), world.opendkim.get("KeyFile"))


def _sign(world: World, loaded: _Loaded, address: str, steps: list[Step]) -> Signing:
    """Sign with the key."""
    entry = loaded.entry
    content = _content(world, entry)
    held = read_key(content, entry.path)
    if isinstance(held, Fault):
        raise _Decided(Outcome.DEFERRED, f"{entry.path}: {held}")
    if not entry.domain.isascii():
        raise _Decided(Outcome.CRASH, f"d={entry.domain} is not ASCII: the daemon aborts")
    wanted = world.opendkim.get("SignatureAlgorithm", "rsa-sha256").lower()
    if held.algorithm is not Algorithm.RSA and wanted.startswith("rsa"):
        raise _Decided(Outcome.DEFERRED, f"{entry.path} holds an {held.algorithm} key, SignatureAlgorithm is {wanted}")
    least = world.opendkim.number("MinimumKeyBits", LEAST_BITS)
    if held.algorithm is Algorithm.RSA and wanted.startswith("rsa") and held.bits < least:
        raise _Decided(Outcome.REJECTED, f"{entry.path} has {held.bits} bits, MinimumKeyBits is {least}")
    if loaded.signer and "@" not in loaded.signer:
        raise _Decided(Outcome.UNSIGNED, f"the signer {loaded.signer} has no @: syntax error in signer value")
    is_valid = not (held.algorithm is Algorithm.RSA and wanted.startswith("ed25519"))
    if loaded.signer and not signer_fits(loaded.signer, entry.domain):
        steps.append(Step("signer", f"i={loaded.signer} is not below d={entry.domain}: never verifies"))
        is_valid = False
    sender = address.rpartition("@")[2]
    counts = aligned(sender, entry.domain.lower())
    steps.append(Step("file", f"{held.algorithm} {held.bits} bits, {wanted}{'' if is_valid else ': never verifies'}"))
    steps.append(Step("DMARC", f"d={entry.domain} {'is aligned' if counts else 'does not count'} for {sender}"))
    return Signing(entry.domain, entry.selector, entry.path, wanted, is_valid, counts, held.public)


def _load(world: World, entry: KeyEntry, steps: list[Step]) -> None:
    """Open and distrust the file as the daemon does."""
    if not entry.path.startswith("/"):
        return
    account = world.account
    if account is None or not may_become(account):
        raise _Decided(Outcome.UNKNOWN, f"{entry.path} can be tried as the daemon's user only by root")
    [result] = as_user(account, world.root, lambda: open_results([entry.path]))
    if result:
        why = "not a regular file" if result == NOT_REGULAR else os.strerror(result).lower()
        raise _Decided(Outcome.DEFERRED, f"{account.name} cannot open {entry.path}: {why}")
    unsafe = Walk(account, world.accounts, world.root).judge(entry.path)
    if unsafe and world.opendkim.flag("RequireSafeKeys", True):
        raise _Decided(Outcome.DEFERRED, f"the key is not secure: {unsafe.text}")
    trusted = f"but not secure: {unsafe.text}" if unsafe else "and trusts it"
    steps.append(Step("file", f"{account.name} can open {entry.path} {trusted}"))


def _content(world: World, entry: KeyEntry) -> bytes:
    if not entry.path.startswith("/"):
        return entry.path.encode("utf-8", "surrogateescape")
    try:
        return read_file(world.settings.at(entry.path)) or b""
    except DkimctlError as error:
        raise _Decided(Outcome.UNKNOWN, error.message) from error


def signer_fits(signer: str, domain: str) -> bool:
    """True when i= is of the signing domain or below it (RFC 6376 §3.5)."""
    place = signer.rpartition("@")[2].lower()
    return place == domain.lower() or place.endswith("." + domain.lower())
