"""`dkimctl fleet`: many relays with one truth in PostgreSQL."""

import click

from dkimctl.cli.app import App
from dkimctl.cli.fleet_relay import COMMANDS as RELAYS
from dkimctl.cli.fleet_simulate import command as simulate
from dkimctl.cli.frame import CONTEXT
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.layout import DIRECTORY, CommandGroup


@click.group(
    "fleet",
    cls=CommandGroup,
    example="sudo dkimctl fleet init\nsudo dkimctl fleet join mx1\nsudo dkimctl fleet sync\ndkimctl fleet status",
    context_settings=CONTEXT,
)
def command() -> None:
    """Keep the keys of many relays in one database.

    To begin, on the control host: fleet init; fleet import for existing keys; init, whose timer rotates. On each relay,
    whose own role in the database has been granted dkimctl_relay: fleet join NAME, then init, whose timer syncs. On the
    control host: fleet approve NAME. All of them name the database in dkimctl.toml: [fleet] database. Step by step: man
    dkimctl-fleet.

    On the control host, where the operator's identity is (`fleet init` makes it), setup, genkey, record, publish,
    rotate, hold, resume, revoke, delete, status, verify-dns, doctor and why work on the fleet's keys. On a relay
    render-config, doctor, why and selftest work on its local copy, and nothing changes it but fleet sync.

    Monitoring reads the views dkimctl.overview, dkimctl.domains,
    dkimctl.keys and dkimctl.relays with the role dkimctl_reader: they stay as they are, while tables may change.
    """


@make_command("init", example="sudo dkimctl fleet init\nsudo dkimctl fleet init --json")
def init(app: App) -> int:
    """Prepare the database, the operator's identity and the fleet key.

    What exists already is kept. The identity file alone opens the fleet's private keys: keep a copy of it apart
    from the database's backups. The roles dkimctl_control, dkimctl_relay and dkimctl_reader are created; no login
    gets one until you grant it.
    """
    from dkimctl.fleet.init import init as make
    from dkimctl.output.fleet import show_init

    made = make(app.settings)
    show_init(made, app.terminal)
    app.terminal.document("fleet", made, changed=made.is_change)
    return 0


@make_command("upgrade", example="sudo dkimctl fleet upgrade")
def upgrade(app: App) -> int:
    """Bring the database's schema to this version of dkimctl.

    Upgrade dkimctl on every host first: an older one refuses to work with a newer schema. Each step is done whole or
    not at all.
    """
    from dkimctl.fleet.init import upgrade as bring
    from dkimctl.output.fleet import show_upgrade

    done = bring(app.settings)
    show_upgrade(done, app.terminal)
    app.terminal.document("fleet", done, changed=done.is_change)
    return 0


@make_command("import", example="sudo dkimctl fleet import\nsudo dkimctl fleet import /srv/old-keys")
@click.argument("directory", type=DIRECTORY, required=False, metavar="[DIR]")
def bring_in(app: App, directory: str | None) -> int:
    """Import the keys of a key directory into the database.

    Without DIR, the key directory of this host. Keys are imported with their whole history, purged ones included;
    those that the database has already are left as they are there, so it is safe to run again. A domain whose key
    differs from the stored one of the same name is skipped, and the others go on (exit code 1). The directory is
    only read.
    """
    from pathlib import Path

    from dkimctl.fleet.access import control
    from dkimctl.fleet.importing import import_keys
    from dkimctl.keys.directory import KeyDirectory
    from dkimctl.output.fleet import show_import
    from dkimctl.output.progress import Meter

    keys = KeyDirectory(Path(directory)) if directory else app.store
    with control(app.settings) as (database, vault), Meter(app.terminal, "domains", clock=app.clock) as meter:
        done = import_keys(keys, database, vault, meter.advance)
    show_import(done, app.terminal)
    app.terminal.document("import", done, changed=done.is_change)
    return 1 if done.failures else 0


@make_command("export", example="sudo dkimctl fleet export --output /root/keys")
@click.option("--output", "directory", type=DIRECTORY, required=True, help="The directory to write to; made if needed.")
def give_back(app: App, directory: str) -> int:
    """Export the keys of the database as a key directory.

    The private keys, byte for byte, the records and the whole history, as in the key directory of a single host:
    dkimctl can go on with it without a fleet. A different private key is never overwritten. Run again after an
    interruption, it continues.
    """
    from pathlib import Path

    from dkimctl.fleet.access import control
    from dkimctl.fleet.exporting import export_keys
    from dkimctl.lifecycle.generation import key_owner
    from dkimctl.output.fleet import show_export
    from dkimctl.output.progress import Meter

    owner = key_owner(app.settings)
    with control(app.settings) as (database, vault), Meter(app.terminal, "domains", clock=app.clock) as meter:
        done = export_keys(database, vault, Path(directory), owner.owner, meter.advance)
    show_export(done, app.terminal)
    app.terminal.document("export", done, changed=done.is_change)
    return 0


for _command in (init, upgrade, bring_in, give_back, *RELAYS, simulate):
    command.add_command(_command)
