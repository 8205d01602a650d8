"""The context of a command: the settings, the terminal, and the keys that it works on."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dkimctl.clock import Clock
    from dkimctl.config.settings import Settings
    from dkimctl.files import Owner
    from dkimctl.fleet.control_keys import FleetKeys
    from dkimctl.fleet.overview import FleetStatus
    from dkimctl.keys.directory import KeyDirectory
    from dkimctl.keys.store import LifecycleStore
    from dkimctl.lifecycle.relays import Relays
    from dkimctl.output.terminal import Terminal


class App:
    """The context of a command; everything is created on first use, so that `--help` loads nothing.

    Not a dataclass for the same reason: importing `dataclasses` takes as long as all of our own modules.
    """

    def __init__(self, *, json: bool = False, nagios: bool = False) -> None:
        self.is_public = False
        self.config_file: str | None = None
        self.root: str | None = None
        self.json = json
        self.nagios = nagios
        self.verbosity = 0
        self.nameservers: tuple[str, ...] = ()
        self.dns_port: int | None = None
        self._settings: Settings | None = None
        self._fleet_keys: FleetKeys | None = None

    @property
    def settings(self) -> "Settings":
        """Return the settings. Raises ConfigError with every problem of the file, DiskError where it is closed."""
        if self._settings is None:
            from dataclasses import replace

            from dkimctl.config.load import load_settings
            from dkimctl.errors import DiskError

            loaded = load_settings(self.config_file, self.root)
            if loaded.unread and not self.is_public:
                raise DiskError(loaded.unread, hint="run it as root (sudo dkimctl …)")
            lookup = replace(
                loaded.lookup,
                nameservers=self.nameservers or loaded.lookup.nameservers,
                port=self.dns_port or loaded.lookup.port,
            )
            self._settings = replace(loaded, lookup=lookup)
        return self._settings

    def sign_by(self, signer: str | None) -> None:
        """Let this daemon sign, whatever the configuration says; a note says how to keep it."""
        if signer and signer != self.settings.signing.signer:
            self._settings = self.settings.signed_by(signer)
            self.note_of_options()

    def answer_by(self, action: str | None) -> None:
        """Let Postfix do this while the signer is down, whatever the configuration says; likewise noted."""
        if action and action != self.settings.signing.milter_default_action:
            from dataclasses import replace

            signing = self.settings.signing._replace(milter_default_action=action)
            self._settings = replace(self.settings, signing=signing)
            self.note_of_options()

    @property
    def is_quiet(self) -> bool:
        """Return True with -q: a check that finds everything right prints nothing for people."""
        return self.verbosity < 0

    def note_of_options(self) -> None:
        """Say that options apply to this run only."""
        file = self.settings.source or self.settings.at("/etc/dkimctl/dkimctl.toml")
        self.terminal.note(f"set the same in {file} under [signing]; the next run without these options reverts it")

    def refuse_json_with(self, form: str, formats: tuple[str, ...]) -> None:
        """Raise UsageError for --json with a --format that is not JSON: stdout can hold one of them only."""
        if self.json and form in formats:
            from dkimctl.errors import UsageError

            raise UsageError(f"--json and --format {form} exclude each other", hint="leave one of the two out")

    @property
    def terminal(self) -> "Terminal":
        """Return the terminal that the command prints on."""
        from dkimctl.output.terminal import Terminal

        return Terminal(json=self.json, verbosity=self.verbosity, typed=self.typed, nagios=self.nagios)

    def typed(self, text: str) -> str:
        """Return the message with --root and --config, as they were given, after each command that it proposes."""
        given = {"--root": self.root, "--config": self.config_file}
        if not any(given.values()):
            return text
        from dkimctl.output.commands import with_options

        return with_options(text, given)

    @property
    def store(self) -> "KeyDirectory":
        """Return the keys of this machine."""
        return self.store_of(None)

    @property
    def is_control(self) -> bool:
        """Return True on the control host of a fleet."""
        if not self.settings.fleet:
            return False
        from dkimctl.fleet.role import is_control

        return is_control(self.settings)

    def refuse_without_signer(self) -> None:
        """Raise Refused on a host that controls a fleet and has no signer."""
        if self.is_control:
            from dkimctl.fleet.role import refuse_without_signer

            refuse_without_signer(self.settings)

    @property
    def life_store(self) -> "LifecycleStore":
        """Return the keys whose life is to be read: on a fleet's control host the fleet's, else those of this machine.

        Raises as `fleet.access.control`.
        """
        return self.fleet_keys().store if self.is_control else self.store

    def life_store_of(self, owner: "Owner | None") -> "LifecycleStore":
        """Return the same keys, to be changed; new ones of this machine belong to `owner`, or to the caller.

        Raises Refused on a relay of a fleet, and as `life_store`.
        """
        if not self.settings.fleet:
            return self.store_of(owner)
        from dkimctl.fleet.role import refuse_on_relay

        refuse_on_relay(self.settings)
        return self.fleet_keys().store

    @property
    def relays(self) -> "Relays | None":
        """Return the relays of the fleet on its control host; None where this host signs by itself."""
        return self.fleet_keys().relays if self.is_control else None

    def fleet_keys(self) -> "FleetKeys":
        """Return the fleet's keys and relays, on its control host. Raises as `fleet.access.control`."""
        if self._fleet_keys is None:
            from dkimctl.fleet.control_keys import fleet_keys

            self._fleet_keys = click.get_current_context().with_resource(fleet_keys(self.settings))
        return self._fleet_keys

    @property
    def fleet_status(self) -> "FleetStatus | None":
        """Return the relays and domains of the fleet on its control host; None elsewhere. Raises as `fleet_keys`."""
        if not self.is_control:
            return None
        from dkimctl.fleet.overview import look

        return look(self.fleet_keys().database)

    def store_of(self, owner: "Owner | None") -> "KeyDirectory":
        """The keys of this machine; new ones belong to `owner`, or to the caller."""
        from dkimctl.api import key_store

        return key_store(self.settings, owner)

    @property
    def clock(self) -> "Clock":
        """Return the clock that everything below uses."""
        from dkimctl.clock import SYSTEM_CLOCK

        return SYSTEM_CLOCK
