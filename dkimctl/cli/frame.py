"""What all commands share: how they are made, and the common options."""

import functools
from collections.abc import Callable
from typing import Any

import click

from dkimctl.cli.app import App
from dkimctl.cli.layout import DIRECTORY, FILE, Command, CommonOption

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_common_option = functools.partial(click.option, cls=CommonOption)
Body = Callable[..., int]
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def command(name: str, *, example: str, waits: bool = False, public: bool = False) -> Callable[[Body], click.Command]:
    """Return a decorator that makes a command with the common options of a function that takes the App first and
    returns the exit code.

    `example` is shown at the end of `--help`, line by line as it is typed. `waits`: an API may delay the command, so
    the notes about that are shown without -v. `public`: the command goes on where the configuration is closed to the
    user, because what is public, or made for this user only, does not need it.
    """

    def decorate(body: Body) -> click.Command:
        @functools.wraps(body)
        def call(
            json: bool, quiet: bool, verbose: int, config_file: str | None, root: str | None, **options: Any
        ) -> int:
            app = click.get_current_context().ensure_object(App)
            app.is_public = public
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


def _show_schema(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        show_schema(context)
        context.exit()


def show_schema(context: click.Context) -> None:
    """Print the JSON Schema of this command's documents; with --json as well."""
    from dkimctl.output.schema import schema_text

    app = context.ensure_object(App)
    app.json = False  # the schema is the one document
    app.terminal.result(schema_text(context.command_path.split(maxsplit=1)[1]))


def _common(body: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command takes."""
    for option in reversed(
        (
            _common_option("--json", is_flag=True, help="Print one JSON document and nothing else."),
            _common_option(
                "--schema",
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_schema,
                help="Only print the JSON Schema of the documents of --json.",
            ),
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
