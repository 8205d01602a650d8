"""The zone file provider: one file, read for each question, replaced as a whole for each set of changes."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path

from dkimctl.clock import Clock
from dkimctl.errors import ConfigError, Unavailable, UsageError, disk_errors
from dkimctl.files import Owner, read_file, write_file
from dkimctl.names import DOMAINKEY
from dkimctl.providers.base import Capabilities, Change, Found, ProviderSetup
from dkimctl.providers.zonefile.edit import changed_text, records_at
from dkimctl.providers.zonefile.parse import ZoneText, parse_zone

_NAMING = re.compile(r"(?:db\.)?(.+?)(?:\.zone|\.db|\.hosts|\.txt)?")  # how zone files are usually called
BACKUP = ".bak"


def open_zone_file(setup: ProviderSetup) -> "ZoneFileProvider":
    """The provider for `zonefile:PATH`. Raises ConfigError without a path."""
    if not setup.argument:
        raise ConfigError("the provider zonefile needs a file", hint="type: --provider zonefile:/path/to/zone")
    return ZoneFileProvider(setup.settings.at(setup.argument), setup.clock)


class ZoneFileProvider:
    """The zone file of one zone."""

    name = "zonefile"
    capabilities = Capabilities(
        field_type="TXT", next_step="reload the name server (rndc reload, knotc zone-reload, nsd-control reload)"
    )

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()

    def zone_of(self, name: str) -> str:
        """The owner of the file's SOA record; where the file names no zone, the file's own name may.

        Raises UsageError when `name` is not in that zone, Refused when the file is not understood.
        """
        zone = parse_zone(self._read(), str(self._path), self._origin_from_name(name)).zone
        if name != zone and not name.endswith("." + zone):
            raise UsageError(f"{name} is not in {zone}, whose file {self._path} is", hint="name the file of its zone")
        return zone

    def _origin_from_name(self, name: str) -> str:
        """The enclosing domain of `name` that the file is called by: `db.example.com`, `example.com.zone`."""
        match = _NAMING.fullmatch(self._path.name.lower())
        labels = name.partition(f"{DOMAINKEY}.")[2].split(".") if DOMAINKEY in name else name.split(".")
        candidates = (".".join(labels[start:]) for start in range(len(labels) - 1))
        return next((candidate for candidate in candidates if match and candidate == match[1]), "")

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """The records at these names."""
        parsed = self._parse(zone)
        return {name: records_at(parsed, name) for name in names}

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """All changes and the next serial in one replacement of the file; the one before stays as `.bak`."""
        with self._lock:
            before = self._parse(zone)
            after = changed_text(before, changes, self._clock.now().date())
            parse_zone(after, str(self._path), zone)  # never write what could not be read again
            self._write(before.text, after)

    def activate(self, zone: str) -> None:
        """Nothing: the name server is another program's business."""

    def is_active(self, zone: str) -> bool | None:
        """Unknown: whether the name server has read the file only DNS can tell."""
        return None

    def _parse(self, zone: str) -> ZoneText:
        parsed = parse_zone(self._read(), str(self._path), zone)
        if parsed.zone != zone:
            raise UsageError(f"{self._path} is the file of {parsed.zone}, not of {zone}", hint="name the right file")
        return parsed

    def _read(self) -> str:
        content = read_file(self._path)
        if content is None:
            raise UsageError(
                f"no such zone file: {self._path}", hint="name the file: --provider zonefile:/path/to/zone"
            )
        return content.decode("utf-8", "surrogateescape")

    def _write(self, before: str, after: str) -> None:
        path = self._path.resolve()
        with disk_errors(f"look at {path}"):
            status = path.stat()
        if self._read() != before:
            raise Unavailable(f"{path} was changed by somebody else meanwhile", hint="run the same command again")
        owner = Owner(status.st_uid, status.st_gid, f"{status.st_uid}:{status.st_gid}")
        mode = status.st_mode & 0o7777
        for target, text in ((path.with_name(path.name + BACKUP), before), (path, after)):
            write_file(target, text.encode("utf-8", "surrogateescape"), mode=mode, owner=owner)
