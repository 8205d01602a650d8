"""The command group: finds the command, runs it, and turns every outcome into an exit code."""

import importlib
import io
import os
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.commands import COMMANDS
from dkimctl.cli.frame import CONTEXT
from dkimctl.cli.layout import write_example
from dkimctl.errors import DiskError, DkimctlError, Unavailable, UsageError, disk_error

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PROGRAM = "dkimctl"
COMPLETE = "_DKIMCTL_COMPLETE"
INTERRUPTED = 130
BUG = 70
EXAMPLE = "dkimctl demo\nsudo dkimctl setup example.com --provider ovh"


class LazyGroup(click.Group):
    """Knows the commands by name and short help, and imports only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands, in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"dkimctl.cli.{cmd_name.replace('-', '_')}")
        found: click.Command = module.command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of `--help` from the table: importing every command takes five times as long."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first commands to type."""
        write_example(formatter, EXAMPLE)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the commands and options that complete `incomplete`, from the table as well."""
        from click.shell_completion import CompletionItem

        commands = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Raises UsageError with the closest match for an unknown command."""
        if args[0] in COMMANDS or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches

        meant = _OTHER_WORDS.get(args[0])
        near = [meant] if meant else get_close_matches(args[0], COMMANDS, n=1)
        hint = f"did you mean: {PROGRAM} {near[0]}" if near else f"see the commands: {PROGRAM} --help"
        raise UsageError(f"no such command: {args[0]}", hint=hint)


_OTHER_WORDS = {
    **dict.fromkeys(("remove", "rm", "del"), "delete"),
    **dict.fromkeys(("renew", "roll"), "rotate"),
}
"""What other programs call it; a word that only looks like a command of ours could do harm."""


@click.group(cls=LazyGroup, context_settings=CONTEXT)
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

        click.echo(f"{PROGRAM} {VERSION}")
        context.exit()


def run() -> int:
    """Run the command line and return the exit code, whatever happens."""
    if COMPLETE in os.environ:
        return _complete()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # so that every line can be printed without UTF-8
    json = "--json" in sys.argv or _wants("json", sys.argv)  # until the command line has been parsed
    app = App(json=json, nagios=_wants("nagios", sys.argv) and not json)
    code = 0
    try:
        code = _run(app)
        app.terminal.flush()
    except BrokenPipeError:
        app.terminal.abandon()  # the reader has gone (`dkimctl record | head`), which is no error
    except DiskError as error:  # stdout takes no more
        app.terminal.failure(error)
        return error.exit_code
    return code


def _complete() -> int:
    """Print completions; nothing where that fails: an error would appear in the line that is being typed."""
    from click.shell_completion import shell_complete

    try:
        return shell_complete(cli, {}, PROGRAM, COMPLETE, os.environ[COMPLETE])
    except Exception:
        App().terminal.abandon()
        return BUG


def _run(app: App) -> int:
    try:
        return _invoke(app)
    except KeyboardInterrupt as stop:
        return _interrupted(app, str(stop))
    except (EOFError, click.Abort):
        return _interrupted(app)
    except BrokenPipeError:
        raise
    except click.exceptions.NoArgsIsHelpError as error:
        app.terminal.usage(error.format_message())
        return UsageError.exit_code
    except click.ClickException as error:
        return _failed(_as_ours(error), app)
    except Exception as error:
        return _failed(error, app)


def _wants(form: str, words: list[str]) -> bool:
    return f"--format={form}" in words or ("--format", form) in pairwise(words)


def _invoke(app: App) -> int:
    # not cli.main(): it answers a broken pipe and Ctrl-C in its own way
    try:
        with app.terminal.writing(), cli.make_context(PROGRAM, sys.argv[1:], obj=app) as context:
            code = cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code  # after --help
    return code if isinstance(code, int) else 0


def _as_ours(error: click.ClickException) -> UsageError:
    context = error.ctx if isinstance(error, click.UsageError) else None
    leaf = context if context and not isinstance(context.command, click.Group) else None
    where = leaf.command_path if leaf else _named_command(sys.argv[1:])
    message, hint = " ".join(error.format_message().split()), f"see: {where} --help"  # choices come in lines of theirs
    if isinstance(error, click.NoSuchOption):
        message = f"no such option: {error.option_name}"
        if not leaf:
            hint = f"options come after the command's name: {where} {error.option_name}"
        elif error.possibilities:
            hint = f"did you mean: {' or '.join(error.possibilities)}"
    return UsageError(message[:1].lower() + message[1:].rstrip("."), hint=hint)


def _named_command(words: list[str]) -> str:
    """Return the command that was typed, with options between its words; COMMAND for the one that is missing."""
    path = [PROGRAM]
    found: click.Command = cli
    for word in words:
        known = found.get_command(click.Context(found), word) if isinstance(found, click.Group) else None
        if known:
            path.append(word)
            found = known
    return " ".join([*path, "COMMAND"] if isinstance(found, click.Group) else path)


def _as_failure(error: OSError | MemoryError) -> Unavailable:
    """Return the error for what no other module has described."""
    if isinstance(error, MemoryError):
        return Unavailable("there is not enough memory", hint="split the input, or add memory")
    return disk_error(f"continue at {error.filename}" if error.filename else "continue", error)


def _interrupted(app: App, what: str = "") -> int:
    if sys.stderr.isatty():
        sys.stderr.write("\n")  # after the terminal's own ^C
    if app.nagios:
        return _failed(Unavailable(f"interrupted; {what or 'not everything was checked'}"), app)
    app.terminal.note(what or "interrupted; what was finished stays, and run the same command again to continue")
    return INTERRUPTED


def _failed(error: Exception, app: App) -> int:
    if isinstance(error, DkimctlError):
        try:
            app.terminal.error(error)
        except BrokenPipeError:  # of stdout, which with --json gets the error as well
            app.terminal.abandon()
        return _code(error.exit_code, app)
    if isinstance(error, OSError | MemoryError):  # caused by the environment, not a bug
        return _failed(_as_failure(error), app)
    from dkimctl.cli.bug import report_bug

    report_bug(error, app.terminal)
    return _code(BUG, app)


def _code(code: int, app: App) -> int:
    """Return the exit code of an error: for Nagios UNKNOWN, as 2 would mean a wrong record and 70 nothing."""
    if not app.nagios:
        return code
    from dkimctl.output.nagios import UNKNOWN

    return UNKNOWN
