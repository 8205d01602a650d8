"""The manual pages agree with the program: every command, option, configuration key and finding."""

import tomllib
from pathlib import Path

import pytest

from dkimctl.catalogue import CATALOGUE
from dkimctl.cli.main import cli
from dkimctl.config.load import load_settings
from dkimctl.config.reference import REFERENCE
from dkimctl.config.settings import DomainSettings, Settings
from dkimctl.errors import ConfigError
from dkimctl.manual.configuration import example_file
from dkimctl.manual.pages import manual_pages
from dkimctl.manual.roff import escape
from dkimctl.providers.lexicon import options as lexicon
from dkimctl.providers.ovh.credentials import OPTIONS as OVH_OPTIONS
from dkimctl.providers.registry import BUILT_IN
from dkimctl.providers.rfc2136.provider import OPTIONS as RFC2136_OPTIONS
from dkimctl.providers.zonefile.options import OPTIONS as ZONE_FILE_OPTIONS

PAGES = dict(manual_pages(cli))
TABLES = {table.header: {key.name for key in table.keys} for table in REFERENCE}
READ_BY_PROVIDERS = {
    "providers.ovh": set(OVH_OPTIONS),
    "providers.rfc2136": set(RFC2136_OPTIONS),
    "providers.zonefile": set(ZONE_FILE_OPTIONS),
    'providers."lexicon:cloudflare"': set(lexicon.OPTIONS),
}


def known_keys(directory: Path, header: str) -> set[str]:
    """The keys that the program says it knows in a table."""
    file = directory / "dkimctl.toml"
    file.write_text((f"[{header}]\n" if header else "") + "nonsense = 1\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(str(file), "/", {})
    return set(caught.value.problems[0].partition("known here: ")[2].split(", "))


def test_configuration_page_has_every_key(tmp_path: Path) -> None:
    """dkimctl.toml(5) documents exactly the tables and keys that are read, those of the providers included."""
    top = known_keys(tmp_path, "")
    documented = {header.split(".")[0] for header in TABLES if header} | TABLES[""]
    assert documented == top
    for header, keys in TABLES.items():
        if header in READ_BY_PROVIDERS:
            assert keys == READ_BY_PROVIDERS[header], header
        elif header:
            assert keys == known_keys(tmp_path, header), header


def test_configuration_example_is_the_defaults(tmp_path: Path) -> None:
    """The example in the manual loads, and its values are the defaults, but for its own domain and provider."""
    file = tmp_path / "dkimctl.toml"
    file.write_text(example_file())
    loaded, default = load_settings(str(file), "/", {}), Settings()
    assert (loaded.paths, loaded.keys, loaded.signing) == (default.paths, default.keys, default.signing)
    assert (loaded.lookup, loaded.lifecycle) == (default.lookup, default.lifecycle)
    assert loaded.provider in BUILT_IN
    assert loaded.domains["example.com"] != DomainSettings()
    assert tomllib.loads(example_file())["providers"]["ovh"]["endpoint"] == "ovh-eu"
    assert all(escape(line) in PAGES["dkimctl.toml.5"] for line in example_file().splitlines())


def test_findings_page_has_every_finding() -> None:
    """dkimctl-findings(7) has each code with its title, severity and fix."""
    page = PAGES["dkimctl-findings.7"]
    for code, entry in CATALOGUE.items():
        assert f"\\fB{code}\\fR ({entry.severity.value}): {escape(entry.title)}" in page
        assert escape(entry.meaning) in page
        assert escape(entry.fix) in page


def test_command_pages_show_what_help_shows() -> None:
    """Each option of a command is on its page, those that all commands share on dkimctl(1)."""
    from dkimctl.manual.commands import every_command, page_name

    for command, parent in every_command(cli):
        page = PAGES[f"{page_name(command, parent)}.1"]
        context = command.make_context(command.name, ["--help"], parent=parent, resilient_parsing=True)
        assert all(escape(option) in page for option, _ in command.own_options(context))
        assert all(escape(option) in PAGES["dkimctl.1"] for option, _ in command.common_options(context))
        assert all(escape(line) in page for line in command.example.splitlines())
