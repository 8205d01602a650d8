"""Checks of the lines of opendkim.conf and of the data sets that they name: does the daemon start with them?"""

from collections.abc import Iterator

from dkimctl.catalogue import conf as c
from dkimctl.catalogue.machine import OTHER_SIGNER
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import comment_out, dkimctl, edit, remove_bom, rewrite
from dkimctl.doctor.conf_settings import SETTING_CHECKS
from dkimctl.doctor.untouched import configure
from dkimctl.errors import Unavailable
from dkimctl.host.datasets import DataSet, DataSetState, read_data_set
from dkimctl.host.installation import DEFAULT_CONF, where
from dkimctl.host.othersigners import MILTERS, OtherSigner, signers_instead
from dkimctl.host.version import is_known_here
from dkimctl.host.world import TABLES, World
from dkimctl.milter.client import greet
from dkimctl.names import counted
from dkimctl.opendkim.conf import Setting
from dkimctl.opendkim.hosts import usable_hosts
from dkimctl.opendkim.parameters import KNOWN, OTHER_BUILDS, value_problem

_BOM = "\ufeff"
_PROVES = ("then: dkimctl inspect, with the mail that arrives", "shows whether mail is signed")
_ENOUGH = ("Socket", "Domain", "Selector", "KeyFile")
"""The parameters without which opendkim does not sign."""
_MANY_PATTERNS = 1_000
"""Rows of a refile: KeyTable from which matching them takes milliseconds a message."""


def check_conf(world: World) -> Iterator[Diagnosis]:
    """Check opendkim.conf, except the rows of its tables."""
    daemon = world.opendkim
    others = signers_instead(world)
    if others:
        titles = ", ".join(f"{other.title}{_answer(world, other)}" for other in others)
        seen = f"the opendkim of this host signs nothing; Postfix passes mail to {titles}"
        fix = f"{others[0].proof}  # {_PROVES[others[0].setting in MILTERS]}; {_of_other(others[0])}"
        yield diagnosis(OTHER_SIGNER, others[0].program, seen, fix)
        return
    yield from _command_line(world)
    if daemon.conf is None:
        if all(map(daemon.service.option, _ENOUGH)):
            return  # its command line says everything: it starts and signs without a file
        if not any(unread.what == world.settings.paths.opendkim_conf for unread in world.unread):
            fix = configure(world)
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
    for family in SETTING_CHECKS:
        yield from family(world, daemon)
    for name, data_set in world.data_sets.items():
        yield from _data_set(world, name, data_set)


def _command_line(world: World) -> Iterator[Diagnosis]:
    """Check the options of the unit's command line."""
    service = world.opendkim.service
    start, problem = service.find("ExecStart"), service.not_started_by()
    if start and problem:
        fix = edit(world, start.file, start.line, "see opendkim(8)")
        yield diagnosis(c.BAD_VALUE, where(start), f"{where(start)}: {start.value}: {problem}", fix)
    for setting in service.settings_on_command_line():
        if problem := value_problem(setting):
            fix = edit(world, setting.file, setting.line, problem)
            yield diagnosis(c.BAD_VALUE, where(setting), f"{where(setting)}: {setting.name} {setting.value}", fix)


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
    if other.program == "amavis" and not other.place:
        return "its keys: amavisd showkeys; without any it signs nothing"
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
    elif data_set.kind == "refile" and name == "MTA":
        plain = rewrite(world, setting.file, setting.line, f"{setting.name} file:{data_set.place}")
        yield diagnosis(c.BAD_KIND, where(setting), seen, plain)
    elif data_set.kind == "refile" and name == "KeyTable":
        plain = rewrite(world, setting.file, setting.line, f"{setting.name} file:{data_set.place}")
        has_patterns = any("*" in row.key for row in data_set.rows)
        fix = manual if has_patterns else plain
        yield diagnosis(c.TESTKEY, where(setting), seen, fix)
        if len(data_set.rows) >= _MANY_PATTERNS:
            yield diagnosis(c.REFILE_KEYS, where(setting), f"{seen}: {counted(len(data_set.rows), 'row')}", fix)
