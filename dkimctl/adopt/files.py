"""The files of an adoption: metadata, tables, and what makes the daemon read them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from dkimctl.adopt import kept_settings as kept
from dkimctl.adopt.candidates import Candidate
from dkimctl.adopt.installed import Installed, Table
from dkimctl.adopt.key_files import Judged
from dkimctl.adopt.new_tables import Arranged
from dkimctl.clock import timestamp
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, disk_errors
from dkimctl.files import ANY, Version, is_there, read_file, read_regular, read_with_status
from dkimctl.host.world import World
from dkimctl.keys import metadata as meta
from dkimctl.keys.metadata import Change, Metadata, Phase, Tags
from dkimctl.keys.store import Key
from dkimctl.opendkim import conf
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import parse_record
from dkimctl.record.presentation import strings_in
from dkimctl.signers.opendkim.conffile import with_include_last
from dkimctl.signers.rendered import Content, Notice, RenderedDirectory, RenderedFile, Rendering, SigningKey, fixed

NOTE = "taken over by dkimctl adopt: it signed already"
Fit = tuple[Candidate, Key | None]
"""A domain to take over, and the store's key for it where it has one."""


def rendering_of(
    world: World,
    installed: Installed,
    arranged: Arranged,
    fit: list[Fit],
    judged: dict[str, Judged],
    wanted: tuple[kept.KeptSetting, ...],
    now: datetime,
) -> Rendering:
    """Everything that is written: the daemon's own file comes last."""
    candidates = [candidate for candidate, _ in fit]
    keys = tuple(
        SigningKey(c.domain, c.entry.selector, c.entry.path, c.subdomains, judged[c.entry.path].algorithm)
        for c in candidates
    )
    files: list[RenderedFile] = []
    notices: tuple[Notice, ...] = ()
    if fit:
        files += config_file(world.settings, wanted)
        files += [_metadata_file(world, c, known, judged[c.entry.path], now) for c, known in fit if _is_new(known)]
        files += _tables_and_conf(world, installed, arranged)
        notices = (*_changes(arranged), *kept.missing_settings(world.settings, wanted), *kept.hosts_notice(world))
    new = [c.domain for c, known in fit if known is None]
    directories = key_directories(world, new, kept.daemon_owner(world))
    return Rendering("opendkim", keys, tuple(files), directories, MappingProxyType({}), notices)


def _is_new(known: Key | None) -> bool:
    return known is None or known.phase is not Phase.ACTIVE


def _changes(arranged: Arranged) -> tuple[Notice, ...]:
    if not arranged.changed:
        return ()
    message = f"the new tables would sign mail from {arranged.changed[0]} otherwise than the old ones"
    return (Notice(message, "this must not happen: please report it with both tables", blocking=True),)


def config_file(settings: Settings, wanted: tuple[kept.KeptSetting, ...]) -> Iterator[RenderedFile]:
    """Yield dkimctl.toml with these settings; a person's own file is never changed."""
    if wanted and settings.source is None:
        yield RenderedFile(kept.CONFIG_FILE, fixed(kept.toml(wanted)))


def _metadata_file(
    world: World, candidate: Candidate, known: Key | None, judged: Judged, now: datetime
) -> RenderedFile:
    """Return the metadata file: next to a key that dkimctl finds, else in the domain's key directory, with the path."""
    entry = candidate.entry
    change = Change(Phase.ACTIVE, timestamp(now), NOTE)
    if known is not None:
        metadata = known.metadata
        if not metadata.history:  # nothing was remembered of it so far
            metadata = metadata._replace(tags=record_tags(world.settings.at(entry.path), metadata.tags))
        metadata = metadata._replace(phase=Phase.ACTIVE, history=(*metadata.history, change))
        stem = entry.path.removesuffix(".private")
        if known.metadata.path:
            stem = f"{world.settings.paths.keys}/{candidate.domain}/{entry.selector}"
        return _metadata(kept.daemon_owner(world), f"{stem}.json", metadata)
    path = world.settings.at(entry.path)
    with disk_errors(f"look at {path}"):
        made = timestamp(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    tags = record_tags(path, meta.Tags())
    metadata = Metadata(judged.algorithm, judged.bits, made, tags, Phase.ACTIVE, None, (change,), entry.path)
    place = f"{world.settings.paths.keys}/{candidate.domain}/{entry.selector}.json"
    return _metadata(kept.daemon_owner(world), place, metadata)


def _metadata(owner: str, path: str, metadata: Metadata) -> RenderedFile:
    """Return a metadata file, with the owner and mode of every key's metadata."""
    return RenderedFile(path, fixed(meta.to_json(metadata)), mode=0o600, owner=owner, is_shown=True)


def key_directories(world: World, domains: list[str], owner: str) -> tuple[RenderedDirectory, ...]:
    """Return the key directories of these domains that are not there yet."""
    base = world.settings.paths.keys
    new = [f"{base}/{domain}" for domain in domains]
    wanted = [RenderedDirectory(base, 0o755, "root:root"), *(RenderedDirectory(path, 0o700, owner) for path in new)]
    return tuple(d for d in wanted if new and not is_there(world.settings.at(d.path)))


def _tables_and_conf(world: World, installed: Installed, arranged: Arranged) -> Iterator[RenderedFile]:
    """Yield both tables, and opendkim.conf: with an `Include` when the tables move elsewhere."""
    place = world.settings.paths.opendkim_directory
    yield _table(f"{place}/KeyTable", arranged.keys, installed.keys)
    yield _table(f"{place}/SigningTable", arranged.signing, installed.signing)
    path = world.opendkim.conf_path
    there = read_with_status(world.settings.at(path))
    content, version = (there[0], Version.of(there[1])) if there else (b"", None)
    moved = [
        (name, f"{'refile' if table.patterns else 'file'}:{place}/{name}")
        for name, table in (("KeyTable", installed.keys), ("SigningTable", installed.signing))
        if not table.in_place
    ]
    if moved:
        ours = f"{place}/dkimctl.conf"
        yield RenderedFile(ours, fixed(_included(world, ours, moved)))
        content = with_include_last(content, ours)
    yield RenderedFile(path, fixed(content), made_from=version)


def _table(path: str, content: Content, installed: Table) -> RenderedFile:
    """Return a table; where it replaces the one that was read, no other version of it may be replaced."""
    return RenderedFile(path, content, made_from=installed.version if installed.in_place else ANY)


def _included(world: World, ours: str, moved: list[tuple[str, str]]) -> bytes:
    """Return dkimctl.conf with these settings in place of its own of that name."""
    names = {name.lower() for name, _ in moved}
    there = conf.parse(read_file(world.settings.at(ours)) or b"", ours)
    kept = [(s.name, s.value) for s in there if s.key not in names and s.value]
    lines = b"".join(conf.setting_line(name, value) for name, value in (*kept, *moved))
    return b"# Written by dkimctl, which replaces every change made here.\n\n" + lines


def record_tags(private: Path, otherwise: Tags) -> Tags:
    """Return the tags in the `.txt` file next to a private key; `otherwise` when there is none that can be read."""
    try:
        content = read_regular(private.with_suffix(".txt")) or b""
    except DkimctlError:
        return otherwise
    record = parse_record(strings_in(content.decode("latin-1")))
    if not isinstance(record, KeyRecord):
        return otherwise
    return Tags(record.get("h"), record.get("s"), record.get("t"), record.get("n"))
