"""`dkimctl render-config`: show, check, install or export the configuration of opendkim and Postfix."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.layout import DIRECTORY
from dkimctl.cli.milter_action import milter_action_option
from dkimctl.config.settings import SIGNERS

if TYPE_CHECKING:
    from dkimctl.config.settings import Settings
    from dkimctl.signers.rendered import Rendering


@make_command(
    "render-config",
    example="dkimctl render-config\n"
    "sudo dkimctl render-config --install\n"
    "sudo dkimctl render-config --undo --dry-run\n"
    "dkimctl render-config --socket inet:8891@localhost --output /tmp/tree",
)
@click.option("--diff", "show_diff", is_flag=True, help="Show what would change (this is the default).")
@click.option("--check", is_flag=True, help="Exit 1 when something differs from what is installed.")
@click.option(
    "--install",
    "do_install",
    is_flag=True,
    help="Write what differs, keep a backup, reload, prove it with test messages.",
)
@click.option("--undo", "do_undo", is_flag=True, help="Restore every file as it was before the last --install.")
@click.option("--dry-run", is_flag=True, help="With --undo: only show what would be restored.")
@click.option("--allow-unproven", is_flag=True, help="Also install keys that DNS was not seen to serve.")
@click.option("--output", type=DIRECTORY, help="Write everything below DIR instead.")
@click.option(
    "--signer",
    type=click.Choice(tuple(SIGNERS)),
    help="The daemon that signs (default opendkim).",
)
@click.option("--socket", metavar="SOCKET", help="local:/PATH (the default is one) or inet:PORT@HOST.")
@click.option("--tables", type=click.Choice(["file", "refile"]), help="Exact names (file, default) or patterns.")
@click.option(
    "--trusted-host", "trusted_hosts", multiple=True, metavar="HOST", help="Also sign mail from HOST; repeatable."
)
@click.option(
    "--canonicalization",
    type=click.Choice(["relaxed/simple", "relaxed/relaxed", "simple/simple", "simple/relaxed"]),
    metavar="HEADER/BODY",
    help="Of header and body, each relaxed or simple (default relaxed/simple).",
)
@milter_action_option
@click.option("--no-subdomains", is_flag=True, help="Do not sign for the sub-domains.")
def command(
    app: App,
    show_diff: bool,
    check: bool,
    do_install: bool,
    do_undo: bool,
    dry_run: bool,
    allow_unproven: bool,
    output: str | None,
    **choices: object,
) -> int:
    """Show the configuration of the signer and Postfix as a diff against what is installed.

    Your own lines in the tables are kept, and so are other milters of Postfix; the signer is put last. --install
    checks the new files first, and restores the old ones when a test message is not signed afterwards. It refuses a
    key that DNS was not seen to serve. --undo reverts the last --install, byte for byte, unless a file was changed
    since. Exit code 3 where a daemon has to be restarted by hand before the new files take effect.
    """
    _exclude(do_install, do_undo, check or show_diff, bool(output))
    if do_undo or dry_run:
        return _undo(app, do_undo=do_undo, dry_run=dry_run)
    from dkimctl.output.rendering import show_notices
    from dkimctl.signers.desired import desired

    app.refuse_without_signer()
    settings = _chosen(app.settings, **choices)  # type: ignore[arg-type]
    if do_install:
        return _install(app, settings, allow_unproven=allow_unproven)
    rendering = desired(settings, app.store)
    show_notices(rendering.notices, app.terminal)
    if output:
        return _write(app, rendering, output)
    code = _compare(app, settings, rendering, check=check, show_diff=show_diff or not check)
    return code or _unread(rendering)


def _unread(rendering: "Rendering") -> int:
    return 3 if rendering.unread else 0


def _exclude(*chosen: bool) -> None:
    if sum(chosen) > 1:
        from dkimctl.errors import UsageError

        raise UsageError("--install, --undo, --output and --check or --diff exclude each other", hint="use one of them")


def _undo(app: App, *, do_undo: bool, dry_run: bool) -> int:
    from dkimctl.errors import UsageError
    from dkimctl.install.journal import INSTALLATION
    from dkimctl.install.undo import undo
    from dkimctl.output.undone import show_undone

    if not do_undo:
        raise UsageError("--dry-run belongs to --undo", hint="what --install would do: dkimctl render-config")
    undone = undo(INSTALLATION, app.settings, dry_run=dry_run)
    show_undone(undone, app.terminal, dry_run=dry_run)
    app.terminal.document("undone", undone, changed=not dry_run)
    return 3 if undone.waits else 0


def _chosen(
    settings: "Settings",
    *,
    signer: str | None,
    socket: str | None,
    tables: str | None,
    trusted_hosts: tuple[str, ...],
    canonicalization: str | None,
    milter_default_action: str | None,
    no_subdomains: bool,
) -> "Settings":
    """Return the settings with the options applied; trusted hosts are added to the configured ones."""
    from dataclasses import replace

    settings = settings.signed_by(signer) if signer else settings
    signing = settings.signing
    changed = signing._replace(
        socket=socket or signing.socket,
        tables=tables or signing.tables,
        trusted_hosts=(*signing.trusted_hosts, *trusted_hosts),
        canonicalization=canonicalization or signing.canonicalization,
        milter_default_action=milter_default_action or signing.milter_default_action,
        subdomains=signing.subdomains and not no_subdomains,
    )
    return replace(settings, signing=changed)


def _compare(app: App, settings: "Settings", rendering: "Rendering", *, check: bool, show_diff: bool) -> int:
    from dkimctl.install.compare import compare
    from dkimctl.install.unified import diff_lines
    from dkimctl.install.way_back import refuse_in_rendering
    from dkimctl.output.rendering import difference_blocks, with_notices
    from dkimctl.output.rendering import show_diff as show

    refuse_in_rendering(rendering.postfix, settings)
    difference = compare(rendering, settings)
    if show_diff and not difference.is_empty and not app.json:
        show(diff_lines(rendering, difference, settings), app.terminal)
        app.terminal.note("to install it: the same command as root with --install")
    elif not (app.is_quiet and difference.is_empty):
        app.terminal.show(difference_blocks(difference))
    app.terminal.document("difference", with_notices(difference, rendering), changed=False)
    return 1 if check and not difference.is_empty else 0


def _write(app: App, rendering: "Rendering", output: str) -> int:
    from pathlib import Path

    from dkimctl.install.write import POSTFIX_FILE, write_tree

    written = write_tree(rendering, Path(output))
    app.terminal.result("".join(f"{path}\n" for path in written))
    app.terminal.document("written", {"files": written, "notices": rendering.notices}, changed=True)
    if rendering.postfix:
        app.terminal.note(f"to apply the Postfix settings on a host: xargs -d '\\n' postconf -e < {POSTFIX_FILE}")
    return _unread(rendering)


def _install(app: App, settings: "Settings", *, allow_unproven: bool) -> int:
    from dkimctl.install.install import install_current
    from dkimctl.output.rendering import installed_document, show_installation, show_notices

    shown: set[object] = set()

    def show(rendering: "Rendering") -> None:
        error = next((notice for notice in rendering.notices if notice.blocking), None)
        show_notices([n for n in rendering.notices if n is not error and n not in shown], app.terminal)
        shown.update(rendering.notices)

    rendering, proven = install_current(
        settings, app.store, clock=app.clock, allow_unproven=allow_unproven, before=show
    )
    is_new = not proven.switched.installed.changed.is_empty
    if is_new or proven.switched.waits or not app.is_quiet:
        show_installation(proven, app.terminal)
    app.terminal.document("installed", installed_document(proven, rendering), changed=is_new)
    if settings != app.settings:
        app.note_of_options()
    return 3 if proven.switched.waits else _unread(rendering)
