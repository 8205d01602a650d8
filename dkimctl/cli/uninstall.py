"""`dkimctl uninstall`: take everything of dkimctl out of this host's configuration."""

import click

from dkimctl.cli.app import App
from dkimctl.cli.frame import command as make_command


@make_command("uninstall", example="sudo dkimctl uninstall --dry-run\nsudo dkimctl uninstall")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
def command(app: App, dry_run: bool) -> int:
    """Remove dkimctl from opendkim, Postfix and systemd; mail flows as before.

    Its lines in opendkim.conf, the tables and main.cf are removed, its timer and units too, and the daemons reload.
    Keys, records, backups and your own lines stay; copies of these keys for rspamd or dkimpy-milter are removed. An
    adopted installation is given back by adopt --undo instead. Exit code 3 where a daemon has to be restarted by
    hand.
    """
    from dkimctl.install.uninstall import uninstall
    from dkimctl.output.removal import show_removal
    from dkimctl.timer import init, systemd

    timer = init.installed_files(app.settings) if dry_run else None
    units = tuple(systemd.running(app.settings, systemd.STARTED)) if dry_run else ()
    removed = uninstall(app.settings, app.store, now=app.clock.now(), dry_run=dry_run)
    gone = init.uninstall(app.settings) if timer is None else None
    show_removal(removed, gone, timer or (), units, app.terminal)
    changed = gone is not None and (gone.is_change or not removed.is_empty)
    value = {"configuration": removed, "timer": gone, "timer_files": timer or (), "timer_units": units}
    app.terminal.document("uninstalled", value, changed=changed)
    return 3 if removed.waits else 0
