"""dkimpy-milter as a signer."""

from collections.abc import Mapping
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.signers.base import Name, Signer
from dkimctl.signers.dkimpy import rendering
from dkimctl.signers.rendered import Notice, RenderedDirectory, RenderedFile, Rendering, Selection
from dkimctl.signers.service import Running, Service, is_answering


class DkimpyMilter(Signer):
    """dkimpy-milter, which makes an RSA and an Ed25519 signature in one go."""

    name = "dkimpy-milter"
    signs_twice = True
    explains = False
    proven_before_postfix = True
    key_copies: tuple[str, ...] = (rendering.KEYS,)

    def files(self, settings: Settings, selection: Selection) -> tuple[tuple[RenderedFile, ...], tuple[Notice, ...]]:
        """Return keys and tables first, the configuration that names them last."""
        return rendering.files(settings, selection)

    def directories(self, settings: Settings) -> tuple[RenderedDirectory, ...]:
        """Return those of the keys, and of the socket where it is a Unix one."""
        return rendering.directories(settings)

    def installed(self, settings: Settings) -> frozenset[Name]:
        """Return the keys in its installed tables."""
        return rendering.installed_keys(settings)

    def sockets(self, settings: Settings) -> tuple[MilterSocket, ...]:
        """Return where it will listen, then where the installed configuration has it listen."""
        return (parse_socket(settings.signing.socket), *self.retired_sockets(settings))

    def retired_sockets(self, settings: Settings) -> tuple[MilterSocket, ...]:
        """Return each socket that the installed configuration names."""
        return tuple(rendering.installed_sockets(settings))

    def listens_at(self, settings: Settings) -> MilterSocket | None:
        """Return where it listens by dkimctl's configuration."""
        return parse_socket(settings.signing.socket)

    def dry_run(self, rendering: Rendering, settings: Settings, staged: Mapping[str, Path]) -> str:
        """Try nothing: dkimpy-milter cannot read its files without serving them."""
        return f"no dry run: {self.name} has no test mode"

    def service(self, settings: Settings) -> Service:
        """Return Debian's service; it reads its files only when it starts."""
        return Service(
            self.name,
            rendering.PID_FILE,
            f"dkimpy-milter {rendering.CONF} &",
            None,
            "it does so when it starts",
            to_reload=2.0,
            to_start=10.0,
        )

    def running(self, settings: Settings) -> Running:
        """Return its PID file."""
        return Running(self.name, (rendering.PID_FILE,))

    def needs_restart(self, settings: Settings, before: Running, changed: Mapping[str, bool]) -> bool:
        """Return True when anything changed, or it does not answer."""
        return bool(changed) or not is_answering(settings.signing.socket)
