"""The zone file provider: it reads a zone's files for each request and replaces each changed file atomically."""

import os
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from dkimctl.clock import Clock
from dkimctl.errors import ConfigError, Refused, UsageError
from dkimctl.files import (
    FileChanged,
    Owner,
    Version,
    folder_locked,
    is_there,
    read_file,
    read_with_status,
    resolved,
    staged_file,
    tidy,
    write_file,
)
from dkimctl.names import is_within
from dkimctl.providers.base import Capabilities, Change, Found, ProviderSetup
from dkimctl.providers.zonefile.edit import changed_texts, records_at
from dkimctl.providers.zonefile.options import RELOADING, ZoneFileOptions, options_from, reload
from dkimctl.providers.zonefile.ownership import bind_zone, refuse_servers_file
from dkimctl.providers.zonefile.parse import parse_zone
from dkimctl.providers.zonefile.servercheck import refuse_unloadable
from dkimctl.providers.zonefile.zonetext import ZoneText

_NAMING = re.compile(r"(?:db\.)?(.+?)(?:\.zone|\.db|\.hosts|\.txt)?")  # the usual names of zone files
BACKUP = ".bak"
_ATTEMPTS = 5


def open_zone_file(setup: ProviderSetup) -> "ZoneFileProvider":
    """Return the provider for `zonefile:PATH`. Raises ConfigError without a path, or for a mistake in its table."""
    if not setup.argument:
        raise ConfigError("the provider zonefile needs a file", hint="type: --provider zonefile:/path/to/zone")
    path = setup.settings.at(setup.argument)
    return ZoneFileProvider(path, setup.clock, options_from(setup.options, setup.settings))


