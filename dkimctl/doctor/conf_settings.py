"""Checks of the settings in opendkim.conf: do they have the intended effect, and do they fit each other?"""

import re
from collections.abc import Callable, Iterator

from dkimctl.catalogue import conf as c
from dkimctl.doctor.base import Diagnosis, diagnosis, with_severity
from dkimctl.doctor.commands import chain, comment_out, dkimctl, edit, set_parameter
from dkimctl.doctor.untouched import configure
from dkimctl.findings import Severity
from dkimctl.host.installation import Installation, where, words
from dkimctl.host.world import World
from dkimctl.opendkim.conf import Setting
from dkimctl.postfix.durations import QUEUE_LIFETIME, queue_lifetime

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
        fix = dkimctl(world, "render-config --install")  # with tables, one of the two alone is ignored
        if daemon.is_on_command_line(there):
            fix = edit(world, there.file, there.line, f"remove {there.name}, or add the other setting")
        yield diagnosis(c.HALF_TABLES, where(there), seen, fix)
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
    elif keys and signing and _is_empty(world, "SigningTable"):
        seen = f"{where(signing)}: SigningTable {signing.value} has no row"
        yield diagnosis(c.NOTHING_SIGNS, where(signing), seen, configure(world))
    elif has_single and not (keys or signing):
        yield from _own_domain(world, daemon)
    elif not (keys or signing or has_single or has_script):
        seen = f"{daemon.conf_path} has neither KeyTable nor KeyFile"
        yield diagnosis(c.NOTHING_SIGNS, daemon.conf_path, seen, configure(world))


def _is_empty(world: World, name: str) -> bool:
    table = world.data_sets.get(name)
    return table is not None and table.is_known and not any(True for _ in table.rows)


def _own_domain(world: World, daemon: Installation) -> Iterator[Diagnosis]:
    """Check the names in Domain, which opendkim compares as they are written: with their quotes and blanks."""
    setting = daemon.find("Domain")
    if setting is None or ":" in setting.value.partition(",")[0] or setting.value.startswith("/"):
        return  # a table
    names = [*words(setting.value)]
    meant = [part.strip("\"'") for name in names for part in name.replace('"', " ").split()]
    if names != meant:
        fix = set_parameter(world, "Domain", ",".join(meant), "commas between names, and no quotes")
        yield diagnosis(c.NOTHING_SIGNS, where(setting), f"{where(setting)}: Domain {setting.value}", fix)


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
        found = diagnosis(c.OMITTED_HEADERS, where(omitted), seen, comment_out(world, omitted.file, omitted.line))
        # nothing is signed without From (measured), unless the list starts over: `*,From` adds to the default
        is_fatal = "from" in dropped and "*" not in words(omitted.value)
        yield with_severity(found, Severity.ERROR) if is_fatal else found
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


def _signature_ttl(world: World, daemon: Installation) -> Iterator[Diagnosis]:
    setting = daemon.find("SignatureTTL")
    if setting is None or not setting.value.isdecimal():
        return
    lifetime = max((queue_lifetime(each.values[QUEUE_LIFETIME]) for each in world.postfix), default=0)
    if 0 < int(setting.value) < lifetime:
        seen = f"{where(setting)}: SignatureTTL {setting.value}; Postfix keeps mail for {lifetime} s"
        fix = set_parameter(world, setting.name, str(lifetime), f"or a shorter {QUEUE_LIFETIME} in main.cf")
        yield diagnosis(c.SIGNATURE_TTL, where(setting), seen, fix)


SETTING_CHECKS: tuple[Callable[[World, Installation], Iterator[Diagnosis]], ...] = (
    _tables,
    _user,
    _algorithm,
    _headers,
    _restarts,
    _signature_ttl,
    _logging,
    _chroot,
)
