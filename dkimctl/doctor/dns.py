"""Check of the key records in DNS: `verify-dns` for every KeyTable row in use."""

from collections.abc import Iterator

from dkimctl.config.settings import Lookup
from dkimctl.doctor.base import Diagnosis
from dkimctl.doctor.configured_keys import configured_targets
from dkimctl.errors import DkimctlError
from dkimctl.findings import Severity
from dkimctl.host.datasets import read_data_set
from dkimctl.host.keyfiles import UsedKey, public_key, used_keys
from dkimctl.host.othersigners import signers_instead
from dkimctl.host.world import World
from dkimctl.keys.knownbad import not_looked_for
from dkimctl.opendkim.tables import KeyEntry
from dkimctl.signers.registry import signer_of
from dkimctl.verify.check import check
from dkimctl.verify.report import Target


def check_records(world: World, lookup: Lookup) -> Iterator[Diagnosis]:
    """Yield the findings of each key record, as verify-dns reports them, except ok and info.

    Known bad keys are reported for the key file, which is the key that signs.
    """
    if not signer_of(world.settings).explains or signers_instead(world):
        targets = list(configured_targets(world))
    else:
        pairs = ((key, entry) for key in used_keys(world) for entry in _entries(world, key))
        targets = [target for key, entry in pairs if (target := _target(world, key, entry)) is not None]
    for report in check(dict.fromkeys(targets), lookup, weak=not_looked_for):
        for finding in report.findings:
            if finding.severity not in (Severity.OK, Severity.INFO):
                yield Diagnosis(finding)


def _entries(world: World, key: UsedKey) -> Iterator[KeyEntry]:
    """Yield the domains and selectors that a key signs for: KeyFile has one for each Domain."""
    if key.entry:
        yield from _with_domains(world, key.entry) if key.entry.domain == "%" else (key.entry,)
        return
    domains, selector = world.opendkim.find("Domain"), world.opendkim.get("Selector")
    listed = read_data_set(domains, world.at).rows if domains and selector else ()
    yield from (KeyEntry("KeyFile", row.key, selector, key.path) for row in listed if "*" not in row.key)


def _with_domains(world: World, entry: KeyEntry) -> Iterator[KeyEntry]:
    """Yield a row whose d= is `%`, once for each domain that the SigningTable names with it."""
    signing = world.data_sets.get("SigningTable")
    for row in signing.rows if signing and signing.is_known else ():
        domain = row.key.rpartition("@")[2].removeprefix(".").lower()
        if row.value.partition(":")[0] == entry.name and domain and "*" not in domain:
            yield entry._replace(domain=domain, path=entry.path.replace("%", domain))


def _target(world: World, key: UsedKey, entry: KeyEntry) -> Target | None:
    """Return the key to look up; None when its domain depends on the mail or its name is invalid in DNS.

    The check of the tables reports the latter.
    """
    if "%" in entry.domain:
        return None
    target = Target(
        entry.selector.lower(), entry.domain.lower(), public_key(world, key._replace(path=entry.path)), subdomains=True
    )
    try:
        return target if target.owner.isascii() else None
    except DkimctlError:
        return None
