"""The argument `DOMAIN…` and the option `-s SELECTOR` of commands, and the domains that are meant."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.completing import complete_domains, complete_selectors
from dkimctl.cli.frame import Decorator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dkimctl.errors import DkimctlError
    from dkimctl.keys.store import KeyReader


def domains_argument(*, required: bool = False) -> Decorator:
    """Add the argument `DOMAIN…`: none given means every managed domain, unless required."""
    return click.argument(
        "domains",
        nargs=-1,
        required=required,
        metavar="DOMAIN..." if required else "[DOMAIN]...",
        shell_complete=complete_domains,
    )


def selector_option(help: str) -> Decorator:
    """Add the option `-s SELECTOR` for a key that is there."""
    return click.option("-s", "--selector", metavar="NAME", help=help, shell_complete=complete_selectors)


def every_domain(app: App, with_keys: "Iterable[str]") -> list[str]:
    """Return these domains and those of the configuration. Raises DiskError where that cannot be read."""
    if app.settings.unread:
        from dkimctl.errors import DiskError

        raise DiskError(app.settings.unread, hint="name the domains, or run it as root (sudo dkimctl …)")
    from dkimctl.names import merged

    return merged(with_keys, app.settings.domains)


def managed_domains(app: App, named: tuple[str, ...], store: "KeyReader | None" = None) -> list[str]:
    """Return the named domains, validated and without duplicates; every managed one when none is named.

    `store`: `App.life_store` if None. Raises UsageError for a malformed name, or when no domain is managed.
    """
    from dkimctl.errors import UsageError
    from dkimctl.names import domain_name

    domains = [domain_name(name) for name in named] or every_domain(app, (store or app.life_store).domains())
    if not domains:
        place = "the fleet's database" if app.is_control else app.settings.key_directory
        raise UsageError(
            f"no managed domain: {place} holds no key", hint="make a key first: dkimctl genkey example.com"
        )
    return list(dict.fromkeys(domains))


def possible_domains(app: App, named: tuple[str, ...]) -> list[str]:
    """Return the domains of `managed_domains`, with directories in which there is no key: each is then read once only.

    Raises as `managed_domains`.
    """
    every = [] if named else every_domain(app, app.life_store.names())
    return every or managed_domains(app, named)


class Unread:
    """Reports each domain whose keys cannot be read, so that the others go on; where it is the only one, raises.

    `domains`: all that the command is for.
    """

    def __init__(self, app: App, domains: list[str]) -> None:
        self._app = app
        self._is_alone = len(domains) == 1
        self.exit_code = 0
        """The worst of the errors."""

    def __call__(self, error: "DkimctlError") -> None:
        """Report one domain."""
        if self._is_alone:
            raise error
        self._app.terminal.failure(error)
        self.exit_code = max(self.exit_code, error.exit_code)
