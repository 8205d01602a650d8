"""dkimctl(1), and a page for each command."""

from collections.abc import Iterator

import click

from dkimctl.cli.layout import Command
from dkimctl.manual.roff import definitions, escape, example, prose, section, see_also, title

EXIT_STATUS = {
    0: "everything asked for was done, or checked and found right",
    1: "a check found an error, `--check` found a difference, or something was refused to keep mail or a key safe",
    2: "wrong usage or configuration; all problems of a file are reported at once",
    3: "could not be completed: network, DNS, API or disk failed; running it again may help",
    70: "a bug in dkimctl: one line says where the traceback was written",
    130: "interrupted; what was finished stays, and run the same command again to continue",
}

ENVIRONMENT = {
    "DKIMCTL_CONFIG": "the configuration file (`--config`)",
    "DKIMCTL_ROOT": "take every system path below this directory (`--root`)",
    "DKIMCTL_NAMESERVERS": "resolvers, HOST or HOST:PORT, separated by commas or blanks (`--nameserver`)",
    "DKIMCTL_DNS_PORT": "the port at which authoritative servers are queried (`--dns-port`)",
    "OVH_ENDPOINT": "OVH's region (ovh-eu, ovh-ca, ovh-us), or a http:// address on loopback for the sandbox",
    "OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET, OVH_CONSUMER_KEY": "OVH's credentials; each also with _FILE at its"
    " end, naming a file that only its owner can read",
    "OVH_CLIENT_ID, OVH_CLIENT_SECRET": "an OAuth2 service account instead; each also with _FILE at its end",
    "DKIMCTL_SMTP_PASSWORD": "the password of `selftest --auth`; or DKIMCTL_SMTP_PASSWORD_FILE, a file of mode 0600",
    "NO_COLOR": "no colours",
}

FILES = {
    "/etc/dkimctl/dkimctl.toml": "defaults, providers and domains; optional: see dkimctl.toml(5)",
    "/etc/dkimctl/ovh.conf": "the keys of the OVH API, mode 0600; `dkimctl ovh login` writes it",
    "/etc/opendkim/keys/DOMAIN/SELECTOR.private": "a private key",
    "/etc/opendkim/keys/DOMAIN/SELECTOR.txt": "its record, in zone-file form",
    "/etc/opendkim/keys/DOMAIN/SELECTOR.json": "its metadata",
    "/etc/opendkim.conf, /etc/opendkim/{KeyTable,SigningTable,TrustedHosts}": "what opendkim reads",
}

_OTHERS = ("dkimctl.toml (5)", "dkimctl-findings (7)")
_DAEMONS = ("opendkim (8)", "opendkim.conf (5)", "opendkim-genkey (8)", "postconf (1)")


def overview_page(group: click.Group) -> str:
    """dkimctl(1): what there is, and what all commands have in common."""
    commands = list(every_command(group))
    names = [page_name(command, parent) for command, parent in commands]
    shared = commands[0][0].common_options(_context(*commands[0]))
    lines = [
        title("dkimctl", 1),
        *section("NAME", [f"dkimctl \\- {escape(_first_line(group).rstrip('.'))}"]),
        *section("SYNOPSIS", [".B dkimctl", ".I COMMAND", "[options] [arguments]"]),
        *section("DESCRIPTION", prose(group.help or "")),
        *section(
            "COMMANDS",
            definitions(
                (f"{name} (1)", _first_line(command)) for name, (command, _) in zip(names, commands, strict=True)
            ),
        ),
        *section("COMMON OPTIONS", definitions(shared)),
        *section("EXIT STATUS", definitions((str(code), text) for code, text in EXIT_STATUS.items())),
        *section("ENVIRONMENT", definitions(ENVIRONMENT.items())),
        *section("FILES", definitions(FILES.items())),
        *see_also((*_OTHERS, *_DAEMONS)),
    ]
    return "\n".join(lines) + "\n"


def command_page(command: Command, parent: click.Context) -> str:
    """The page of one command: usage, description, its own options, examples."""
    context, name = _context(command, parent), page_name(command, parent)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [
        title(name, 1),
        *section("NAME", [f"{escape(name)} \\- {escape(_first_line(command).rstrip('.'))}"]),
        *section("SYNOPSIS", [f".B {escape(context.command_path)}", escape(usage)]),
        *section("DESCRIPTION", [*prose(command.help or ""), *prose(command.epilog or "")]),
        *section("OPTIONS", definitions(command.own_options(context))),
        ".PP",
        "The options that every command has, exit codes, environment and files are in",
        ".BR dkimctl (1).",
        *section("EXAMPLES", example(command.example)),
        *see_also(("dkimctl (1)", *_OTHERS)),
    ]
    return "\n".join(lines) + "\n"


def every_command(group: click.Group, context: click.Context | None = None) -> Iterator[tuple[Command, click.Context]]:
    """Every command with its parent context; those of a group in the group's place."""
    parent = context or click.Context(group, info_name="dkimctl", **group.context_settings)
    for name in group.list_commands(parent):
        found = group.get_command(parent, name)
        if isinstance(found, Command):
            yield found, parent
        elif isinstance(found, click.Group):
            yield from every_command(
                found, click.Context(found, info_name=name, parent=parent, **found.context_settings)
            )


def page_name(command: Command, parent: click.Context) -> str:
    """`dkimctl-ovh-login` for `dkimctl ovh login`."""
    return f"{parent.command_path} {command.name}".replace(" ", "-")


def _context(command: Command, parent: click.Context) -> click.Context:
    return click.Context(command, info_name=command.name, parent=parent, **command.context_settings)


def _first_line(found: click.Command) -> str:
    return (found.help or "").strip().partition("\n")[0]
