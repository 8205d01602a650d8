"""What the commands do, for Python programs: one call each, with the settings that `dkimctl.load_settings` returns.

No domain named means every managed one. What is found is returned; what cannot be done at all raises a DkimctlError.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.settings import Settings
from dkimctl.keys.directory import KeyDirectory
from dkimctl.names import domain_name, merged

if TYPE_CHECKING:
    from dkimctl.files import Owner
    from dkimctl.install.install import Proven
    from dkimctl.lifecycle.status import Status
    from dkimctl.publish.publication import Publication
    from dkimctl.selftest.probing import Selftest


def publish(
    settings: Settings,
    domains: Iterable[str] = (),
    *,
    provider: str | None = None,
    selector: str | None = None,
    **choices: Any,
) -> "tuple[Publication, ...]":
    """Publish the records of the keys and prove them, as `dkimctl publish`; one that fails does not stop the others.

    `provider`: as after `--provider`; None: as configured. `choices`: fields of `dkimctl.Choices`, such as `dry_run`,
    `wait`, `timeout` (seconds), `replace`. Raises UsageError for a domain without a key or provider, ConfigError.
    """
    from dkimctl.publish.publication import Choices
    from dkimctl.publish.publish import publish_at_each
    from dkimctl.record.published_keys import chosen_keys

    store = key_store(settings)
    keys = list(chosen_keys(store, managed(settings, domains), selector))
    return publish_at_each(settings, store, provider, keys, Choices(**choices))


def install(settings: Settings, *, allow_unproven: bool = False) -> "Proven":
    """Write the configuration of the signer and Postfix, reload them, and prove it, as `render-config --install`.

    On failure everything is put back. `allow_unproven`: also keys that DNS was not seen to serve. Raises Refused,
    CheckFailed when a message is not signed, Unavailable when a daemon fails, DiskError.
    """
    from dkimctl.install.install import install_current

    return install_current(settings, key_store(settings), clock=SYSTEM_CLOCK, allow_unproven=allow_unproven)[1]


def selftest(settings: Settings, domains: Iterable[str] = (), *, via: str = "milter") -> "Selftest":
    """Send messages from the domains and verify their signatures, as `dkimctl selftest`. `via`: milter, smtp, sendmail.

    Raises Unavailable when nobody takes the messages: no daemon, no Postfix.
    """
    from dkimctl.selftest.probing import Prober, Via
    from dkimctl.selftest.selftest import selftest as run

    prober = Prober(settings, key_store(settings), SYSTEM_CLOCK, lambda _: None)
    return run(prober, managed(settings, domains), Via(via))


def status(settings: Settings, domains: Iterable[str] = ()) -> "Status":
    """Return the state of every key, as `dkimctl status`. Raises UsageError for a domain that is not managed.

    On a fleet's control host of the fleet's keys, with what is wrong with its relays; raises Unavailable, Refused and
    ConfigError where its database cannot be read.
    """
    from dkimctl.fleet.role import is_control
    from dkimctl.lifecycle.status import status as read

    if is_control(settings):
        return _status_of_fleet(settings, tuple(domains))
    named, store = tuple(domains), key_store(settings)
    wanted = managed(settings, named) if named else merged(store.names(), settings.domains)
    return read(settings, store, wanted, SYSTEM_CLOCK, are_listed=not named)


def _status_of_fleet(settings: Settings, named: Sequence[str]) -> "Status":
    from dataclasses import replace

    from dkimctl.fleet.control_keys import fleet_keys
    from dkimctl.fleet.health import problems_of
    from dkimctl.fleet.overview import look
    from dkimctl.lifecycle.status import status as read

    with fleet_keys(settings) as (database, store, relays):
        wanted = [domain_name(name) for name in named] or merged(store.names(), settings.domains)
        found = read(settings, store, wanted, SYSTEM_CLOCK, are_listed=not named, relays=relays)
        if named:
            return found
        return replace(found, findings=(*found.findings, *problems_of(look(database))))


def managed(settings: Settings, named: Iterable[str] = ()) -> list[str]:
    """Return the named domains, validated and without duplicates; every managed one when none is named."""
    domains = [domain_name(name) for name in named]
    return list(dict.fromkeys(domains)) or merged(key_store(settings).domains(), settings.domains)


def key_store(settings: Settings, owner: "Owner | None" = None) -> KeyDirectory:
    """Return the keys of the machine of these settings; new ones belong to `owner`, or to the caller."""

    @cache
    def named() -> frozenset[str]:
        from dkimctl.opendkim.named_keys import named_keys  # only here: rarely needed

        return named_keys(settings)

    return KeyDirectory(settings.key_directory, shown=settings.paths.keys, owner=owner, named=named)
