"""opendkim as a signer."""

from collections.abc import Mapping
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, disk_errors
from dkimctl.files import open_file
from dkimctl.host.installation import installation_of
from dkimctl.opendkim import conf
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.opendkim.tables import key_entry, rows
from dkimctl.signers.base import Names, Signer
from dkimctl.signers.opendkim import dryrun, rendering, restart
from dkimctl.signers.opendkim.continuity import lost_signatures
from dkimctl.signers.opendkim.installed_tables import InstalledTables
from dkimctl.signers.packed_names import PackedNames
from dkimctl.signers.rendered import Notice, RenderedDirectory, RenderedFile, Rendering, Selection
from dkimctl.signers.service import Running, Service
from dkimctl.signers.socketdir import socket_directory


class OpenDkim(Signer):
    """The signer that Debian calls opendkim."""

    name = "opendkim"
    signs_twice = False
    explains = True
    proven_before_postfix = False
    key_copies: tuple[str, ...] = ()

    def files(self, settings: Settings, selection: Selection) -> tuple[tuple[RenderedFile, ...], tuple[Notice, ...]]:
        """Return tables first, opendkim.conf last."""
        return rendering.files(settings, selection)

    def directories(self, settings: Settings) -> tuple[RenderedDirectory, ...]:
        """Return the socket's own directory."""
        return socket_directory(settings)

    def transition_notices(self, settings: Settings, selection: Selection) -> tuple[Notice, ...]:
        """Return a blocking notice when a domain would lose the signature that the installed files give it."""
        return lost_signatures(settings, selection)

    def tables(self, settings: Settings) -> InstalledTables | None:
        """Return KeyTable and SigningTable, where both are `file:` and have nothing but rows of this program."""
        return InstalledTables.of(settings)

    def installed(self, settings: Settings) -> Names:
        """Return the keys in the installed KeyTable; none when there is no table."""
        path = settings.at(f"{settings.paths.opendkim_directory}/KeyTable")
        with disk_errors(f"read {path}"):
            try:
                with open_file(path) as lines:
                    entries = map(key_entry, rows(lines, patterns=False))
                    return PackedNames((entry.domain, entry.selector) for entry in entries if entry)
            except (FileNotFoundError, NotADirectoryError):
                return PackedNames()

    def sockets(self, settings: Settings) -> tuple[MilterSocket, ...]:
        """Return where it will listen, then each place where the installed opendkim.conf has it listen."""
        return (parse_socket(settings.signing.socket), *self.retired_sockets(settings))

    def retired_sockets(self, settings: Settings) -> tuple[MilterSocket, ...]:
        """Return each socket that the installed opendkim.conf names."""
        installed = conf.read(settings.paths.opendkim_conf, settings.at)
        return tuple(conf.sockets(installed.settings)) if installed else ()

    def listens_at(self, settings: Settings) -> MilterSocket | None:
        """Return the socket of the command line or of opendkim.conf's last line."""
        try:
            setting = installation_of(settings).find("Socket")
            return parse_socket(setting.value) if setting else None
        except DkimctlError:
            return None

    def check_socket(self, settings: Settings, before: Running) -> None:
        """Raise Refused when another program listens at a socket that is new to this daemon."""
        restart.refuse_taken_socket(settings, before)

    def dry_run(self, rendering: Rendering, settings: Settings, staged: Mapping[str, Path]) -> str:
        """Sign messages with the staged files, in opendkim's test mode."""
        installed = frozenset() if rendering.is_part else self.installed(settings)
        return dryrun.dry_run(rendering, settings, staged, installed)

    def service(self, settings: Settings) -> Service:
        """Return Debian's service; it reads its files on SIGUSR1."""
        return restart.service(settings)

    def running(self, settings: Settings) -> Running:
        """Return its PID file, and the settings that it reads only when it starts."""
        return restart.running(settings)

    def needs_restart(self, settings: Settings, before: Running, changed: Mapping[str, bool]) -> bool:
        """Return True when such a setting changed, or it does not listen at its socket."""
        return restart.needs_restart(settings, before)
