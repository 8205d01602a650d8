"""The daemon's use of a key: it opens the file as its user, checks owner and modes, and signs."""

from dataclasses import dataclass

from dkimctl.errors import DkimctlError
from dkimctl.files import read_regular
from dkimctl.host.accounts import may_become
from dkimctl.host.file_access import failure_text, open_results
from dkimctl.host.keyfiles import Fault, key_demands, read_key
from dkimctl.host.keysafety import Walk
from dkimctl.host.world import World
from dkimctl.names import is_aligned, is_within
from dkimctl.opendkim.fitness import Unfit, unfit
from dkimctl.opendkim.tables import KeyEntry
from dkimctl.why.answer import Decided, MailOutcome, Signing, WhyStep
from dkimctl.why.on_settings import handling


@dataclass(frozen=True, slots=True)
class Loaded:
    """A key that the daemon has loaded."""

    entry: KeyEntry
    signer: str = ""
    algorithm: str = ""
    """The key's own algorithm; empty where SignatureAlgorithm applies."""


def sign(world: World, loaded: Loaded, address: str, steps: list[WhyStep]) -> Signing:
    """Sign with the key."""
    entry = loaded.entry
    if not entry.path:
        raise Decided(MailOutcome.DEFERRED, entry.name)  # which says what is missing
    content = _content(world, entry)
    held = read_key(content, entry.path)
    if isinstance(held, Fault):
        raise _failed(world, "On-InternalError", MailOutcome.DEFERRED, f"{entry.path}: {held}")
    if not entry.domain.isascii():
        raise Decided(MailOutcome.CRASH, f"d={entry.domain} is not ASCII: the daemon aborts")
    demands = key_demands(world)
    wanted = loaded.algorithm or demands.algorithm
    problem = unfit(held.algorithm, held.bits, demands, own_algorithm=loaded.algorithm)
    if problem is Unfit.OTHER_ALGORITHM:
        reason = f"{entry.path} holds an {held.algorithm} key, SignatureAlgorithm is {wanted}"
        raise _failed(world, "On-InternalError", MailOutcome.DEFERRED, reason)
    if problem is Unfit.REFUSED_SIZE:
        reason = f"{entry.path} has {held.bits} bits, MinimumKeyBits is {demands.minimum_bits}"
        raise _failed(world, "On-SignatureError", MailOutcome.REJECTED, reason)
    if loaded.signer and "@" not in loaded.signer:
        raise Decided(MailOutcome.UNSIGNED, f"the signer {loaded.signer} has no @: syntax error in signer value")
    is_valid = problem is None
    if loaded.signer and not signer_fits(loaded.signer, entry.domain):
        steps.append(WhyStep("signer", f"i={loaded.signer} is not below d={entry.domain}: never verifies"))
        is_valid = False
    sender = address.rpartition("@")[2]
    counts = is_aligned(sender, entry.domain.lower())
    steps.append(
        WhyStep("file", f"{held.algorithm} {held.bits} bits, {wanted}{'' if is_valid else ': never verifies'}")
    )
    steps.append(WhyStep("DMARC", f"d={entry.domain} {'is aligned' if counts else 'does not count'} for {sender}"))
    return Signing(entry.domain, entry.selector, entry.path, wanted, is_valid, counts, held)


def _failed(world: World, setting: str, usual: MailOutcome, reason: str) -> Decided:
    """Return the outcome of mail that could not be signed, by the setting that opendkim applies to it."""
    found = handling(world, setting, usual)
    return Decided(found.outcome, f"{reason} ({found.setting})" if found.setting else reason)


def load(world: World, entry: KeyEntry, steps: list[WhyStep]) -> None:
    """Open the file and check its owner and modes, as the daemon does."""
    if not entry.path.startswith("/"):
        return
    account = world.account
    if account is None or not may_become(account):
        raise Decided(MailOutcome.UNKNOWN, f"{entry.path} can be tried as the daemon's user only by root")
    [result] = open_results(account, world.root, [entry.path])
    if result:
        raise Decided(MailOutcome.DEFERRED, f"{account.name} cannot open {entry.path}: {failure_text(result)}")
    unsafe = Walk(account, world.accounts, world.root).judge(entry.path)
    if unsafe and world.opendkim.flag("RequireSafeKeys", True):
        raise Decided(MailOutcome.DEFERRED, f"the key is not secure: {unsafe.text}")
    trusted = f"but not secure: {unsafe.text}" if unsafe else "and trusts it"
    steps.append(WhyStep("file", f"{account.name} can open {entry.path} {trusted}"))


def _content(world: World, entry: KeyEntry) -> bytes:
    if not entry.path.startswith("/"):
        return entry.path.encode("utf-8", "surrogateescape")
    try:
        return read_regular(world.at(entry.path)) or b""
    except DkimctlError as error:
        raise Decided(MailOutcome.UNKNOWN, error.message) from error


def signer_fits(signer: str, domain: str) -> bool:
    """Return whether i= is of the signing domain or below it (RFC 6376 §3.5)."""
    return is_within(signer.rpartition("@")[2].lower(), domain.lower())
