"""dkimctl.toml(5): every table and key of the configuration file."""

from collections.abc import Iterator

from dkimctl.config.reference import REFERENCE
from dkimctl.config.reference_table import TableReference
from dkimctl.manual.roff import definitions, escape, example, prose, section, see_also, title

_DESCRIPTION = """\
/etc/dkimctl/dkimctl.toml is optional: a domain is managed as soon as it has a key, and every key below has a default
or may be left out. --config FILE or DKIMCTL_CONFIG names another file. The file is TOML. All mistakes in it are
reported at once, with table and key, and nothing is done then. For a user without access to /etc/dkimctl, which the
Debian package closes to others, the file counts as absent.

Secrets do not belong in this file. Each provider reads its own from a file of mode 0600 or from the environment.
"""


def configuration_page() -> str:
    """The page: a complete file with the defaults, then each table."""
    lines = [
        title("dkimctl.toml", 5),
        *section("NAME", ["dkimctl.toml \\- configuration of dkimctl"]),
        *section("DESCRIPTION", prose(_DESCRIPTION)),
        *(line for table in REFERENCE for line in _table(table)),
        *section("EXAMPLE", example(example_file())),
        *see_also(("dkimctl (1)", "dkimctl-findings (7)")),
    ]
    return "\n".join(lines) + "\n"


def example_file() -> str:
    """A file with every key, at its default where it has one."""
    return "\n".join(_toml(table) for table in REFERENCE)


def _toml(table: TableReference) -> str:
    lines = [f"{key.name} = {key.default}" for key in table.keys]
    return "\n".join(([f"[{table.header}]"] if table.header else []) + lines) + "\n"


def _table(table: TableReference) -> Iterator[str]:
    heading = f"[{table.header}]" if table.header else "TOP LEVEL"
    yield from section(escape(heading), prose(table.meaning))
    yield from definitions((f"{key.name} = {key.default}", key.meaning) for key in table.keys)