class ZoneFileProvider:
    """The file of one zone, and those that it includes."""

    name = "zonefile"

    def __init__(self, path: Path, clock: Clock, options: ZoneFileOptions = ZoneFileOptions()) -> None:  # noqa: B008 - frozen
        self._path = path
        self._clock = clock
        self._options = options
        self._lock = threading.Lock()
        self._directories = {path.parent}
        """Those of the files that were read."""
        self.capabilities = Capabilities(field_type="TXT", next_step="" if options.reload else RELOADING)

    def zone_of(self, name: str) -> str:
        """Return the owner of the file's SOA record; if it is relative, the file's name gives the origin.

        Raises UsageError when `name` is not in that zone, Refused when the file cannot be parsed.
        """
        zone = self._parse_with(self._origin_from_name(name)).zone
        if not is_within(name, zone):
            raise UsageError(f"{name} is not in {zone}, the zone of {self._path}", hint="name the file of its zone")
        return zone

    def _origin_from_name(self, name: str) -> str:
        """Return the enclosing domain of `name` in the file's name: `db.example.com`, `example.com.zone`."""
        match = _NAMING.fullmatch(self._path.name.lower())
        labels = name.split(".")
        candidates = (".".join(labels[start:]) for start in range(len(labels) - 1))
        return next((candidate for candidate in candidates if match and candidate == match[1]), "")

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """Return the records at these names."""
        parsed = self._parse(zone)
        self._refuse(parsed, names)
        if self._is_binds:
            refuse_unloadable(parsed, {}, self._file_of, is_binds=True)
        return {name: records_at(parsed, name) for name in names}

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """Apply all changes and the next serial, replacing each file atomically; the old files are kept as `.bak`.

        The serial is written first: after an interruption between two files the next run finds changes left to make.
        """
        with self._lock, folder_locked(self._path.parent, clock=self._clock):
            for _ in range(_ATTEMPTS - 1):
                try:
                    return self._apply(zone, changes)
                except FileChanged:  # by an editor, which ignores the lock: start again from the new text
                    continue
            self._apply(zone, changes)

    def _apply(self, zone: str, changes: Sequence[Change]) -> None:
        before = self._parse(zone)
        self._refuse(before, [change.name for change in changes])
        after = changed_texts(before, changes, self._clock.now().date())
        self._parse(zone, {**before.texts, **after})  # never write a text that could not be parsed again
        refuse_unloadable(before, after, self._file_of, is_binds=self._is_binds)
        for path, text in after.items():
            self._write(path, before.texts[path], text)

    def _refuse(self, zone: ZoneText, names: Sequence[str]) -> None:
        """Raise Refused where an edit would do harm, or would not be visible."""
        refuse_servers_file(self._path, zone.zone, int(zone.soa.data[2].value), self._options.locate)
        for name in names:
            refuse_below_cut(zone, name)

    def activate(self, zone: str) -> None:
        """Reload the name server with the configured command, if there is one."""
        if self._options.reload:
            reload(self._options.reload, zone, self._path)

    def is_active(self, zone: str) -> bool | None:
        """Return None: only DNS shows whether the name server has read the file.

        It is asked about a zone that has nothing to change, whose last run may have been killed.
        """
        for directory in self._directories:
            tidy(directory)
        return None

    def _parse(self, zone: str, instead: Mapping[str, str] | None = None) -> ZoneText:
        """Parse the zone. `instead`: path → text that is not on the disk yet."""
        parsed = self._parse_with(zone, instead)
        if parsed.zone != zone:
            raise UsageError(f"{self._path} is the file of {parsed.zone}, not of {zone}", hint="name the right file")
        return parsed

    def _parse_with(self, origin: str, instead: Mapping[str, str] | None = None) -> ZoneText:
        texts = instead or {}

        def read(name: str) -> tuple[str, str] | None:
            path = self._included(name)
            if not is_there(path):
                return None
            path = resolved(path)
            self._directories.add(path.parent)
            text = texts[str(path)] if str(path) in texts else _text(path)
            return None if text is None else (str(path), text)

        main = str(self._path)
        return parse_zone(texts[main] if main in texts else self._main(), main, origin, read)

    def _included(self, name: str) -> Path:
        """Return the path of an included file: relative names use one directory at every depth of includes."""
        return self._options.locate(name) if name.startswith("/") else self._directory / name

    def _file_of(self, name: str) -> str:
        return str(resolved(self._included(name)))

    @property
    def _is_binds(self) -> bool:
        return bind_zone(Path(os.path.realpath(self._path)), self._options.locate) is not None

    @property
    def _directory(self) -> Path:
        return self._options.directory or self._path.parent

    def _main(self) -> str:
        text = _text(self._path)
        if text is None:
            raise UsageError(
                f"no such zone file: {self._path}", hint="name the file: --provider zonefile:/path/to/zone"
            )
        return text

    def _write(self, name: str, before: str, after: str) -> None:
        path = resolved(self._path if name == str(self._path) else self._path / name)
        found = read_with_status(path)
        if found is None or found[0].decode("utf-8", "surrogateescape") != before:
            raise FileChanged(path)
        owner, mode = Owner.of(found[1]), found[1].st_mode & 0o777
        write_file(path.with_name(path.name + BACKUP), _encoded(before), mode=mode, owner=owner)
        with staged_file(path, _encoded(after), mode=mode, owner=owner) as staged:
            staged.put(Version.of(found[1]))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(path: Path) -> str | None:
    content = read_file(path)
    return None if content is None else content.decode("utf-8", "surrogateescape")


def refuse_below_cut(zone: ZoneText, name: str) -> None:
    """Raise Refused for a name at or below an NS record, or below a DNAME: a record there would not be visible.

    RFC 1034 §4.2.1 (zone cuts), RFC 6672 §2.3 (DNAME).
    """
    for record in zone.records:
        is_cut = record.type == "NS" and record.owner != zone.zone and is_within(name, record.owner)
        is_redirected = record.type == "DNAME" and name != record.owner and is_within(name, record.owner)
        if is_cut or is_redirected:
            what = "is a zone of its own (NS records)" if is_cut else "is redirected (a DNAME)"
            raise Refused(
                f"{record.owner} {what} in {zone.path}: a record at {name} would not be visible",
                hint=f"publish it in the zone of {record.owner}: name that zone and its provider in the configuration",
            )
