"""Prediction of what opendkim does with mail from one sender: its decisions, in its order."""

from dkimctl.catalogue import CATALOGUE
from dkimctl.doctor.conf import check_conf
from dkimctl.errors import UsageError
from dkimctl.host.datasets import DataSetState
from dkimctl.host.installation import where
from dkimctl.host.othersigners import signers_instead
from dkimctl.host.table_lookup import find_key
from dkimctl.host.world import World
from dkimctl.opendkim.tables import key_entry
from dkimctl.signers.registry import signer_of
from dkimctl.why.answer import Decided, Mail, MailOutcome, Signing, WhyAnswer, WhyStep
from dkimctl.why.ask_signer import ask
from dkimctl.why.client import check_exempt, check_peer, origin
from dkimctl.why.keys_taken import signatures as taken_signatures


def decide(world: World, mail: Mail) -> WhyAnswer:
    """Return what this host's signer does with this mail.

    Raises UsageError when the sender is not an address, Unavailable where another daemon signs and does not answer.
    """
    user, at, domain = mail.sender.rpartition("@")
    if not (user and at and domain):
        raise UsageError(f"not an address: {mail.sender}", hint="an address looks like contact@example.com")
    if not signer_of(world.settings).explains:
        return ask(world, mail)
    steps: list[WhyStep] = []
    signatures: list[Signing] = []
    doubt = ""
    try:
        _starts(world)
        check_peer(world, mail)
        check_exempt(world, domain)
        doubt = origin(world, mail, steps)
        signatures += taken_signatures(world, f"{user}@{domain.lower()}", steps)
    except Decided as end:
        is_sure = not doubt or end.is_sure
        return WhyAnswer(mail, end.outcome if is_sure else MailOutcome.UNKNOWN, end.reason, tuple(steps))
    if doubt:
        return WhyAnswer(mail, MailOutcome.UNKNOWN, doubt, tuple(steps), tuple(signatures))
    return WhyAnswer(mail, MailOutcome.SIGNED, "", tuple(steps), tuple(signatures))


def _starts(world: World) -> None:
    """Stops where the daemon would not start."""
    others = signers_instead(world)
    if others:
        named = ", ".join(other.title for other in others)
        raise Decided(MailOutcome.UNKNOWN, f"the opendkim of this host signs nothing; Postfix passes mail to {named}")
    unread = next((u for u in world.unread if u.what != world.settings.paths.postfix_directory), None)
    if unread:
        raise Decided(MailOutcome.UNKNOWN, unread.why)
    fatal = next((d.finding for d in check_conf(world) if CATALOGUE[d.finding.code].stops_daemon), None)
    if fatal:
        raise Decided(MailOutcome.NOT_STARTED, f"opendkim does not start: {fatal.title}: {fatal.seen}")
    hidden = next((d for d in world.data_sets.values() if d.state is DataSetState.UNREADABLE), None)
    if hidden:
        raise Decided(MailOutcome.UNKNOWN, hidden.why)
    elsewhere = next((d for d in world.data_sets.values() if d.state is DataSetState.ELSEWHERE), None)
    if elsewhere:
        raise Decided(MailOutcome.UNKNOWN, f"{where(elsewhere.setting)}: a database, which dkimctl does not read")
    refused = _start_walk(world)
    if refused:
        raise Decided(MailOutcome.NOT_STARTED, f"opendkim does not start: {refused}")


def _start_walk(world: World) -> str:
    """Return why the daemon refuses its tables at the start; empty when it accepts them.

    It searches a `file:` SigningTable for keys that the KeyTable lacks, but stops at the first row without a signer
    (`KEY:SIGNER`), so usually at the first row.
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
