"""rspamd as a signer."""

from collections.abc import Mapping
from pathlib import Path
from signal import SIGHUP

from dkimctl.config.settings import SIGNERS, Settings
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.signers.base import ConfiguredKey, Name, Signer
from dkimctl.signers.habits import Habits
from dkimctl.signers.rendered import Notice, RenderedDirectory, RenderedFile, Rendering, Selection
from dkimctl.signers.rspamd import configdump, dryrun, effective, rendering
from dkimctl.signers.rspamd.effective import habits, reasons_for_unsigned
from dkimctl.signers.service import Running, Service, is_answering


class Rspamd(Signer):
    """rspamd as it comes with Debian: workers "normal" and "proxy", the latter speaking the milter protocol."""

    name = "rspamd"
    signs_twice = True
    explains = False
    proven_before_postfix = True
    key_copies: tuple[str, ...] = (rendering.KEYS, rendering.OLD_KEYS)

    def files(self, settings: Settings, selection: Selection) -> tuple[tuple[RenderedFile, ...], tuple[Notice, ...]]:
        """Return keys first, the files of local.d last."""
        return rendering.files(settings, selection)

    def directories(self, settings: Settings) -> tuple[RenderedDirectory, ...]:
        """Return those of the keys, and of the socket where it is a Unix one."""
        return rendering.directories(settings)

    def transition_notices(self, settings: Settings, selection: Selection) -> tuple[Notice, ...]:
        """Return a warning when another signer is to sign and rspamd still does."""
        return () if settings.signing.signer == self.name else rendering.still_signs(settings)

    def installed(self, settings: Settings) -> frozenset[Name]:
        """Return the keys in our part of its configuration."""
        return rendering.installed_keys(settings)

    def sockets(self, settings: Settings) -> tuple[MilterSocket, ...]:
        """Return where it will listen, and its default."""
        return parse_socket(settings.signing.socket), parse_socket(SIGNERS[self.name].socket)

    def listens_at(self, settings: Settings) -> MilterSocket | None:
        """Return where it listens by dkimctl's configuration, or else by its own."""
        is_told = settings.signing.socket != SIGNERS[self.name].socket
        found = None if is_told or not settings.is_live else configdump.milter_socket()
        return found or parse_socket(settings.signing.socket)

    def dry_run(self, rendering: Rendering, settings: Settings, staged: Mapping[str, Path]) -> str:
        """Have rspamd read the staged files (`rspamadm configtest`)."""
        return dryrun.dry_run(staged)

    def service(self, settings: Settings) -> Service:
        """Return Debian's service; it reads its files on SIGHUP."""
        return Service(
            self.name,
            "/run/rspamd/rspamd.pid",
            "rspamd -c /etc/rspamd/rspamd.conf -u _rspamd -g _rspamd",
            SIGHUP,
            "it does so within seconds",
            to_reload=40.0,  # it compiles its expressions before new workers take over
            to_start=40.0,
        )

    def running(self, settings: Settings) -> Running:
        """Return its PID file."""
        return Running(self.name, (self.service(settings).pid_file,))

    def needs_restart(self, settings: Settings, before: Running, changed: Mapping[str, bool]) -> bool:
        """Return True when its milter may get another socket, or it does not answer yet.

        It listens long before it can handle a SIGHUP, which ends it until then: so it must answer.
        """
        return self._may_move(settings, changed) or not is_answering(settings.signing.socket)

    def configured_keys(self, settings: Settings) -> tuple[ConfiguredKey, ...]:
        """Return the keys in its effective configuration (`rspamadm configdump`)."""
        return tuple(effective.configured_keys()) if settings.is_live else ()

    def habits(self, settings: Settings) -> Habits:
        """Return what its effective configuration says."""
        return habits()

    def reasons_for_unsigned(self, domain: str, client: str, login: str) -> tuple[str, ...] | None:
        """Return what its effective configuration (`rspamadm configdump`) says."""
        return tuple(reasons_for_unsigned(domain, client, login))

    def _may_move(self, settings: Settings, changed: Mapping[str, bool]) -> bool:
        """Return True when the milter's socket may change: a reload that binds the same port in new words ends it."""
        proxy = [is_new for path, is_new in changed.items() if path.endswith(f"/{rendering.PROXY}")]
        nothing_was_set = all(proxy) and len(proxy) == 2
        return bool(proxy) and not (nothing_was_set and settings.signing.socket == SIGNERS[self.name].socket)
