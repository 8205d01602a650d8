"""Prediction of what opendkim does with mail from one sender: its decisions, in its order."""

from collections.abc import Iterator

from dkimctl.catalogue import CATALOGUE
from dkimctl.doctor.conf import check_conf
from dkimctl.errors import UsageError
from dkimctl.host.daemonnames import listed_names, names_sent
from dkimctl.host.datasets import DataSet, DataSetState, read_data_set
from dkimctl.host.installation import where, words
from dkimctl.host.internal_hosts import HostList, finder
from dkimctl.host.othersigners import signers_instead
from dkimctl.host.table_lookup import Wanted, find_key, nearest_miss, resolved, wanted_keys
from dkimctl.host.version import as_read_here
from dkimctl.host.world import World
from dkimctl.opendkim.conf import Setting
from dkimctl.opendkim.parameters import MAY_REFUSE
from dkimctl.opendkim.tables import KeyEntry, Row, key_entry
from dkimctl.signers.registry import signer_of
from dkimctl.why.answer import Decided, Mail, MailOutcome, Signing, WhyAnswer, WhyStep
from dkimctl.why.ask_signer import ask
from dkimctl.why.keyuse import Loaded, load, sign
from dkimctl.why.on_settings import handling


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
        _peer(world, mail)
        _exempt(world, domain)
        doubt = _origin(world, mail, steps)
        signatures += _signatures(world, f"{user}@{domain.lower()}", steps)
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
        raise Decided(MailOutcome.UNKNOWN, f"the opendkim of this host signs nothing; Postfix hands mail to {named}")
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
        raise Decided(MailOutcome.UNKNOWN, f"{where(elsewhere.setting)}: a data base, which is not looked into")
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


def _peer(world: World, mail: Mail) -> None:
    peers = world.data_sets.get("PeerList")
    fit = HostList(peers).fit(mail.client, mail.name) if peers else None
    if peers and fit and not fit.negated:
        raise Decided(
            MailOutcome.UNSIGNED, f"{mail.client} is in PeerList ({peers.at(fit.row)}): its mail is left alone"
        )


def _exempt(world: World, domain: str) -> None:
    exempt = world.data_sets.get("ExemptDomains")
    row = next((r for r in exempt.rows if r.key.lower() == domain.lower()), None) if exempt else None
    if exempt and row:
        raise Decided(MailOutcome.UNSIGNED, f"{domain} is in ExemptDomains ({exempt.at(row)})")


def _origin(world: World, mail: Mail, steps: list[WhyStep]) -> str:
    """Decide whether the client is internal or authenticated; return what could not be decided, if anything."""
    hosts = world.internal_hosts
    fit = HostList(hosts).fit(mail.client, mail.name)
    if fit and not fit.negated:
        steps.append(WhyStep("client", f"{mail.client} is internal: {hosts.at(fit.row)}: {fit.row.key}"))
    elif mail.login:
        steps.append(WhyStep("client", f"authenticated as {mail.login}: signed from any address"))
    elif _is_listed_everywhere(world):
        names = ", ".join(dict.fromkeys(name for _, name in names_sent(world.postfix)))
        steps.append(WhyStep("client", f"MTA lists {names}, the daemon name that every service of Postfix sends"))
    elif (macros := world.opendkim.find("MacroList") or _doubtful_mta(world)) is not None:
        steps.append(WhyStep("client", f"{mail.client} is not internal, not authenticated"))
        return f"{where(macros)}: {macros.name} {macros.value}: {_by_macro(world, macros)}"
    elif fit:
        raise _verified(world, f"{mail.client} is excluded by {hosts.at(fit.row)}: {fit.row.key}{_no_name(world)}")
    else:
        listed = hosts.place if hosts.kind in ("file", "refile") else f"{where(hosts.setting)}: {hosts.place}"
        reason = f"{mail.client} is not internal (nothing in {listed} fits), not authenticated{_no_name(world)}"
        raise _verified(world, reason)
    return ""


def _verified(world: World, reason: str) -> Decided:
    """Return the outcome of mail that is not to be signed: with `v` in Mode, On-NoSignature applies to it."""
    found = handling(world, "On-NoSignature", MailOutcome.UNSIGNED)
    if found.outcome is MailOutcome.UNSIGNED or "v" not in world.opendkim.get("Mode", "sv").lower():
        return Decided(MailOutcome.UNSIGNED, reason)
    return Decided(found.outcome, f"{reason}; so it is verified, and has no signature ({found.setting})", is_sure=True)


def _is_listed_everywhere(world: World) -> bool:
    """Return True when every service of Postfix sends a daemon name that MTA lists."""
    listed = listed_names(world)
    sent = [name for _, name in names_sent(world.postfix)]
    return bool(sent) and all(name in listed for name in sent)


def _doubtful_mta(world: World) -> Setting | None:
    """Return the setting MTA where it depends on the service whether mail is signed, or Postfix is not known."""
    sent = {name for _, name in names_sent(world.postfix)}
    return world.opendkim.find("MTA") if not sent or sent & listed_names(world) else None


def _no_name(world: World) -> str:
    """Return that MTA helps no mail; empty without MTA."""
    setting = world.opendkim.find("MTA")
    sent = ", ".join(dict.fromkeys(name for _, name in names_sent(world.postfix)))
    return f"; Postfix sends the daemon name {sent}, which MTA ({where(setting)}) does not list" if setting else ""


