"""Which keys opendkim takes for a sender, from its tables or from Domain and KeyFile, and what becomes of each."""

from collections.abc import Iterator

from dkimctl.host.datasets import DataSet, read_data_set
from dkimctl.host.installation import where, words
from dkimctl.host.internal_hosts import finder
from dkimctl.host.table_lookup import Wanted, find_key, nearest_miss, resolved, wanted_keys
from dkimctl.host.version import as_read_here
from dkimctl.host.world import World
from dkimctl.opendkim.parameters import MAY_REFUSE
from dkimctl.opendkim.tables import KeyEntry, Row
from dkimctl.why.answer import Decided, MailOutcome, Signing, WhyStep
from dkimctl.why.keyuse import Loaded, load, sign
from dkimctl.why.on_settings import verified


def signatures(world: World, address: str, steps: list[WhyStep]) -> Iterator[Signing]:
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
    steps += _reservations(world)
    for loaded in entries:
        yield sign(world, loaded, address, steps)


def _reservations(world: World) -> Iterator[WhyStep]:
    """Yield what may decide otherwise about a mail that has more than its sender."""
    headers = world.opendkim.find("SenderHeaders")
    if headers and headers.value.lower() != "from":
        step = f"{where(headers)}: SenderHeaders {headers.value}: the first of them that the mail has counts, here From"
        yield WhyStep("sender", step)
    for name in MAY_REFUSE.values():
        unread = world.opendkim.find(name)
        if unread:
            yield WhyStep("sender", f"unless {name} keeps it unsigned ({where(unread)}), which dkimctl does not read")
    spared = world.opendkim.find("DontSignMailTo")
    if spared:
        yield WhyStep("sender", f"but not when it goes to {spared.value} ({where(spared)}: DontSignMailTo)")


def _from_tables(world: World, keys: DataSet, signing: DataSet, address: str, steps: list[WhyStep]) -> list[Loaded]:
    found = list(wanted_keys(signing, address, several=world.opendkim.flag("MultipleSignatures")))
    if not found:
        miss = nearest_miss(signing, address)
        near = f"; nearest is line {miss.row.line}: {miss.row.key} ({miss.why})" if miss else ""
        raise verified(world, f"no row of {signing.place} fits {address}{near}")
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
        # its list of requests links only the first and the newest (dkimf_add_signrequest)
        steps.append(WhyStep("sender", f"{len(entries)} rows fit: the daemon signs only by the first and the last"))
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
        raise verified(world, f"{domain} is not in Domain ({where(setting)}: {setting.value})")
    steps.append(WhyStep("sender", f"{where(setting)}: Domain {setting.value}"))
    found, selector = world.opendkim.find("KeyFile"), world.opendkim.get("Selector")
    if found is None:
        return KeyEntry(f"{where(setting)}: Domain {setting.value}, and no KeyFile", fit, selector, "")
    steps.append(WhyStep("key", f"{where(found)}: KeyFile: d={fit} s={selector} {found.value}"))
    return KeyEntry("KeyFile", fit, selector, found.value)
