"""What the `fleet` commands did, for people."""

from dkimctl.errors import CheckFailed
from dkimctl.fleet.exporting import Exported
from dkimctl.fleet.importing import Imported
from dkimctl.fleet.init import Fleet
from dkimctl.names import counted
from dkimctl.output.layout import Line
from dkimctl.output.terminal import Terminal


def show_init(made: Fleet, terminal: Terminal) -> None:
    """Show what there is now, and what to keep."""
    show_upgrade(made, terminal)
    terminal.show([Line(f"identity: {made.identity} ({made.fingerprint})")])
    if made.has_new_key:
        terminal.show([Line("fleet key: made, and wrapped for that identity")])
        terminal.note(f"keep a copy of {made.identity} apart from the database: without it no private key can be read")


def show_upgrade(done: Fleet, terminal: Terminal) -> None:
    """Show the version of the schema."""
    was = f", was {done.schema_before}" if done.schema_before not in (0, done.schema) else ""
    terminal.show([Line(f"{done.database}: schema {done.schema}{was}")])


def show_import(done: Imported, terminal: Terminal) -> None:
    """Show what came in, and each domain that did not."""
    for failure in done.failures:
        terminal.failure(CheckFailed(f"{failure.domain}: {failure.message}", hint=failure.hint))
    restored = f", {counted(done.restored, 'key')} restored" if done.restored else ""
    left = f", {len(done.failures)} not imported" if done.failures else ""
    terminal.show([Line(f"{counted(done.domains, 'domain')}: {counted(done.new, 'key')} imported{restored}{left}")])


def show_export(done: Exported, terminal: Terminal) -> None:
    """Show what was written."""
    terminal.show([Line(f"{done.directory}: {counted(done.keys, 'key')} of {counted(done.domains, 'domain')}")])
