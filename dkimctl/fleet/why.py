"""What `why` says on a control host without a signer: with which key each relay signs for a sender."""

from collections.abc import Iterator, Mapping

from dkimctl.config.settings import Settings
from dkimctl.errors import UsageError
from dkimctl.fleet.on_relays import FleetRelays
from dkimctl.fleet.store import PostgresStore
from dkimctl.keys.store import Key
from dkimctl.lifecycle.facts import KeyOnRelay
from dkimctl.lifecycle.gather import identity
from dkimctl.lifecycle.notes import at_text
from dkimctl.names import is_aligned
from dkimctl.why.answer import Mail, MailOutcome, Signing, WhyAnswer, WhyStep

_BY_CLIENT = "each relay decides by its own host lists whose mail it signs: dkimctl why there"


def answer(settings: Settings, store: PostgresStore, relays: FleetRelays, mail: Mail) -> WhyAnswer:
    """Return with which keys the relays sign mail of this sender, as each has last reported.

    Raises UsageError when the sender is not an address, and as the store.
    """
    user, at, domain = mail.sender.rpartition("@")
    if not (user and at and domain):
        raise UsageError(f"not an address: {mail.sender}", hint="an address looks like contact@example.com")
    signing, keys = _signing_domain(settings, store, domain.lower())
    if not keys:
        return WhyAnswer(mail, MailOutcome.UNSIGNED, f"the fleet has no key for {domain.lower()}", ())
    named = {identity(store, key): key for key in keys}
    facts = relays.facts_of(signing)
    on_relays = {name: {id: known[name] for id, known in facts.items() if name in known} for name in _names(facts)}
    used = {name: [named[id] for id, on in known.items() if on.is_used] for name, known in on_relays.items()}
    steps = [WhyStep(name, _text(signing, used[name], known)) for name, known in on_relays.items()]
    unsigned = [name for name, found in used.items() if not found]
    outcome, reason = _outcome(list(used), unsigned)
    found = {key.name: key for of_relay in used.values() for key in of_relay}
    signatures = tuple(_signing(store, key, domain.lower()) for key in found.values())
    return WhyAnswer(mail, outcome, reason, (*steps, WhyStep("client", _BY_CLIENT)), signatures)


def _signing_domain(settings: Settings, store: PostgresStore, domain: str) -> tuple[str, tuple[Key, ...]]:
    """Return the domain that signs for a sender's, with its keys: itself, or one above that signs for sub-domains."""
    for name in _upwards(domain):
        own = settings.domain(name).subdomains
        if name != domain and not (settings.signing.subdomains if own is None else own):
            continue
        if keys := store.keys(name):
            return name, keys
    return domain, ()


def _upwards(domain: str) -> Iterator[str]:
    while domain:
        yield domain
        domain = domain.partition(".")[2]


def _names(facts: Mapping[str, Mapping[str, KeyOnRelay]]) -> list[str]:
    return sorted({name for relays in facts.values() for name in relays})


def _outcome(relays: list[str], unsigned: list[str]) -> tuple[MailOutcome, str]:
    if not relays:
        return MailOutcome.UNSIGNED, "no relay is in service"
    if not unsigned:
        return MailOutcome.SIGNED, ""
    if len(unsigned) == len(relays):
        return MailOutcome.UNSIGNED, "no relay signs with a key of this domain"
    return MailOutcome.UNKNOWN, f"it depends on the relay: {', '.join(unsigned)} signs with no key of this domain"


def _text(domain: str, used: list[Key], known: Mapping[str, KeyOnRelay]) -> str:
    away = "; it was not heard from lately" if any(on.is_away for on in known.values()) else ""
    if not used:
        held = "holds its key, and signs with none" if any(on.is_held for on in known.values()) else "holds no key"
        return f"{held} of {domain}{away}"
    proofs = [on.proven for on in known.values() if on.is_used and on.proven is not None]
    proof = f", last proven at {at_text(max(proofs))}" if proofs else ", not proven yet"
    return f"signs with {', '.join(key.selector for key in used)} of {domain}{proof}{away}"


def _signing(store: PostgresStore, key: Key, sender: str) -> Signing:
    counts, public = is_aligned(sender, key.domain), store.public(key)
    return Signing(key.domain, key.selector, key.path, key.metadata.algorithm, True, counts, public)
