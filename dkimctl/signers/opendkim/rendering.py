"""opendkim: its configuration, its three tables, and the directory of its socket."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from dkimctl.config.settings import Settings
from dkimctl.errors import UsageError
from dkimctl.files import Version, read_with_status
from dkimctl.opendkim import conf
from dkimctl.opendkim.hosts import canonical_host
from dkimctl.opendkim.managed_block import Foreign, read_foreign
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.opendkim.tables import key_line, signing_lines
from dkimctl.signers.opendkim.cautions import key_table_notices, signing_table_notices
from dkimctl.signers.opendkim.conffile import (
    belongs_to_person,
    overridden_notices,
    sealed,
    settings_of_person,
    stays,
    with_include_last,
)
from dkimctl.signers.opendkim.dataset import table_kind
from dkimctl.signers.opendkim.row_names import RowNames
from dkimctl.signers.opendkim.trusted import host_list, host_notices, widened_notices
from dkimctl.signers.rendered import Content, Notice, RenderedFile, Selection, SigningKey, fixed
from dkimctl.signers.socketdir import tmpfiles

_CHUNK = 256  # domains a write: fewer, larger writes


def files(settings: Settings, selection: Selection) -> tuple[tuple[RenderedFile, ...], tuple[Notice, ...]]:
    """Return the tables first, opendkim.conf last: it is what makes the daemon read the others; and the notices."""
    place = settings.paths.opendkim_directory
    keys = read_foreign(settings.at(f"{place}/KeyTable"))
    signing = read_foreign(settings.at(f"{place}/SigningTable"))
    hosts = read_foreign(settings.at(f"{place}/TrustedHosts"))
    names = RowNames(keys, signing)
    kind, kind_notices = table_kind(settings, signing, selection, names)
    trusted = tuple(dict.fromkeys(map(canonical_host, settings.signing.trusted_hosts)))
    contents = {
        "KeyTable": (keys, key_table(keys, selection.keys, names)),
        "SigningTable": (signing, signing_table(signing, selection.keys, names, patterns=kind == "refile")),
        "TrustedHosts": (hosts, host_list(hosts, trusted)),
    }
    tables = [
        RenderedFile(f"{place}/{name}", content, made_from=foreign.version)
        for name, (foreign, content) in contents.items()
    ]
    configuration, conf_notices = _configuration(settings, selection, kind)
    notices = (
        *kind_notices,
        *key_table_notices(f"{place}/KeyTable", keys, selection, names),
        *signing_table_notices(f"{place}/SigningTable", signing, keys, selection, kind, names),
        *host_notices(f"{place}/TrustedHosts", hosts, trusted),
        *widened_notices(settings.signing.trusted_hosts),
        *conf_notices,
    )
    return (*tables, *tmpfiles(settings), *configuration), notices


def parameters(settings: Settings, selection: Selection, kind: str) -> tuple[tuple[str, str], ...]:
    """opendkim.conf's settings, in the order in which they are written."""
    place = settings.paths.opendkim_directory
    return (
        ("Syslog", "yes"),
        ("SyslogSuccess", "yes"),
        ("LogWhy", "yes"),
        ("AutoRestart", "yes"),
        ("AutoRestartRate", "10/1h"),
        ("UserID", settings.keys.owner),
        ("UMask", "007"),
        ("PidFile", settings.paths.pid_file),
        ("Socket", str(parse_socket(settings.signing.socket))),
        ("Mode", "s"),
        ("Canonicalization", settings.signing.canonicalization),
        ("SignatureAlgorithm", f"{selection.algorithm}-sha256"),
        ("OversignHeaders", "From"),
        *([("SignatureTTL", str(settings.lifecycle.signature_ttl))] if settings.lifecycle.signature_ttl else []),
        ("KeyTable", f"file:{place}/KeyTable"),
        ("SigningTable", f"{kind}:{place}/SigningTable"),
        ("InternalHosts", f"file:{place}/TrustedHosts"),
    )


def _configuration(
    settings: Settings, selection: Selection, kind: str
) -> tuple[tuple[RenderedFile, ...], tuple[Notice, ...]]:
    wanted = parameters(settings, selection, kind)
    body = b"".join(conf.setting_line(name, value) for name, value in wanted)
    path = settings.paths.opendkim_conf
    there = read_with_status(settings.at(path))
    version = Version.of(there[1]) if there else None
    if there is None or not belongs_to_person(settings, there[0]):
        return (RenderedFile(path, fixed(sealed(body)), made_from=version),), ()
    installed = there[0]
    ours = f"{settings.paths.opendkim_directory}/dkimctl.conf"
    theirs = settings_of_person(conf.expand(installed, path, settings.at), ours)
    same_socket = _listens_at(theirs, parse_socket(settings.signing.socket))
    wanted = tuple(
        (name, value) for name, value in wanted if not stays(name, theirs, settings, same_socket=same_socket)
    )
    body = b"".join(conf.setting_line(name, value) for name, value in wanted)
    header = b"# Written by `dkimctl render-config --install`, which replaces every change made here.\n\n"
    files = (
        RenderedFile(ours, fixed(header + body)),
        RenderedFile(path, fixed(with_include_last(installed, ours)), made_from=version),
    )
    return files, overridden_notices(theirs, wanted, ours)


def _listens_at(theirs: Mapping[str, conf.Setting], socket: MilterSocket) -> bool:
    try:
        return "socket" in theirs and parse_socket(theirs["socket"].value) == socket
    except UsageError:
        return False


def key_table(foreign: Foreign, keys: tuple[SigningKey, ...], names: RowNames) -> Content:
    """The KeyTable: people's lines, and one for each key."""
    lines = Content(lambda: _joined(key_line(names.of(key), key.domain, key.selector, key.path) for key in keys))
    return Content(lambda: foreign.around(lines))


def signing_table(foreign: Foreign, keys: tuple[SigningKey, ...], names: RowNames, *, patterns: bool) -> Content:
    """The SigningTable: people's lines, and one or two for each key.

    Of patterns the first that fits counts, so those of the deepest domains come first.
    """

    def lines() -> Iterator[bytes]:
        ordered: Iterable[SigningKey] = keys
        if patterns:
            ordered = sorted(keys, key=lambda key: -key.domain.count("."))
        return _joined(
            signing_lines(key.domain, names.of(key), subdomains=key.subdomains, patterns=patterns) for key in ordered
        )

    return Content(lambda: foreign.around(lines()))


def _joined(lines: Iterable[str]) -> Iterator[bytes]:
    stream = iter(lines)
    while chunk := "".join(islice(stream, _CHUNK)):
        yield chunk.encode("ascii")
