"""`dkimctl inspect`: what a finding's code means."""

import click

from dkimctl.cli.frame import App
from dkimctl.cli.frame import command as make_command


@make_command("inspect", example="dkimctl inspect DKIM203\ndkimctl inspect")
@click.argument("codes", nargs=-1, metavar="[CODE]...")
def command(app: App, codes: tuple[str, ...]) -> int:
    """Explain findings by their CODE: what was noticed, why it matters, what to do.

    Without CODE, every finding that verify-dns and doctor know.
    """
    from dkimctl.errors import UsageError
    from dkimctl.host.catalogue import CATALOGUE as HOST
    from dkimctl.output.catalogue import entry_text
    from dkimctl.verify.catalogue import CATALOGUE as DNS

    known = {**DNS, **HOST}
    unknown = [code for code in codes if code.upper() not in known]
    if unknown:
        raise UsageError(f"no such code: {unknown[0]}", hint="see them all: dkimctl inspect")
    entries = [known[code.upper()] for code in codes] or [known[code] for code in sorted(known)]
    app.terminal.result("\n".join(entry_text(entry) for entry in entries))
    app.terminal.document("findings", entries)
    return 0
