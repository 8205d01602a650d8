"""Comparison of two configurations of opendkim: mail that one signs and the other does not, or signs differently."""

from collections.abc import Iterator
from ipaddress import ip_network

from dkimctl.adopt.installed import Installed, read_installed
from dkimctl.adopt.tables import Signer, sample, samples
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, UsageError
from dkimctl.files import read_file
from dkimctl.host.datasets import DataSet
from dkimctl.host.installation import Installation
from dkimctl.host.world import World
from dkimctl.opendkim.hosts import canonical_host
from dkimctl.signers.opendkim.conffile import belongs_to_person

_DEFAULTS = {
    "Canonicalization": "simple/simple",
    "SignatureAlgorithm": "rsa-sha256",
    **dict.fromkeys(
        ("SignHeaders", "OmitHeaders", "MTA", "MacroList", "ExemptDomains", "PeerList", "SenderHeaders"), ""
    ),
}
"""Parameters that decide how mail is signed, or which, and what the daemon takes without them."""


def signing_changes(now: World, coming: World, settings: Settings) -> Iterator[str]:
    """Yield, in words, what `coming` does differently with mail that `now` signs or leaves unsigned.

    Nothing where opendkim.conf is dkimctl's own, or signs nothing.
    """
    content = read_file(settings.at(now.opendkim.conf_path))
    if content is None or not belongs_to_person(settings, content):
        return
    try:
        before, after = read_installed(now), read_installed(coming)
    except DkimctlError as error:
        yield error.message
        return
    if before is None or not before.signing.rows:
        return
    yield from _parameters(now.opendkim, coming.opendkim)
    yield from _hosts(now.internal_hosts, coming.internal_hosts)
    if after is None:
        yield "nothing would be signed"
        return
    yield from _addresses(before, after)


def _parameters(now: Installation, coming: Installation) -> Iterator[str]:
    for name, default in _DEFAULTS.items():
        before, after = now.get(name, default), coming.get(name, default)
        if _normal(name, before) != _normal(name, after):
            yield f"{name} {before or '(not set)'} becomes {after or '(not set)'}"


def _normal(name: str, value: str) -> str:
    if name == "Canonicalization":
        header, slash, body = value.lower().partition("/")
        return f"{header}/{body if slash else 'simple'}"
    return value.lower()


def _hosts(now: DataSet, coming: DataSet) -> Iterator[str]:
    """Yield the hosts whose mail is signed today and would not be."""
    kept = {_canonical(row.key) for row in coming.rows}
    for row in now.rows:
        host = _canonical(row.key)
        if host not in kept and not _is_inside(host, kept):
            yield f"InternalHosts loses {row.key}"


def _canonical(host: str) -> str:
    try:
        return canonical_host(host)
    except UsageError:
        return host


def _is_inside(host: str, networks: set[str]) -> bool:
    try:
        wanted = ip_network(host)
        bits = range(wanted.max_prefixlen + 1)
        return any(str(wanted.supernet(new_prefix=n)) in networks for n in bits if n <= wanted.prefixlen)
    except ValueError:
        return False


def _addresses(before: Installed, after: Installed) -> Iterator[str]:
    """Yield each address that would be signed differently, of one for every row and some below each domain."""
    patterns = before.signing.patterns
    tried = dict.fromkeys(sample(row, patterns=patterns) for row in before.signing.rows)
    domains = dict.fromkeys(address.rpartition("@")[2] for address in tried)
    tried |= dict.fromkeys(address for domain in domains for address in samples(domain))
    for address in tried:
        old, new = before.tables.signers(address), after.tables.signers(address)
        if sorted(s.effect for s in old) != sorted(s.effect for s in new):
            yield f"mail from {address} is {_signed(old)}, and would be {_signed(new)}"


def _signed(signers: tuple[Signer, ...]) -> str:
    entries = [signer.entry for signer in signers if signer.entry]
    return "signed by " + " and ".join(f"{e.selector} of {e.domain}" for e in entries) if entries else "not signed"
