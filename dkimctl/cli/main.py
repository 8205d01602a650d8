"""The command group: finds the one command that is wanted, runs it, and turns every error into an exit code."""

import importlib
import os
import sys

import click

from dkimctl.cli.commands import COMMANDS
from dkimctl.cli.frame import CONTEXT, App

INTERRUPTED = 130
BUG = 70


class LazyGroup(click.Group):
    """Knows the commands by name and short help, and imports only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"dkimctl.cli.{cmd_name.replace('-', '_')}")
        found: click.Command = module.command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, from the table: importing every command would make it five times slower."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for one that does not exist, say which is near."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean: dkimctl {near[0]}" if near else "see the commands: dkimctl --help"
            raise click.UsageError(f"no such command: {args[0]}\n{hint}", ctx) from error


@click.group(
    cls=LazyGroup,
    context_settings=CONTEXT,
    epilog="\b\nExample:\n  dkimctl demo\n  sudo dkimctl setup example.com --provider ovh",
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda *a: _version(*a),
    help="Show the version.",
)
def cli() -> None:
    """DKIM for a Postfix + OpenDKIM relay: keys, configuration, DNS, proof.

    Every command has its own --help with an example.
    """


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from dkimctl.version import VERSION

        click.echo(f"dkimctl {VERSION}")
        context.exit()


def run() -> int:
    """Run the command line; the only place that knows every way to end."""
    try:
        code = cli.main(prog_name="dkimctl", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        return _interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # whoever read our output has gone (`dkimctl record | head`): nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except click.ClickException as error:
        return _usage(error)
    except Exception as error:
        return _failed(error)


def _app(context: click.Context | None = None) -> App:
    """The App of the command that ran; before there is one, as much of it as the arguments tell."""
    return App(json="--json" in sys.argv)


def _usage(error: click.ClickException) -> int:
    from dkimctl.errors import UsageError

    message, _, hint = error.format_message().partition("\n")
    where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "dkimctl"
    message = message[:1].lower() + message[1:].rstrip(".")
    _app().terminal.error(UsageError(message, hint=hint.strip() or f"see: {where} --help"))
    return UsageError.exit_code


def _interrupted() -> int:
    _app().terminal.note("interrupted; what was finished stays, and the same command goes on from there")
    return INTERRUPTED


def _failed(error: Exception) -> int:
    from dkimctl.errors import DkimctlError

    if isinstance(error, DkimctlError):
        _app().terminal.error(error)
        return error.exit_code
    from dkimctl.cli.bug import report_bug

    report_bug(error, _app().terminal)
    return BUG
