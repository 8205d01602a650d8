"""The probe: one message through the daemon's socket, and its signature verified with the key that DNS serves."""

from dataclasses import dataclass

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.dkim.signature import FIELD, FindRecord, Signature, verify
from dkimctl.milter.client import Client, MilterVerdict, Reply, offer
from dkimctl.milter.message import probe_message
from dkimctl.opendkim.sockets import MilterSocket


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of one probe message."""

    sender: str
    socket: str
    job: str
    """The queue id under which the daemon logged it."""
    verdict: MilterVerdict
    signatures: tuple[Signature, ...]
    problem: str
    """What is wrong, in one line; empty when the message was signed and a signature of its domain verifies."""


def probe(
    socket: MilterSocket,
    sender_domain: str,
    selector: str,
    signing_domain: str,
    find_record: FindRecord,
    *,
    client: Client | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Probe:
    """Show the daemon a message from `sender_domain` and verify what it adds.

    It passes when one signature is by `selector` of `signing_domain` and verifies. Raises Unavailable when the daemon
    or DNS does not answer.
    """
    now = clock.now()
    message = probe_message(sender_domain, now)
    job = f"DKIMCTL{now:%H%M%S%f}"
    reply = offer(socket, message, client=client, job=job)
    signatures: tuple[Signature, ...] = ()
    for signature in reply.signatures:  # each on its own: none of them covers another
        signatures += verify(message.with_header(FIELD, signature).raw, find_record)
    problem = _problem(reply, signatures, selector, signing_domain)
    return Probe(message.sender, str(socket), job, reply.verdict, signatures, problem)


def _problem(reply: Reply, signatures: tuple[Signature, ...], selector: str, domain: str) -> str:
    if reply.verdict is not MilterVerdict.ACCEPT:
        answer = f" ({reply.text})" if reply.text else ""
        return f"the daemon answered {reply.verdict}{answer}"
    if not signatures:
        return "the daemon let the message pass without a signature"
    ours = [s for s in signatures if (s.selector, s.domain) == (selector, domain)]
    if not ours:
        other = signatures[0]
        return f"signed by {other.selector} of {other.domain}, not by {selector} of {domain}"
    return next((s.why for s in ours if not s.valid), "")
