"""Checks of opendkim.conf: does the daemon start with it, and do its settings have the intended effect?"""

import re
from collections.abc import Callable, Iterator

from dkimctl.catalogue import conf as c
from dkimctl.catalogue.machine import OTHER_SIGNER
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import chain, comment_out, dkimctl, edit, remove_bom, rewrite, set_parameter
from dkimctl.errors import Unavailable
from dkimctl.host.datasets import DataSet, DataSetState, read_data_set
from dkimctl.host.installation import DEFAULT_CONF, Installation, where, words
from dkimctl.host.othersigners import MILTERS, OtherSigner, signers_instead
from dkimctl.host.version import is_known_here
from dkimctl.host.world import TABLES, World
from dkimctl.milter.client import greet
from dkimctl.opendkim.conf import Setting
from dkimctl.opendkim.hosts import usable_hosts
from dkimctl.opendkim.parameters import KNOWN, OTHER_BUILDS, value_problem

_BOM = "\ufeff"
_RATE = re.compile(r"\d+(?:/\d+[smhdSMHD]?)?")
_SHOULD_BE_SIGNED = {"from", "to", "cc", "subject", "date", "message-id", "reply-to", "mime-version", "content-type"}
_DEFAULT_SIGNED = {
    *("from", "reply-to", "subject", "date", "to", "cc", "resent-date", "resent-from", "resent-sender", "resent-to"),
    *("resent-cc", "in-reply-to", "references", "list-id", "list-help", "list-unsubscribe", "list-subscribe"),
    *("list-post", "list-owner", "list-archive", "sender"),
}
"""Header fields that opendkim signs without SignHeaders: RFC 6376 §5.4.1."""
_FREE = {"message-id", "content-type", "content-transfer-encoding", "mime-version"}
"""Fields not signed by default: naming them in OversignHeaders, a common recipe, breaks every mail that has them."""
_MANY_PATTERNS = 1_000
"""Rows of a refile: KeyTable from which matching them takes milliseconds a message."""


def check_conf(world: World) -> Iterator[Diagnosis]:
    """Check opendkim.conf, except the rows of its tables."""
    daemon = world.opendkim
    others = signers_instead(world)
    if others:
        titles = ", ".join(f"{other.title}{_answer(world, other)}" for other in others)
        seen = f"the opendkim of this host signs nothing; Postfix hands mail to {titles}"
        fix = f"dkimctl selftest --via smtp  # shows whether mail is signed; {_of_other(others[0])}"
        yield diagnosis(OTHER_SIGNER, others[0].program, seen, fix)
        return
    if daemon.conf is None:
        if not any(unread.what == world.settings.paths.opendkim_conf for unread in world.unread):
            fix = dkimctl(world, "render-config --install")
            named = daemon.service.option("conf")
            if named and named.value == daemon.conf_path != world.settings.paths.opendkim_conf:
                fix = edit(world, named.file, named.line, f"-x names it; without -x {DEFAULT_CONF} is used")
            yield diagnosis(c.NO_CONF, daemon.conf_path, f"{daemon.conf_path} does not exist", fix)
        return
    for setting in daemon.conf.unreadable:
        seen = f"{where(setting)}: Include {setting.value}"
        yield diagnosis(c.BAD_INCLUDE, where(setting), seen, comment_out(world, setting.file, setting.line))
    for setting in daemon.conf.settings:
        yield from _line(world, setting)
    yield from _twice(world)
    for family in _FAMILIES:
        yield from family(world, daemon)
    for name, data_set in world.data_sets.items():
        yield from _data_set(world, name, data_set)


def _answer(world: World, other: OtherSigner) -> str:
    """Return whether a milter answers, in words."""
    if not world.is_live or other.socket is None or other.setting not in MILTERS:
        return ""
    try:
        greet(other.socket)
    except Unavailable as error:
        return f": {error.message}"
    return ": it answers"


def _of_other(other: OtherSigner) -> str:
    if other.is_supported:
        return f'signer = "{other.program}" in dkimctl.toml has doctor and why ask it'
    return f"its keys and settings are {other.place or 'its own'}"


