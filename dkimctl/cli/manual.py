"""The manual page dkimctl(1), made from the commands themselves when the package is built."""

import re
from collections.abc import Iterable, Iterator

import click

from dkimctl.cli.layout import Command
from dkimctl.version import VERSION

EXIT_STATUS = {
    0: "everything asked for was done, or checked and found right",
    1: "a check found an error, `--check` found a difference, or something was refused to keep mail or a key safe",
    2: "wrong usage or configuration; all problems of a file are reported at once",
    3: "could not be completed: network, DNS, API or disk failed; running it again may help",
    70: "a bug in dkimctl: one line says where the traceback was written",
    130: "interrupted; what was finished stays, and the same command goes on from there",
}

ENVIRONMENT = {
    "DKIMCTL_CONFIG": "the configuration file (`--config`)",
    "DKIMCTL_ROOT": "take every system path below this directory (`--root`)",
    "DKIMCTL_NAMESERVERS": "resolvers, HOST or HOST:PORT, separated by commas or blanks (`--nameserver`)",
    "DKIMCTL_DNS_PORT": "the port at which authoritative servers are asked (`--dns-port`)",
    "OVH_ENDPOINT": "OVH's region (ovh-eu, ovh-ca, ovh-us), or a http:// address on loopback for the sandbox",
    "OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET, OVH_CONSUMER_KEY": "OVH's credentials; each also with _FILE at its"
    " end, naming a file that only its owner can read",
    "OVH_CLIENT_ID, OVH_CLIENT_SECRET": "an OAuth2 service account in their place; each also with _FILE at its end",
    "DKIMCTL_SMTP_PASSWORD": "the password of `selftest --auth`; or DKIMCTL_SMTP_PASSWORD_FILE, a file of mode 0600",
    "NO_COLOR": "no colours",
}

FILES = {
    "/etc/dkimctl/dkimctl.toml": "defaults, providers and domains; optional",
    "/etc/dkimctl/ovh.conf": "the keys of the OVH API, mode 0600; `dkimctl ovh login` writes it",
    "/etc/opendkim/keys/DOMAIN/SELECTOR.private": "a private key",
    "/etc/opendkim/keys/DOMAIN/SELECTOR.txt": "its record, in zone-file form",
    "/etc/opendkim/keys/DOMAIN/SELECTOR.json": "what is remembered about it",
    "/etc/opendkim.conf, /etc/opendkim/{KeyTable,SigningTable,TrustedHosts}": "what opendkim reads",
}

SEE_ALSO = ("opendkim (8),", "opendkim.conf (5),", "opendkim-genkey (8),", "postconf (1)")


def manual_page(group: click.Group) -> str:
    """The page in man(7) macros, for the whole command tree."""
    top = click.Context(group, info_name="dkimctl")
    commands = list(_commands(group, top))
    lines = [
        f'.TH DKIMCTL 1 "" "dkimctl {VERSION}" "System administration"',
        *_section("NAME", [f"dkimctl \\- {_roff(_first_line(group).rstrip('.'))}"]),
        *_section("SYNOPSIS", [".B dkimctl", ".I COMMAND", "[options] [arguments]"]),
        *_section("DESCRIPTION", _prose(group.help or "")),
        *_section("COMMANDS", (line for command, parent in commands for line in _command(command, parent))),
        *_section("COMMON OPTIONS", _definitions(commands[0][0].common_options(_context(*commands[0])))),
        *_section("EXIT STATUS", _definitions((str(code), text) for code, text in EXIT_STATUS.items())),
        *_section("ENVIRONMENT", _definitions(ENVIRONMENT.items())),
        *_section("FILES", _definitions(FILES.items())),
        *_section("SEE ALSO", [f".BR {page}" for page in SEE_ALSO]),
    ]
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[Command, click.Context]]:
    """Every command with the context it stands in, those of groups in the place of the group."""
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, Command):
            yield found, context
        elif isinstance(found, click.Group):
            yield from _commands(found, click.Context(found, info_name=name, parent=context))


def _context(command: Command, parent: click.Context) -> click.Context:
    return click.Context(command, info_name=command.name, parent=parent, **command.context_settings)


def _command(command: Command, parent: click.Context) -> Iterator[str]:
    context = _context(command, parent)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f'.SS "{context.command_path} {_roff(usage)}"'
    yield from _prose(command.help or "")
    yield from _definitions(command.own_options(context))
    yield from _prose(command.epilog or "")
    yield from (".PP", "Example:", ".nf", ".RS", *map(_roff, command.example.splitlines()), ".RE", ".fi")


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return [f".SH {title}", *lines]


def _definitions(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in pairs:
        yield from (".TP", f"\\fB{_roff(term)}\\fR", _roff(text))


def _prose(text: str) -> Iterator[str]:
    """Click's help text: paragraphs, of which those after a line `\\b` keep their line ends."""
    for paragraph in filter(None, re.split(r"\n\s*\n", text.strip())):
        lines = [line.rstrip() for line in paragraph.splitlines()]
        if lines[0].strip() == "\b":
            yield from (".PP", ".nf", *map(_roff, lines[1:]), ".fi")
        else:
            yield from (".PP", _roff(" ".join(line.strip() for line in lines)))


def _first_line(found: click.Command) -> str:
    return (found.help or "").strip().partition("\n")[0]


def _roff(text: str) -> str:
    """`text` with everything escaped that roff would take as its own."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("`", "\\(ga")
    return re.sub(r"^([.'])", r"\\&\1", escaped)
