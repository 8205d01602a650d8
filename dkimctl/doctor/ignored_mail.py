"""Checks of what opendkim ignores by its settings, although it is meant to be signed: peers, exempt domains."""

from collections.abc import Iterator
from dataclasses import replace

from dkimctl.catalogue import tables as c
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import comment_out, comment_out_row, rewrite
from dkimctl.host.datasets import FILES, DataSet
from dkimctl.host.installation import words
from dkimctl.host.internal_hosts import HostList
from dkimctl.host.table_lookup import wanted_keys
from dkimctl.host.world import World
from dkimctl.opendkim.hosts import LOOPBACK
from dkimctl.opendkim.tables import SAMPLE, Row

_EXEMPT = replace(
    c.FITS_NOTHING,
    title="a domain of the SigningTable is in ExemptDomains",
    meaning="opendkim ignores all mail from such a domain: it is neither signed nor verified.",
)


def check_ignored_mail(world: World) -> Iterator[Diagnosis]:
    """Check that PeerList and ExemptDomains exclude nothing that is to be signed."""
    if world.opendkim.signs:
        yield from _peers(world)
        yield from _exempt(world)


def _peers(world: World) -> Iterator[Diagnosis]:
    peers = world.data_sets.get("PeerList")
    if not peers or not peers.is_known:
        return
    hosts = HostList(peers)
    rows = {fit.row: host for host in LOOPBACK if (fit := hosts.fit(host, "localhost")) and not fit.negated}
    for row, host in rows.items():
        seen = f"{peers.at(row)}: {row.key}: {host} is in PeerList, and its mail is neither signed nor verified"
        yield diagnosis(c.LOOPBACK, "PeerList", seen, without_row(world, peers, row))


def _exempt(world: World) -> Iterator[Diagnosis]:
    exempt, signing = world.data_sets.get("ExemptDomains"), world.data_sets.get("SigningTable")
    if not exempt or not exempt.is_known or not signing or not signing.is_known:
        return
    for row in exempt.rows:
        wanted = next(wanted_keys(signing, f"{SAMPLE}@{row.key}", several=False), None)
        if wanted is not None and wanted.row.key not in ("*", "*@*"):
            seen = f"{exempt.at(row)}: {row.key}; {signing.at(wanted.row)}: {wanted.row.key} {wanted.row.value}"
            yield diagnosis(_EXEMPT, row.key, seen, without_row(world, exempt, row))


def without_row(world: World, listed: DataSet, row: Row) -> str:
    """Return the command that takes an item out of a list, in a file or on the line of its setting."""
    if listed.kind in FILES:
        return comment_out_row(world, listed, row)
    setting = listed.setting
    others = [word for word in words(setting.value) if word != row.key]
    if not others:
        return comment_out(world, setting.file, setting.line)
    return rewrite(world, setting.file, setting.line, f"{setting.name} csl:{','.join(others)}")