def _line(world: World, setting: Setting) -> Iterator[Diagnosis]:
    off = comment_out(world, setting.file, setting.line)
    seen = f"{where(setting)}: {setting.name.lstrip(_BOM)} {setting.value}".rstrip()
    if setting.name.startswith(_BOM):
        yield diagnosis(c.BOM, setting.file, seen, remove_bom(world, setting.file))
    elif setting.key not in KNOWN and world.is_live and is_known_here(setting.name):
        return  # a newer opendkim, or one with other features, is installed
    elif setting.key in OTHER_BUILDS:
        yield diagnosis(c.FUTURE, where(setting), seen, off)
    elif setting.key not in KNOWN:
        from difflib import get_close_matches

        for name in get_close_matches(setting.key, KNOWN, n=1, cutoff=0.8):
            seen += f" (did you mean {KNOWN[name]}?)"
            off = _renamed(world, setting, KNOWN[name])
        yield diagnosis(c.UNKNOWN_NAME, where(setting), seen, off)
    elif not setting.value:
        yield diagnosis(c.NO_VALUE, where(setting), seen, off)
    elif problem := value_problem(setting):
        off = comment_out(world, setting.file, setting.line, comment="the default then applies")
        yield diagnosis(c.BAD_VALUE, where(setting), f"{seen}: {problem}", off)


def _renamed(world: World, setting: Setting, name: str) -> str:
    """Return the command that corrects a parameter's name, where the daemon then accepts the line."""
    meant = Setting(name, setting.value, setting.file, setting.line)
    is_table = name in TABLES
    state = read_data_set(meant, world.settings.at).state if is_table and setting.value else DataSetState.READ
    if setting.value and not value_problem(meant) and state not in (DataSetState.UNKNOWN_KIND, DataSetState.MISSING):
        return rewrite(world, setting.file, setting.line, f"{name} {setting.value}")
    return edit(world, setting.file, setting.line, f"{name} is the right name; opendkim does not accept its value")


def _twice(world: World) -> Iterator[Diagnosis]:
    first: dict[str, Setting] = {}
    for setting in world.opendkim.conf.settings if world.opendkim.conf else ():
        other = first.get(setting.key)
        if other is not None and other.value.lower() != setting.value.lower() and other.file == setting.file:
            seen = f"{where(other)}: {other.name} {other.value}; {where(setting)}: {setting.name} {setting.value}"
            counts = world.opendkim.find(setting.name)
            by = f"line {setting.line}" if counts is None or counts.file == setting.file else where(counts)
            fix = comment_out(world, other.file, other.line, comment=f"{by} is in effect")
            yield diagnosis(c.SET_TWICE, where(other), seen, fix)
        first[setting.key] = setting


def _data_set(world: World, name: str, data_set: DataSet) -> Iterator[Diagnosis]:
    setting = data_set.setting
    manual = edit(world, setting.file, setting.line, "file: holds names, refile: patterns")
    seen = f"{where(setting)}: {setting.name} {setting.value}"
    if data_set.state is DataSetState.UNKNOWN_KIND:
        items = usable_hosts(setting.value)
        is_list = bool(items) and name not in ("KeyTable", "SigningTable")
        fix = rewrite(world, setting.file, setting.line, f"{setting.name} csl:{','.join(items)}") if is_list else manual
        yield diagnosis(c.BAD_KIND, where(setting), seen, fix)
    elif data_set.state is DataSetState.MISSING:
        yield diagnosis(c.NO_DATA_SET, data_set.place, seen, dkimctl(world, "render-config --install"))
    elif data_set.kind == "db":
        yield diagnosis(c.BERKELEY, where(setting), seen, dkimctl(world, "render-config --install"))
    elif data_set.kind in ("dsn", "ldap", "ldaps", "ldapi") and name in ("KeyTable", "SigningTable"):
        yield diagnosis(c.SQL, where(setting), f"{where(setting)}: {setting.name} {data_set.kind}:…", "")
    elif data_set.kind == "refile" and name == "KeyTable":
        plain = rewrite(world, setting.file, setting.line, f"{setting.name} file:{data_set.place}")
        has_patterns = any("*" in row.key for row in data_set.rows)
        fix = manual if has_patterns else plain
        yield diagnosis(c.TESTKEY, where(setting), seen, fix)
        if len(data_set.rows) >= _MANY_PATTERNS:
            yield diagnosis(c.REFILE_KEYS, where(setting), f"{seen}: {len(data_set.rows)} rows", fix)


