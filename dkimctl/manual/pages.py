"""All manual pages by file name."""

from collections.abc import Iterator

import click

from dkimctl.manual.commands import command_page, every_command, overview_page, page_name
from dkimctl.manual.configuration import configuration_page
from dkimctl.manual.findings import findings_page
from dkimctl.manual.fleet import fleet_page


def manual_pages(group: click.Group) -> Iterator[tuple[str, str]]:
    """Yield (file name, text) of each page: `dkimctl.1`, `dkimctl-setup.1`, …, `dkimctl.toml.5`."""
    yield "dkimctl.1", overview_page(group)
    for command, parent in every_command(group):
        yield f"{page_name(command, parent)}.1", command_page(command, parent)
    yield "dkimctl.toml.5", configuration_page()
    yield "dkimctl-findings.7", findings_page()
    yield "dkimctl-fleet.7", fleet_page()
