"""dkimpy-milter: its three tables, copies of the Ed25519 keys, and a managed block in its configuration.

It reads the tables in opendkim's form with rules of its own (dkimpy_milter/__init__.py): one `*` in a pattern at most,
the first that fits counts, and every name of the SigningTable must be in both key tables, or mail is deferred: a
name without a key of that kind gets an empty file, which makes no signature. Keys are read while it is still root.
"""

from collections.abc import Iterator
from itertools import groupby

from dkimctl.config.settings import Settings
from dkimctl.errors import shell_word
from dkimctl.files import read_file
from dkimctl.opendkim import conf
from dkimctl.opendkim.hosts import canonical_host
from dkimctl.opendkim.managed_block import Foreign, read_foreign
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.opendkim.tables import data_set, key_entry, key_line, rows
from dkimctl.signers.base import Name
from dkimctl.signers.key_copies import derived_directory, derived_key, derived_path
from dkimctl.signers.rendered import Content, Notice, RenderedDirectory, RenderedFile, Selection, SigningKey
from dkimctl.signers.selection import ED25519, RSA
from dkimctl.signers.socketdir import socket_directory, tmpfiles

PLACE = "/etc/dkimpy-milter"
CONF = f"{PLACE}/dkimpy-milter.conf"
KEYS = f"{PLACE}/keys"
TABLES = {RSA: "KeyTable", ED25519: "KeyTableEd25519"}
PID_FILE = "/run/dkimpy-milter/dkimpy-milter.pid"
_NO_KEY = "/dev/null"


def files(settings: Settings, selection: Selection) -> tuple[tuple[RenderedFile, ...], tuple[Notice, ...]]:
    """Return keys and tables first, the configuration that names them last; and the notices."""
    theirs = read_foreign(settings.at(CONF))
    hosts, others = _hosts(settings)
    found = (
        *(derived_key(settings, KEYS, key) for key in selection.keys if key.algorithm == ED25519),
        *(_key_table(settings, selection, algorithm) for algorithm in TABLES),
        _signing_table(settings, selection.keys),
        *tmpfiles(settings),
        RenderedFile(CONF, _configuration(settings, theirs, hosts), made_from=theirs.version),
    )
    return found, tuple(_notices(theirs, selection, others))


def _key_table(settings: Settings, selection: Selection, algorithm: str) -> RenderedFile:
    path = f"{PLACE}/{TABLES[algorithm]}"
    foreign = read_foreign(settings.at(path))

    def lines() -> Iterator[bytes]:
        for domain, own in groupby(selection.keys, key=lambda key: key.domain):
            yield _key_line(domain, tuple(own), algorithm).encode("ascii")

    return RenderedFile(path, Content(lambda: foreign.around(lines())), made_from=foreign.version)


def directories(settings: Settings) -> tuple[RenderedDirectory, ...]:
    """Return the directory of the keys, and that of the socket where it is a Unix one."""
    return (derived_directory(settings, KEYS), *socket_directory(settings))


def installed_sockets(settings: Settings) -> Iterator[MilterSocket]:
    """Yield each socket that the installed configuration names."""
    return conf.sockets(conf.parse(read_file(settings.at(CONF)) or b"", CONF))


def installed_keys(settings: Settings) -> frozenset[Name]:
    """Return the keys in the installed tables."""
    found = []
    for table in TABLES.values():
        content = read_file(settings.at(f"{PLACE}/{table}")) or b""
        found += [key_entry(row) for row in rows(content.splitlines(keepends=True), patterns=False)]
    return frozenset((e.domain, e.selector) for e in found if e and e.path != _NO_KEY)


def _key_line(domain: str, keys: tuple[SigningKey, ...], algorithm: str) -> str:
    key = next((key for key in keys if key.algorithm == algorithm), None)
    if key is None:
        return key_line(domain, domain, keys[0].selector, _NO_KEY)
    return key_line(domain, domain, key.selector, key.path if algorithm == RSA else derived_path(KEYS, key))