def _tables(world: World, daemon: Installation) -> Iterator[Diagnosis]:
    keys, signing = daemon.find("KeyTable"), daemon.find("SigningTable")
    has_script = daemon.find("SetupPolicyScript") is not None
    if bool(keys) != bool(signing) and not has_script:
        there = keys or signing
        assert there is not None
        seen = f"{where(there)}: {there.name} {there.value}, and no {'SigningTable' if keys else 'KeyTable'}"
        yield diagnosis(c.HALF_TABLES, where(there), seen, dkimctl(world, "render-config --install"))
    single, selector = daemon.find("KeyFile"), daemon.find("Selector")
    if keys and signing and single and daemon.is_on_command_line(single):
        seen = f"{where(single)}: -k {single.value}; {where(keys)}: KeyTable {keys.value}"
        fix = edit(world, single.file, single.line, "remove -d, -k and -s: the tables name the keys")
        yield diagnosis(c.BESIDE_TABLES, where(single), seen, fix)
    elif bool(single) != bool(selector) and daemon.signs and not (keys and signing):
        there = single or selector
        assert there is not None
        seen = f"{where(there)}: {there.name} {there.value}, and no {'Selector' if single else 'KeyFile'}"
        off = comment_out(world, there.file, there.line)
        if daemon.is_on_command_line(there):
            off = edit(world, there.file, there.line, f"remove {there.name}, or add the other setting")
        yield diagnosis(c.HALF_TABLES, where(there), seen, off)
    alone = daemon.find("Domain")
    if alone and daemon.signs and not (keys or signing or single or selector or has_script):
        seen = f"{where(alone)}: Domain {alone.value}, and neither Selector nor KeyFile"
        yield diagnosis(c.HALF_TABLES, where(alone), seen, dkimctl(world, "render-config --install"))
        return
    has_single = all(daemon.find(name) for name in ("Domain", "Selector", "KeyFile"))
    if not daemon.signs:
        mode = daemon.find("Mode")
        assert mode is not None
        fix = set_parameter(world, "Mode", "sv" if "v" in mode.value.lower() else "s")
        yield diagnosis(c.NOTHING_SIGNS, where(mode), f"{where(mode)}: Mode {mode.value}", fix)
    elif not (keys or signing or has_single or has_script):
        fix = dkimctl(world, "render-config --install")
        yield diagnosis(c.NOTHING_SIGNS, daemon.conf_path, f"{daemon.conf_path} has neither KeyTable nor KeyFile", fix)


def _user(world: World, daemon: Installation) -> Iterator[Diagnosis]:
    setting = daemon.find("UserID")
    if setting is None:
        fix = set_parameter(world, "UserID", "opendkim")
        yield diagnosis(c.RUNS_AS_ROOT, "UserID", f"{daemon.conf_path} has no UserID", fix)
        return
    seen = f"{where(setting)}: UserID {setting.value}"
    if world.account is None or (daemon.group and world.accounts.group(daemon.group) is None):
        fix = edit(world, setting.file, setting.line, "see getent passwd and getent group")
        if world.accounts.account("opendkim") and world.accounts.group("opendkim"):
            fix = set_parameter(world, "UserID", "opendkim:opendkim")
        yield diagnosis(c.NO_USER, where(setting), seen, fix)
    elif world.account.uid == 0:
        yield diagnosis(c.RUNS_AS_ROOT, where(setting), seen, set_parameter(world, "UserID", "opendkim"))


