"""What the daemons' configuration is without dkimctl: each file and main.cf, as they were or without its lines.

What was there before comes from the backups: the newest copy of opendkim.conf and of main.cf that was not yet ours.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from dkimctl.config.settings import Settings
from dkimctl.files import Owner, Version, read_file, read_with_status, scratch_directory, write_file
from dkimctl.install.backup import copies_of
from dkimctl.keys.store import KeyReader
from dkimctl.opendkim import conf
from dkimctl.opendkim.managed_block import BEGIN, read_foreign
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.opendkim.tables import data_set
from dkimctl.postfix import postconf
from dkimctl.postfix.milters import names_opendkim, split_milters
from dkimctl.signers.key_copies import stored_copies
from dkimctl.signers.opendkim.conffile import is_ours, without_include
from dkimctl.signers.postfix import LISTS
from dkimctl.signers.registry import all_signers
from dkimctl.signers.rendered import Selection

_WRITTEN = (b"# Written by dkimctl", b"# Written by `dkimctl")
_ACTION = "milter_default_action"
_ALSO_SMTPD = "$smtpd_milters"


class Removal(StrEnum):
    """What becomes of a file."""

    REMOVED = "removed"
    RESTORED = "restored"
    """As it was before dkimctl came."""
    CHANGED = "changed"
    """dkimctl's lines are gone, and the other ones stay."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One file, and what it becomes."""

    path: str
    outcome: Removal
    content: bytes | None
    """None: the file is removed."""
    status: tuple[int, Owner] | None
    """Mode and owner, where they change as well."""
    seen: Version | None


def planned_files(settings: Settings) -> Iterator[Planned]:
    """Yield what changes: opendkim.conf first, so that it never names a table that is gone."""
    path, included = settings.paths.opendkim_conf, f"{settings.paths.opendkim_directory}/dkimctl.conf"
    found = read_with_status(settings.at(path))
    after = found[0] if found else b""
    if found and is_ours(found[0]):
        old = _copy_from_before(settings, path)
        after = old[0] if old else b""
        outcome = Removal.RESTORED if old else Removal.REMOVED
        yield Planned(path, outcome, old and old[0], old and old[1], Version.of(found[1]))
    elif found and (after := without_include(found[0], included)) != found[0]:
        old = _copy_from_before(settings, path)
        status = old[1] if old and old[0] == after else None
        yield Planned(path, Removal.CHANGED, after, status, Version.of(found[1]))
    named = {data_set(setting.value)[1] for setting in conf.parse(after, path)}
    for other in other_files(settings):
        yield from _of_other(other, settings, is_named=other in named)


def other_files(settings: Settings) -> list[str]:
    """Return every file that an installation for any signer may have written, but for opendkim.conf."""
    nothing = Selection((), "rsa")
    rendered = (file.path for signer in all_signers() for file in signer.files(settings, nothing)[0])
    ours = f"{settings.paths.opendkim_directory}/dkimctl.conf"
    return [path for path in dict.fromkeys((*rendered, ours)) if path != settings.paths.opendkim_conf]


def _of_other(path: str, settings: Settings, *, is_named: bool) -> Iterator[Planned]:
    found = read_with_status(settings.at(path))
    if found is None:
        return
    if found[0].startswith(_WRITTEN) and BEGIN not in found[0]:
        yield Planned(path, Removal.REMOVED, None, None, Version.of(found[1]))
    elif BEGIN in found[0]:
        kept = b"".join(line.text for line in read_foreign(settings.at(path)).lines)
        stays = is_named or bool(kept.strip())
        outcome = Removal.CHANGED if stays else Removal.REMOVED
        yield Planned(path, outcome, kept if stays else None, None, Version.of(found[1]))


def unused_copies(settings: Settings, store: KeyReader, gone: Set[str]) -> Iterator[str]:
    """Yield the signers' copies of keys that no file names any more once these are gone. Raises DiskError."""
    nothing = Selection((), "rsa")
    for signer in all_signers():
        stay = [file.path for file in signer.files(settings, nothing)[0] if file.path not in gone]
        texts = [read_file(settings.at(path)) or b"" for path in stay]
        for directory in signer.key_copies:
            if not any(directory.encode() in text for text in texts):
                yield from stored_copies(settings, store, directory)


def _copy_from_before(settings: Settings, path: str) -> tuple[bytes, tuple[int, Owner]] | None:
    """Return the newest copy of opendkim.conf in which nothing was ours, with its mode and owner."""
    included = f"{settings.paths.opendkim_directory}/dkimctl.conf"
    for copy in copies_of(path, settings):
        found = read_with_status(copy)
        if found and not is_ours(found[0]) and without_include(found[0], included) == found[0]:
            return found[0], (found[1].st_mode & 0o7777, Owner.of(found[1]))
    return None


# --- Postfix


def postfix_without(settings: Settings) -> dict[str, str | None]:
    """Return the milter settings without ours: as they were, where only ours was added since."""
    directory = settings.at(settings.paths.postfix_directory)
    if not postconf.is_configured(directory):
        return {}
    now = postconf.set_values(directory)
    queue = postconf.read_settings(directory, ("queue_directory",))["queue_directory"]
    sockets = [socket for signer in all_signers() for socket in signer.sockets(settings)]
    sockets.append(parse_socket(settings.signing.socket))

    def others(values: Mapping[str, str], name: str) -> list[str]:
        return [m for m in split_milters(values.get(name, "")) if not names_opendkim(m, queue, sockets)]

    if all(others(now, name) == list(split_milters(now.get(name, ""))) for name in LISTS):
        return {}
    before = next((old for old in _main_cfs(settings) if _is_without(old, others)), {})
    kept = others(now, LISTS[0])
    wanted: dict[str, str | None] = {LISTS[0]: ", ".join(kept) or None}
    local = [m for m in others(now, LISTS[1]) if kept or m != _ALSO_SMTPD]
    wanted[LISTS[1]] = ", ".join(local) or None
    if kept == others(before, LISTS[0]):
        wanted |= {name: before.get(name) for name in (*LISTS, _ACTION)}
    elif not (kept or local):
        wanted[_ACTION] = None
    return {name: value for name, value in wanted.items() if now.get(name) != value}


def _is_without(values: Mapping[str, str], others: Callable[[Mapping[str, str], str], list[str]]) -> bool:
    return others(values, LISTS[0]) == list(split_milters(values.get(LISTS[0], "")))


def _main_cfs(settings: Settings) -> Iterator[dict[str, str]]:
    """Yield what the copies of main.cf set, the newest first."""
    for copy in copies_of(settings.paths.main_cf, settings):
        with scratch_directory("postfix") as place:
            write_file(place / "main.cf", read_file(copy) or b"", mode=0o600)
            yield postconf.set_values(place)
