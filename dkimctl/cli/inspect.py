"""`dkimctl inspect`: explain a signature, a key record, a message or the code of a finding."""

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.completing import complete_codes
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.frame import dns_options
from dkimctl.cli.layout import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

    from click.shell_completion import CompletionItem

    from dkimctl.dkim.usable_key import FindRecords

_CODE = re.compile(r"[A-Za-z]{2,8}[0-9]{3}")


class _Subject(Place):
    """A file, completed by the shell, or a code, completed from the catalogue once it has begun."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Return the codes that begin like this, or the marker for files."""
        found = complete_codes(incomplete) if incomplete else []
        return found or super().shell_complete(ctx, param, incomplete)


@make_command(
    "inspect",
    example="dkimctl inspect message.eml\n"
    "dkimctl inspect - -v < message.eml\n"
    "dig +short TXT mail._domainkey.example.com | dkimctl inspect -\n"
    "dkimctl inspect DKIM203",
    public=True,
)
@click.argument("subjects", nargs=-1, type=_Subject("file"), metavar="[FILE|-|CODE]...")
@dns_options
def command(app: App, subjects: tuple[str, ...]) -> int:
    """Explain a message, a DKIM-Signature, a key record, or findings by their CODE.

    FILE (- is stdin) holds one of the three, or a mailbox; a key record also as dig, nslookup, a zone file or DNS
    over HTTPS prints it. Every tag is explained; each signature of a message is verified with the key from DNS, and
    where it fails, what was changed is named. -v shows what was hashed. Without an argument: every finding of
    verify-dns and doctor. Exit code: 0 right, 1 wrong or not signed, 3 not verified.
    """
    from dkimctl.dkim.explain import exit_code, explain
    from dkimctl.dkim.mail import Rest, portion
    from dkimctl.errors import UsageError
    from dkimctl.output.inspection import inspection_blocks

    if all(_is_code(subject) for subject in subjects):
        return _explain_codes(app, subjects)
    if len(subjects) > 1:
        raise UsageError("more than one file", hint="one at a time: dkimctl inspect message.eml")
    with _opened(subjects[0]) as stream:
        content = portion(stream, _KEPT)
        rest = Rest(stream, _MOST - _KEPT) if len(content) == _KEPT and stream.peek(1) else None
        inspection = explain(content, _find_records(app), app.clock.now(), rest)
    app.terminal.show(inspection_blocks(inspection, app.terminal.verbosity))
    app.terminal.document("inspection", inspection)
    return exit_code(inspection)


def _is_code(subject: str) -> bool:
    import os

    return _CODE.fullmatch(subject) is not None and not os.path.exists(subject)


def _explain_codes(app: App, codes: tuple[str, ...]) -> int:
    from dkimctl.catalogue import CATALOGUE
    from dkimctl.errors import UsageError
    from dkimctl.output.findings import entry_blocks
    from dkimctl.output.layout import separated

    unknown = [code for code in codes if code.upper() not in CATALOGUE]
    if unknown:
        raise UsageError(f"no such code: {unknown[0]}", hint="see them all: dkimctl inspect")
    entries = [CATALOGUE[code.upper()] for code in codes] or [CATALOGUE[code] for code in sorted(CATALOGUE)]
    app.terminal.show(separated(list(entry_blocks(entry)) for entry in entries))
    app.terminal.document("findings", entries)
    return 0


_KEPT = 16 << 20  # octets in memory; of a longer message the body is hashed while it is read
_MOST = 256 << 20  # octets: no server takes a mail of that size


@contextmanager
def _opened(source: str) -> "Iterator[BufferedReader]":
    """Yield the file, or stdin (`-`). Raises DiskError."""
    import sys
    from pathlib import Path

    from dkimctl.errors import disk_errors
    from dkimctl.files import is_there, open_file, read_named

    if source == "-":
        with disk_errors("read stdin"):
            yield sys.stdin.buffer  # type: ignore[misc]
        return
    if not is_there(source):
        read_named(source, hint="name a file, or the code of a finding: dkimctl inspect DKIM203")
    with disk_errors(f"read {source}"), open_file(Path(source), most=sys.maxsize) as file:
        yield file


def _find_records(app: App) -> "FindRecords":
    """Return a finder of key records that asks as a verifier of mail does: from the resolvers."""
    from dkimctl.dns.txt import txt_records

    lookup = app.settings.lookup
    return lambda owner: [text.decode("latin-1") for text in txt_records(owner, lookup)]