def _algorithm(world: World, daemon: Installation) -> Iterator[Diagnosis]:
    setting = daemon.find("SignatureAlgorithm")
    if setting is None:
        return
    seen = f"{where(setting)}: SignatureAlgorithm {setting.value}"
    if setting.value.lower() == "rsa-sha1":
        yield diagnosis(c.SHA1, where(setting), seen, set_parameter(world, setting.name, "rsa-sha256"))
    elif setting.value.lower() == "ed25519-sha256":
        comment = "rsa-sha256 needs an RSA key: dkimctl genkey"
        yield diagnosis(c.ED25519, where(setting), seen, edit(world, setting.file, setting.line, comment))


def _headers(world: World, daemon: Installation) -> Iterator[Diagnosis]:
    omitted = daemon.find("OmitHeaders")
    dropped = _fields(omitted) & _SHOULD_BE_SIGNED if omitted else set()
    if omitted and dropped:
        seen = f"{where(omitted)}: OmitHeaders {omitted.value} leaves out {', '.join(sorted(dropped))}"
        yield diagnosis(c.OMITTED_HEADERS, where(omitted), seen, comment_out(world, omitted.file, omitted.line))
    over = daemon.find("OversignHeaders")
    if over is None:
        return
    chosen = daemon.find("SignHeaders")
    signed = (_fields(chosen) if chosen else set()) | (_DEFAULT_SIGNED if _adds(chosen) else set())
    unsigned = (_fields(over) & (_SHOULD_BE_SIGNED | _FREE)) - signed
    if unsigned:
        seen = f"{where(over)}: OversignHeaders {over.value}; not signed otherwise: {', '.join(sorted(unsigned))}"
        added = ",".join(("+" if _adds(chosen) else "") + name for name in sorted(unsigned))
        fix = set_parameter(world, "SignHeaders", f"{chosen.value if chosen else '*'},{added}")
        yield diagnosis(c.OVERSIGN, where(over), seen, fix)


def _fields(setting: Setting) -> set[str]:
    return {word.lstrip("+-").lower() for word in words(setting.value)}


def _adds(chosen: Setting | None) -> bool:
    """Return whether SignHeaders adds to the default list: `SignHeaders *,+X`, or no SignHeaders."""
    return chosen is None or "*" in words(chosen.value)


def _restarts(world: World, daemon: Installation) -> Iterator[Diagnosis]:
    rate = daemon.find("AutoRestartRate")
    if rate and not _RATE.fullmatch(rate.value):
        seen = f"{where(rate)}: AutoRestartRate {rate.value}"
        yield diagnosis(c.BAD_RATE, where(rate), seen, set_parameter(world, rate.name, "10/1h"))
    setting, policy = daemon.find("AutoRestart"), daemon.service.find("Restart")
    limits = rate or daemon.find("AutoRestartCount")
    if setting and daemon.flag("AutoRestart") and not limits and policy and policy.value != "no":
        seen = f"{where(setting)}: AutoRestart without AutoRestartRate; {where(policy)}: Restart={policy.value}"
        yield diagnosis(c.AUTO_RESTART, where(setting), seen, set_parameter(world, "AutoRestartRate", "10/1h"))


def _logging(world: World, daemon: Installation) -> Iterator[Diagnosis]:
    if not daemon.flag("LogWhy") or not daemon.flag("Syslog"):
        off = [name for name in ("Syslog", "LogWhy") if not daemon.flag(name)]
        fix = chain(*(set_parameter(world, name, "yes") for name in off))
        yield diagnosis(c.NO_LOGGING, "LogWhy", f"{daemon.conf_path}: LogWhy is off", fix)


def _chroot(world: World, daemon: Installation) -> Iterator[Diagnosis]:
    setting = daemon.find("ChangeRootDirectory")
    if setting:
        yield diagnosis(c.CHROOT, where(setting), f"{where(setting)}: ChangeRootDirectory {setting.value}")


_FAMILIES: tuple[Callable[[World, Installation], Iterator[Diagnosis]], ...] = (
    _tables,
    _user,
    _algorithm,
    _headers,
    _restarts,
    _logging,
    _chroot,
)