def _signing_table(settings: Settings, keys: tuple[SigningKey, ...]) -> RenderedFile:
    """Of patterns the first that fits counts, so those of the deepest domains come first."""
    path = f"{PLACE}/SigningTable"
    foreign = read_foreign(settings.at(path))

    def lines() -> Iterator[bytes]:
        below: dict[str, bool] = {}
        for key in keys:
            below[key.domain] = below.get(key.domain, False) or key.subdomains
        for domain in sorted(below, key=lambda domain: -domain.count(".")):
            yield f"*@{domain} {domain}\n".encode("ascii")
            if below[domain]:
                yield f"*.{domain} {domain}\n".encode("ascii")

    return RenderedFile(path, Content(lambda: foreign.around(lines())), made_from=foreign.version)


def _hosts(settings: Settings) -> tuple[list[str], list[str]]:
    """The trusted hosts, and those of them that it would look up in DNS for each connection."""
    hosts = list(dict.fromkeys(map(canonical_host, settings.signing.trusted_hosts)))
    named = [host for host in hosts if not host.lstrip("!")[:1].isdigit() and ":" not in host]
    return [host for host in hosts if host not in named], named


def _configuration(settings: Settings, theirs: Foreign, hosts: list[str]) -> Content:
    said = {setting.key for setting in _settings(theirs)}
    wanted = (
        *(() if "mode" in said else (("Mode", "s"),)),
        ("Syslog", "yes"),
        ("SyslogSuccess", "yes"),
        ("UserID", settings.keys.owner),
        ("UMask", "007"),
        *(() if "pidfile" in said else (("PidFile", PID_FILE),)),
        ("Socket", str(parse_socket(settings.signing.socket))),
        ("Canonicalization", settings.signing.canonicalization),
        *((table, f"file:{PLACE}/{table}") for table in (*TABLES.values(), "SigningTable")),
        *((("InternalHosts", ",".join(hosts)),) if hosts else ()),
    )
    lines = [conf.setting_line(name, value) for name, value in wanted]
    return Content(lambda: theirs.around(lines))


def _settings(theirs: Foreign) -> tuple[conf.Setting, ...]:
    return tuple(conf.parse(b"".join(line.text for line in theirs.lines), CONF))


def _notices(theirs: Foreign, selection: Selection, named: list[str]) -> Iterator[Notice]:
    settings = {setting.key: setting for setting in _settings(theirs)}
    if "macrolistverify" not in settings:
        yield Notice(
            "dkimpy-milter signs whatever has a managed domain in From, from every client that Postfix lets send",
            "where this host also takes mail from other networks, see MacroListVerify in dkimpy-milter.conf(5)",
        )
    if named:
        yield Notice(
            f"dkimpy-milter would look {', '.join(named)} up in DNS for each connection; left out",
            "name addresses or networks in trusted_hosts",
        )
    yield from _ending(theirs, settings, {key.domain for key in selection.keys})


def _ending(theirs: Foreign, settings: dict[str, conf.Setting], managed: set[str]) -> Iterator[Notice]:
    """Yield what their own lines have dkimpy-milter do today and would have no effect any more: each blocks."""
    domains = settings.get("domain")
    lost = (
        [name for name in data_set(domains.value)[1].split(",") if name.strip().lower() not in managed]
        if domains
        else []
    )
    if domains and lost and ({"keyfile", "keyfileed25519"} & set(settings)):
        yield Notice(
            f"{CONF} line {domains.line} has {lost[0]} signed today, and that would end",
            f"make it a managed domain too: dkimctl genkey {shell_word(lost[0])}",
            blocking=True,
        )
    for name in (*TABLES.values(), "SigningTable"):
        table = settings.get(name.lower())
        if table and data_set(table.value)[1] != f"{PLACE}/{name}":
            yield Notice(
                f"{CONF} line {table.line} takes the {name} from {table.value}, and that would end",
                f"copy its lines into {PLACE}/{name}, where they are kept, and take that line out",
                blocking=True,
            )
    below = {setting.key for line in theirs.below for setting in conf.parse(line.text, CONF)}
    if again := sorted(below & {"socket", "keytable", "keytableed25519", "signingtable", "userid"}):
        yield Notice(
            f"{CONF} sets {', '.join(again)} once more below dkimctl's lines, and the last one counts",
            "take it out, or move it above them",
            blocking=True,
        )
