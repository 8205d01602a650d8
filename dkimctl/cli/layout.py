"""The layout of `--help`: a command's own options, the common ones, an example."""

from typing import TYPE_CHECKING, Any

import click

from dkimctl.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Place(click.ParamType):  # type: ignore[type-arg]  # it is not generic in older versions
    """A parameter that names a `file` or a directory (`dir`), completed by the shell; nothing is checked here."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Return the marker for the shell's own completion."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type=self.name)]


FILE = Place("file")
DIRECTORY = Place("dir")


class CommonOption(click.Option):
    """An option that every command takes; `--help` shows those after the command's own."""


class Command(click.Command):
    """A command with an example, whose lines `--help` shows at the end as they are typed."""

    def __init__(self, *args: Any, example: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.example = example

    def invoke(self, ctx: click.Context) -> Any:
        """Run it. Raises UsageError for an option with an empty value, as a script gives with a variable not set."""
        for option in self.params:
            # treated as absent, --root "$STAGING" would change this machine instead of a tree
            if isinstance(option, click.Option) and ctx.params.get(option.name or "") == "" and option.default != "":
                raise UsageError(f"{option.opts[-1]} has an empty value", hint="give a value, or omit the option")
        return super().invoke(ctx)

    def own_options(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Return the options of this command only, each with its help."""
        return self._options(ctx, common=False)

    def common_options(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Return the options that every command has, each with its help."""
        return self._options(ctx, common=True)

    def _options(self, ctx: click.Context, *, common: bool) -> list[tuple[str, str]]:
        help_option = self.get_help_option(ctx)
        options = [parameter for parameter in self.get_params(ctx) if isinstance(parameter, click.Option)]
        wanted = [o for o in options if (isinstance(o, CommonOption) or o is help_option) is common]
        return [record for option in wanted if (record := option.get_help_record(ctx))]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the common ones."""
        for title, records in (("Options", self.own_options(ctx)), ("Common options", self.common_options(ctx))):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the epilog, then the example."""
        if self.epilog:
            formatter.write_paragraph()
            formatter.write_text(self.epilog)
        write_example(formatter, self.example)


class CommandGroup(click.Group):
    """Commands below a common word, with an example at the end of its `--help`."""

    def __init__(self, *args: Any, example: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.example = example

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands, in the order in which they are used."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Raises UsageError with the existing ones for an unknown command."""
        if args[0] in self.commands or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        known = ", ".join(f"{ctx.command_path} {name}" for name in self.commands)
        raise UsageError(f"no such command: {self.name} {args[0]}", hint=f"there are: {known}")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the commands and options that complete `incomplete`, with their whole short help."""
        items = super().shell_complete(ctx, incomplete)
        for item in items:
            if item.value in self.commands:
                item.help = self.commands[item.value].get_short_help_str(limit=200)
        return items

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example."""
        write_example(formatter, self.example)


def write_example(formatter: click.HelpFormatter, example: str) -> None:
    """Write lines as they are typed, never wrapped."""
    with formatter.section("Example"):
        for line in example.splitlines():
            formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
