"""The commands in a message, found so that they stay whole and carry the global options that were given."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dkimctl.errors import shell_word

NAMES = (
    *("setup", "genkey", "record", "render-config", "publish", "verify-dns", "status", "inspect", "doctor"),
    *("rotate", "revoke", "delete", "hold", "resume", "init", "uninstall"),
    *("fleet init", "fleet upgrade", "fleet join", "fleet approve", "fleet sync", "fleet status", "fleet drain"),
    *("fleet remove", "fleet import", "fleet export", "fleet simulate"),
    *("ovh login", "ovh whoami", "why", "adopt", "selftest", "sandbox", "demo"),
)
"""Our own commands, as a test compares them with the program."""

COMMENT = "  # "
"""Between a command and a comment to its end."""

_ARGUMENT = r"(?:'[^']*'|[^\s;,)`'])+"
_OURS = rf"\bdkimctl (?:{'|'.join(NAMES)})(?![\w-])"
_PROGRAMS = (
    r"apt|apt-get|cat|chgrp|chmod|chown|gpasswd|journalctl|ln|mkdir|mv|openssl|pip|postconf|postfix|printf|rm|rmdir|"
    r"sed|systemctl|timedatectl|usermod|xargs|editor(?= [+/'])|install(?= -)|find(?= /)|unset(?= [A-Z])"
)
_COMMAND = re.compile(
    rf"(?:sudo )?{_OURS}(?: {_ARGUMENT})*(?:{COMMENT}.*)?"
    rf"|(?:^|(?<=: ))(?:sudo )?(?:{_PROGRAMS})(?: \S.*)"
)


_ELSEWHERE = "".join(
    f"(?<!on {host}: {sudo})" for host in ("the control host", "each relay", "that relay") for sudo in ("", "sudo ")
)
"""Not after the words that say where a command is to be typed: that host has options of its own."""


class Piece(NamedTuple):
    """A part of a message."""

    text: str
    is_whole: bool
    """True for a command, with the comment at its end, which must not be broken."""


def pieces(text: str) -> Iterator[Piece]:
    """The prose and the commands of a message, in its order; together they are the message."""
    end = 0
    for command in _COMMAND.finditer(text):
        if command.start() > end:
            yield Piece(text[end : command.start()], is_whole=False)
        yield Piece(command[0], is_whole=True)
        end = command.end()
    if end < len(text):
        yield Piece(text[end:], is_whole=False)


def with_options(text: str, given: Mapping[str, str | None]) -> str:
    """The message with the options that were given, such as `--root`, after each command of ours for this host."""
    options = "".join(f" {option} {shell_word(value)}" for option, value in given.items() if value)
    if not options or "--root" in text:
        return text
    return re.sub(rf"{_ELSEWHERE}{_OURS}(?! --help)", lambda command: command[0] + options, text)