def _by_macro(world: World, macros: Setting) -> str:
    """Return the decision about services by the daemon name that Postfix sends (`MTA`)."""
    listed = listed_names(world)
    signed = [place for place, name in names_sent(world.postfix) if name in listed]
    if signed:
        return f"it is signed when it comes in by {', '.join(signed)}, whose milter_macro_daemon_name is listed"
    return "whether it is signed depends on the macros of the service that takes it, such as milter_macro_daemon_name"


def _signatures(world: World, address: str, steps: list[WhyStep]) -> Iterator[Signing]:
    """Decide about each signature: the daemon loads every key first, then checks whether it may sign, then signs."""
    keys, signing = world.data_sets.get("KeyTable"), world.data_sets.get("SigningTable")
    if keys is None or signing is None:
        entry = _single(world, address, steps)
        load(world, entry, steps)
        entries = [Loaded(entry)]
    else:
        entries = _from_tables(world, keys, signing, address, steps)
    if not world.opendkim.signs:
        raise Decided(MailOutcome.UNSIGNED, f"Mode {world.opendkim.get('Mode')} leaves signing out")
    omitted = world.opendkim.find("OmitHeaders")
    if omitted and "from" in map(str.lower, words(omitted.value)):
        raise Decided(
            MailOutcome.UNSIGNED, f"{where(omitted)}: OmitHeaders leaves out From, without which nothing is signed"
        )
    headers = world.opendkim.find("SenderHeaders")
    if headers and headers.value.lower() != "from":
        step = f"{where(headers)}: SenderHeaders {headers.value}: the first of them that the mail has counts, here From"
        steps.append(WhyStep("sender", step))
    for name in MAY_REFUSE.values():
        unread = world.opendkim.find(name)
        if unread:
            steps.append(
                WhyStep("sender", f"unless {name} keeps it unsigned ({where(unread)}), which is not looked into")
            )
    spared = world.opendkim.find("DontSignMailTo")
    if spared:
        steps.append(WhyStep("sender", f"but not when it goes to {spared.value} ({where(spared)}: DontSignMailTo)"))
    for loaded in entries:
        yield sign(world, loaded, address, steps)


def _from_tables(world: World, keys: DataSet, signing: DataSet, address: str, steps: list[WhyStep]) -> list[Loaded]:
    found = list(wanted_keys(signing, address, several=world.opendkim.flag("MultipleSignatures")))
    if not found:
        miss = nearest_miss(signing, address)
        near = f"; nearest is line {miss.row.line}: {miss.row.key} ({miss.why})" if miss else ""
        raise _verified(world, f"no row of {signing.place} fits {address}{near}")
    entries = []
    for wanted in found:
        steps.append(WhyStep("sender", f"{signing.at(wanted.row)}: {wanted.row.key} → {wanted.name or '(no key)'}"))
        row, entry = _entry(keys, signing, wanted, address)
        path, algorithm = as_read_here(world, entry.path)
        entry = entry._replace(path=path)
        steps.append(WhyStep("key", f"{keys.at(row)}: {row.key}: d={entry.domain} s={entry.selector} {entry.path}"))
        load(world, entry, steps)
        entries.append(Loaded(entry, wanted.signer, algorithm))
    if len(entries) > 2:
        # its list of requests is linked from the first to the newest alone (dkimf_add_signrequest)
        steps.append(WhyStep("sender", f"{len(entries)} rows fit: the daemon signs by the first and the last alone"))
        entries = [entries[0], entries[-1]]
    return entries


def _entry(keys: DataSet, signing: DataSet, wanted: Wanted, address: str) -> tuple[Row, KeyEntry]:
    at = signing.at(wanted.row)
    if not wanted.name:
        if signing.patterns:
            raise Decided(MailOutcome.CRASH, f"{at} names no key: the daemon crashes (SIGSEGV)")
        raise Decided(MailOutcome.DEFERRED, f"{at} names no key: error reading signing table")
    row = find_key(keys, wanted.name)
    if row is None:
        raise Decided(MailOutcome.DEFERRED, f"{at} names the key {wanted.name}, which {keys.place} lacks")
    entry = resolved(row, address.rpartition("@")[2])
    if entry is None and not row.value:
        # the daemon notices only when it signs: `sign` reports the name
        return row, KeyEntry(f"{keys.at(row)} lacks domain, selector or key: {row.key}", "", "", "")
    if entry is None:
        raise Decided(MailOutcome.DEFERRED, f"{keys.at(row)} lacks domain, selector or key: {row.key} {row.value}")
    return row, entry


def _single(world: World, address: str, steps: list[WhyStep]) -> KeyEntry:
    """Decide by Domain, Selector and KeyFile instead of tables."""
    setting, domain = world.opendkim.find("Domain"), address.rpartition("@")[2]
    if setting is None:
        raise Decided(MailOutcome.UNSIGNED, "there is neither a KeyTable nor a Domain")
    listed = read_data_set(setting, world.at)
    find = finder(listed)
    parents = [domain.split(".", n)[n] for n in range(1, domain.count(".") + 1)]
    candidates = [domain, *(parents if world.opendkim.flag("SubDomains") else [])]
    fit = next((d for d in candidates if find(d) or (d == domain and find("*"))), None)
    if fit is None:
        raise _verified(world, f"{domain} is not in Domain ({where(setting)}: {setting.value})")
    steps.append(WhyStep("sender", f"{where(setting)}: Domain {setting.value}"))
    found, selector = world.opendkim.find("KeyFile"), world.opendkim.get("Selector")
    if found is None:
        return KeyEntry(f"{where(setting)}: Domain {setting.value}, and no KeyFile", fit, selector, "")
    steps.append(WhyStep("key", f"{where(found)}: KeyFile: d={fit} s={selector} {found.value}"))
    return KeyEntry("KeyFile", fit, selector, found.value)
