"""What all commands share: the common options, the settings and the terminal."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from dkimctl.cli.layout import DIRECTORY, FILE, Command, CommonOption

if TYPE_CHECKING:
    from dkimctl.clock import Clock
    from dkimctl.config.settings import Settings
    from dkimctl.files import Owner
    from dkimctl.keys.directory import KeyDirectory
    from dkimctl.output.terminal import Terminal

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_common_option = functools.partial(click.option, cls=CommonOption)
Body = Callable[..., int]
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class App:
    """The context of a command; everything is created on first use, so that `--help` loads nothing.

    Not a dataclass for the same reason: importing `dataclasses` takes as long as all of our own modules.
    """

    def __init__(self, *, json: bool = False, nagios: bool = False) -> None:
        self.config_file: str | None = None
        self.root: str | None = None
        self.json = json
        self.nagios = nagios
        self.verbosity = 0
        self.nameservers: tuple[str, ...] = ()
        self.dns_port: int | None = None
        self._settings: Settings | None = None

    @property
    def settings(self) -> "Settings":
        """Return the settings. Raises ConfigError with every problem of the file."""
        if self._settings is None:
            from dataclasses import replace

            from dkimctl.config.load import load_settings

            loaded = load_settings(self.config_file, self.root)
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

    def note_of_options(self) -> None:
        """Say that options hold for this run alone."""
        file = self.settings.source or self.settings.at("/etc/dkimctl/dkimctl.toml")
        self.terminal.note(f"set the same in {file} under [signing]; the next run without these options reverts it")

    def refuse_json_with(self, form: str, formats: tuple[str, ...]) -> None:
        """Raise UsageError for --json beside a --format that is no JSON: stdout can hold one of them only."""
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

    def store_of(self, owner: "Owner | None") -> "KeyDirectory":
        """The keys of this machine; new ones belong to `owner`, or to the caller."""
        from dkimctl.api import key_store

        return key_store(self.settings, owner)

    @property
    def clock(self) -> "Clock":
        """Return the clock that everything below uses."""
        from dkimctl.clock import SYSTEM_CLOCK

        return SYSTEM_CLOCK


def command(name: str, *, example: str, waits: bool = False) -> Callable[[Body], click.Command]:
    """Return a decorator that makes a command with the common options of a function that takes the App first and
    returns the exit code.

    `example` is shown at the end of `--help`, line by line as it is typed. `waits`: an API may delay the command, so
    the notes about that are shown without -v.
    """

    def decorate(body: Body) -> click.Command:
        @functools.wraps(body)
        def call(
            json: bool, quiet: bool, verbose: int, config_file: str | None, root: str | None, **options: Any
        ) -> int:
            app = click.get_current_context().ensure_object(App)
            app.config_file = config_file
            app.root = root
            app.json = json
            app.verbosity = -1 if quiet else verbose
            app.nameservers = tuple(options.pop("nameservers", ()))
            app.dns_port = options.pop("dns_port", None)
            if app.verbosity < 1 and not waits:
                return body(app, **options)
            from dkimctl.output.log import notes_shown

            with notes_shown(app.terminal):
                return body(app, **options)

        return click.command(name, cls=Command, example=example, context_settings=CONTEXT)(_common(call))

    return decorate


def _common(body: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command takes."""
    for option in reversed(
        (
            _common_option("--json", is_flag=True, help="Print one JSON document and nothing else."),
            _common_option("-q", "--quiet", is_flag=True, help="Print only results, warnings and errors."),
            _common_option("-v", "--verbose", count=True, help="Show details; twice for more."),
            _common_option(
                "--config",
                "config_file",
                type=FILE,
                help="Configuration file (env DKIMCTL_CONFIG; default /etc/dkimctl/dkimctl.toml; may be absent).",
            ),
            _common_option(
                "--root",
                type=DIRECTORY,
                help="Use DIR as the root of all system paths (env DKIMCTL_ROOT): staging trees, tests.",
            ),
        )
    ):
        body = option(body)
    return body


class Number(click.FloatRange):
    """A number within a range; nan is rejected."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


def _name_servers(context: click.Context, _: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Reject a malformed address even where no name server needs to be asked."""
    if values and not context.resilient_parsing:
        from dkimctl.dns.endpoints import parse_endpoint

        for value in values:
            parse_endpoint(value)
    return values


def dns_options(body: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of commands that ask DNS; the App's settings hold their values."""
    port = click.option(
        "--dns-port",
        type=click.IntRange(1, 65535),
        metavar="N",
        help="Port at which authoritative servers are asked (env DKIMCTL_DNS_PORT; default 53).",
    )
    server = click.option(
        "--nameserver",
        "nameservers",
        multiple=True,
        callback=_name_servers,
        metavar="HOST[:PORT]",
        help="Resolver that finds zones and server addresses; repeatable (env DKIMCTL_NAMESERVERS).",
    )
    return server(port(body))


def accept_limits_option(body: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--accept-limits`, for commands that publish."""
    return click.option(
        "--accept-limits",
        is_flag=True,
        help="Publish despite known provider limits; the read-back decides.",
    )(body)


def monitoring_format_option(body: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--format` of the commands that show a state; `App.refuse_json_with` says what excludes --json."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json", "nagios", "prometheus"]),
        default="text",
        help="How to print (default: text).",
    )(body)
