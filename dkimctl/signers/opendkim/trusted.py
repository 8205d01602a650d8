"""TrustedHosts: whose mail is signed."""

from dkimctl.opendkim.hosts import LOOPBACK, canonical_host, host_problem, is_everybody
from dkimctl.opendkim.managed_block import Foreign
from dkimctl.signers.opendkim.cautions import few
from dkimctl.signers.opendkim.foreign_rows import foreign_rows
from dkimctl.signers.rendered import Content, Notice


def host_list(foreign: Foreign, trusted: tuple[str, ...]) -> Content:
    """People's lines, and one for each host."""
    return Content(lambda: foreign.around(f"{host}\n".encode() for host in trusted))


def host_notices(path: str, foreign: Foreign, trusted: tuple[str, ...]) -> tuple[Notice, ...]:
    """Hosts in a spelling that never fits, everybody trusted, and loopback left out."""
    found = foreign_rows(foreign, patterns=False)
    entries = {*trusted, *(row.key for row in found)}
    spelling = (
        Notice(f"{path} line {row.line}: {row.key} {problem}", f"fix {path} line {row.line}")
        for row in found
        if (problem := host_problem(row.key))
    )
    return few(spelling) + _everybody(entries) + _no_loopback(path, entries)


def widened_notices(written: tuple[str, ...]) -> tuple[Notice, ...]:
    """The networks that were written with an address inside them: often one host was meant."""
    notices = []
    for host in written:
        address, slash, _ = host.partition("/")
        network = canonical_host(host)
        if slash and canonical_host(address) != network.partition("/")[0]:
            notices.append(Notice(f"{host} trusts the whole network {network}", f"write {address} for the one host"))
    return few(notices)


def _everybody(entries: set[str]) -> tuple[Notice, ...]:
    open_nets = sorted(filter(is_everybody, entries))
    if not open_nets:
        return ()
    twin = "" if len(open_nets) == 2 else ({"0.0.0.0/0": "::/0", "::/0": "0.0.0.0/0"}[open_nets[0]])
    message = (
        f"mail from every client in {' and '.join(open_nets)} is signed: every client that may send through this relay"
    )
    hint = "safe only where Postfix itself admits no other clients; better name your own networks"
    return (Notice(message, f"{hint}; {twin} is not among them" if twin else hint),)


def _no_loopback(path: str, entries: set[str]) -> tuple[Notice, ...]:
    missing = [host for host in LOOPBACK if host not in entries and not _covered(host, entries)]
    if not missing:
        return ()
    return (
        Notice(f"mail from {' and '.join(missing)} is not signed: {path} leaves it out", "add it to trusted_hosts"),
    )


def _covered(host: str, entries: set[str]) -> bool:
    bits = 128 if ":" in host else 32
    return any(canonical_host(f"{host}/{length}") in entries for length in range(bits + 1))
