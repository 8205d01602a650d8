"""`dkimctl init`: a daily timer for `rotate`, directories for hooks, a configuration to begin with."""

import click

from dkimctl.cli.app import App
from dkimctl.cli.frame import command as make_command


@make_command("init", example="sudo dkimctl init\nsudo dkimctl init --uninstall")
@click.option("--uninstall", is_flag=True, help="Stop the timer and remove what init installed, unless it was changed.")
def command(app: App, uninstall: bool) -> int:
    """Install a daily timer for rotate, hook directories, and a commented dkimctl.toml.

    On a relay of a fleet the timer runs fleet sync every minute, and a unit runs it once before the signer starts;
    dkimctl-sync-watch.service, for changes at once, is installed but not enabled. A file that you wrote or changed is
    neither replaced nor removed. Units from a package are used as they are, unless dkimctl.toml needs others. Run it
    again after an upgrade, after a change of the paths or hours in dkimctl.toml, or after fleet join; doctor says
    when that is due.
    """
    from dkimctl.output.initial import show_init
    from dkimctl.timer import init
    from dkimctl.timer.program import own_program

    done = init.uninstall(app.settings) if uninstall else init.install(app.settings, own_program(app.settings))
    show_init(done, app.terminal)
    app.terminal.document("init", done, changed=done.is_change)
    return 0
