"""`dkimctl adopt`: take over an opendkim installation that was configured by hand."""

from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App
from dkimctl.cli.frame import command as make_command

if TYPE_CHECKING:
    from dkimctl.adopt.plan import Adoption
    from dkimctl.config.settings import Settings


@make_command(
    "adopt",
    example="sudo dkimctl adopt\nsudo dkimctl adopt --install\nsudo dkimctl adopt --undo",
)
@click.option("--diff", "show_diff", is_flag=True, help="Show what would change (this is the default).")
@click.option("--check", is_flag=True, help="Exit 1 when there is something to take over.")
@click.option("--install", "do_install", is_flag=True, help="Take over: write what differs, keep a backup, reload.")
@click.option("--undo", "do_undo", is_flag=True, help="Restore every file as it was before the last --install.")
def command(app: App, show_diff: bool, check: bool, do_install: bool, do_undo: bool) -> int:
    """Take over an opendkim installation that was configured by hand.

    Keys stay in place, mail is signed exactly as before, and lines that dkimctl does not manage are kept. With rspamd
    as the signer its keys are copied, and its own files stay as they are. Without --install nothing is written. Exit
    code: 1 when a key in use has an error, 3 when one could not be read, or a daemon has to be restarted by hand.
    """
    _exclude(do_undo, do_install, check or show_diff)
    if do_undo:
        return _undo(app)
    if do_install:
        from dkimctl.install.lock import with_current_files

        return with_current_files(app.settings, lambda: _planned(app, install=True, check=check))
    return _planned(app, install=False, check=check)


def _planned(app: App, *, install: bool, check: bool) -> int:
    from dkimctl.adopt.other_signer import plan_keys
    from dkimctl.adopt.plan import plan_adoption
    from dkimctl.host.world import read_world
    from dkimctl.output.adoption import show_adoption
    from dkimctl.signers.registry import signer_of

    world = read_world(app.settings)
    plan = plan_adoption if signer_of(app.settings).explains else plan_keys
    adoption = plan(world, app.store, app.clock.now())
    show_adoption(adoption, app.terminal)
    done = _install if install else _compare
    code = done(app, adoption.settings, adoption)
    return max(code if check or install else 0, adoption.exit_code)


def _exclude(*chosen: bool) -> None:
    if sum(chosen) > 1:
        from dkimctl.errors import UsageError

        raise UsageError("--install, --undo and --check or --diff exclude each other", hint="use one of them")


def _compare(app: App, settings: "Settings", adoption: "Adoption") -> int:
    from dkimctl.install.compare import compare
    from dkimctl.install.unified import diff_lines
    from dkimctl.install.way_back import refuse_in_rendering
    from dkimctl.output.adoption import adoption_document
    from dkimctl.output.layout import GAP
    from dkimctl.output.rendering import show_diff

    refuse_in_rendering(adoption.rendering.postfix, settings)
    difference = compare(adoption.rendering, settings)
    if not difference.is_empty and not app.json:
        app.terminal.show([GAP])
        show_diff(diff_lines(adoption.rendering, difference, settings), app.terminal)
        app.terminal.note("nothing was written; to take it over: dkimctl adopt --install")
    app.terminal.document("adoption", adoption_document(adoption, difference), changed=False)
    return int(not difference.is_empty)


def _install(app: App, settings: "Settings", adoption: "Adoption") -> int:
    from dkimctl.errors import shell_word
    from dkimctl.install.install import install
    from dkimctl.install.journal import ADOPTION, mark_complete, with_note
    from dkimctl.output.adoption import adoption_document
    from dkimctl.output.layout import GAP
    from dkimctl.output.rendering import show_installation

    if not adoption.taken:
        app.terminal.document("adoption", adoption_document(adoption, None), changed=False)
        return 0
    rendering = with_note(ADOPTION, adoption.rendering, settings, app.clock.now())
    proven = install(rendering, settings, app.store, clock=app.clock)
    mark_complete(ADOPTION, settings)
    app.terminal.show([GAP])
    show_installation(proven, app.terminal)
    is_new = not proven.switched.installed.changed.is_empty
    app.terminal.document("adoption", adoption_document(adoption, proven), changed=is_new)
    names = list(dict.fromkeys(one.domain for one in adoption.taken))
    resume = f"dkimctl resume {shell_word(names[0]) if len(names) == 1 else 'DOMAIN...'}"
    app.terminal.note(f"its keys are rotated once you say that no other host signs with them: {resume}")
    app.terminal.note("to undo it: dkimctl adopt --undo")
    app.terminal.note(
        "no key is switched while dkimctl would write anything else: see what it would change: dkimctl render-config; "
        "install it: dkimctl render-config --install"
    )
    return 3 if proven.switched.waits else 0


def _undo(app: App) -> int:
    from dkimctl.install.journal import ADOPTION
    from dkimctl.install.undo import undo
    from dkimctl.output.undone import show_undone

    undone = undo(ADOPTION, app.settings)
    show_undone(undone, app.terminal)
    app.terminal.document("undone", undone, changed=True)
    return 3 if undone.waits else 0
