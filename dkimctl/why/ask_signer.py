"""`why` for a signer other than opendkim: it is sent a test message, because its own files are not read."""

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.files import read_file
from dkimctl.host.keyfiles import Fault, read_key
from dkimctl.host.world import World
from dkimctl.keys.public import PublicKey
from dkimctl.milter.client import Client, MilterVerdict, Reply, offer
from dkimctl.milter.message import probe_message
from dkimctl.names import is_aligned
from dkimctl.opendkim.hosts import canonical_host
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.record.taglist import TagList, parse_signature_tags
from dkimctl.signers.registry import signer_of
from dkimctl.why.answer import Mail, MailOutcome, Signing, WhyAnswer, WhyStep

_OUTCOMES = {
    MilterVerdict.TEMPFAIL: MailOutcome.DEFERRED,
    MilterVerdict.REJECT: MailOutcome.REJECTED,
    MilterVerdict.DISCARD: MailOutcome.REJECTED,
}


def ask(world: World, mail: Mail) -> WhyAnswer:
    """Return what this machine's signer does with such a mail: the answer is the daemon's, the reasons our settings'.

    Raises Unavailable when it does not answer, or below a `--root`.
    """
    signer = world.settings.signing.signer
    if not world.is_live:
        raise Unavailable(f"{signer} can only be queried where it runs", hint="run it on that machine, without --root")
    socket = signer_of(world.settings).listens_at(world.settings) or parse_socket(world.settings.signing.socket)
    user, _, domain = mail.sender.rpartition("@")
    now = SYSTEM_CLOCK.now()
    message = probe_message(domain, now, user=user)
    reply = offer(socket, message, client=Client(mail.client, mail.name, mail.login), job=f"DKIMCTL{now:%H%M%S%f}")
    steps = [WhyStep("asked", f"{signer} at {socket}, by a message that is not delivered")]
    signatures = tuple(_signing(world, parse_signature_tags(value), domain) for value in reply.signatures)
    for made in signatures:
        steps.append(WhyStep("signed", f"d={made.domain} s={made.selector} {made.algorithm}"))
        counts = "is aligned" if made.is_aligned else "does not count"
        steps.append(WhyStep("DMARC", f"d={made.domain} {counts} for {domain}"))
    if reply.verdict is MilterVerdict.ACCEPT and signatures:
        return WhyAnswer(mail, MailOutcome.SIGNED, "", tuple(steps), signatures)
    outcome = _OUTCOMES.get(reply.verdict, MailOutcome.UNSIGNED)
    return WhyAnswer(mail, outcome, _reason(world, mail, reply, outcome), tuple(steps))


def _signing(world: World, tags: TagList, sender: str) -> Signing:
    domain, selector = tags.get("d").lower(), tags.get("s")
    path = f"{world.settings.paths.keys}/{domain}/{selector}.private"
    counts = is_aligned(sender.lower(), domain)
    return Signing(domain, selector, path, tags.get("a"), True, counts, _public(world, path))


def _public(world: World, path: str) -> PublicKey | None:
    """Return the public key on this disk, to compare the record with; None when it is not dkimctl's or not readable."""
    with suppress(DkimctlError):
        held = read_key(read_file(world.at(path)) or b"", path)
        return None if isinstance(held, Fault) else held
    return None


def _reason(world: World, mail: Mail, reply: Reply, outcome: MailOutcome) -> str:
    signer = world.settings.signing.signer
    if outcome is not MailOutcome.UNSIGNED:
        return f"{signer} answered {reply.verdict} {reply.text}".rstrip()
    known = "; ".join(_known_reasons(world, mail))
    return known or f"{signer} let it pass without a signature: see its log and settings"


def _known_reasons(world: World, mail: Mail) -> Iterator[str]:
    """Yield the reasons in dkimctl's settings why the mail is not signed."""
    signing, domain = world.settings.signing, mail.sender.rpartition("@")[2].lower()
    signer = signer_of(world.settings)
    if not signer.installed(world.settings):  # made by hand
        own = signer.reasons_for_unsigned(domain, mail.client, mail.login)
        if own is not None:
            yield from own
            return
    if not mail.login and not any(_covers(host, mail.client) for host in signing.trusted_hosts):
        yield f"{mail.client} is not among the trusted hosts ({', '.join(signing.trusted_hosts)}), not authenticated"
    domains = {name[0] for name in signer_of(world.settings).installed(world.settings)}
    labels = domain.split(".")
    if not domains & {".".join(labels[n:]) for n in range(len(labels))}:
        yield f"{signing.signer} has no key of {domain} or of a domain above it"


def _covers(host: str, client: str) -> bool:
    with suppress(ValueError):
        return ip_address(client) in ip_network(canonical_host(host))
    return False
