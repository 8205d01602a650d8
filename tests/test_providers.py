"""Tests of OVH and zone files beyond the suite for all providers; and the registry of providers."""

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError, UsageError
from dkimctl.providers.base import Create, Delete, Provider, ProviderRecord, Replace
from dkimctl.providers.registry import BUILT_IN, GROUP, open_provider, provider_names
from dkimctl.providers.zonefile.provider import ZoneFileProvider
from tests.publishing import NAME, ZONE, account, manual_clock, rsa_record, sandbox

ZONE_FILE = f"""\
$ORIGIN {ZONE}.
$TTL 3600
@ IN SOA ns1 hostmaster 2026010100 3600 600 86400 300
@ IN NS ns1
ns1 IN A 127.0.0.1
"""


@pytest.fixture(params=["ovh", "zonefile"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Provider]:
    """OVH and a zone file, each with one empty zone."""
    if request.param == "zonefile":
        path = tmp_path / "zone"
        path.write_text(ZONE_FILE)
        yield ZoneFileProvider(path, manual_clock())
        return
    with sandbox() as running:
        yield account(running)


def record(provider: Provider, text: str, *, ttl: int = 0) -> ProviderRecord:
    """Return a record of the provider's own type."""
    return ProviderRecord(NAME, provider.capabilities.field_type, text, ttl)


def texts(provider: Provider) -> list[str]:
    """Return the texts at the usual name."""
    return [found.text for found in provider.find(ZONE, [NAME])[NAME]]


@pytest.mark.parametrize("bits", [1024, 2048, 4096])
def test_a_written_record_is_read_back_equal(provider: Provider, bits: int) -> None:
    """Records of one or several character-strings come back unchanged."""
    text = rsa_record(bits=bits).text
    provider.apply(ZONE, [Create(record(provider, text, ttl=300))])
    [found] = provider.find(ZONE, [NAME])[NAME]
    assert (found.text, found.ttl, found.name) == (text, 300, NAME)


def test_texts_with_quotes_and_backslashes_survive(provider: Provider) -> None:
    """Pasted texts survive; OVH stores such a text only as TXT."""
    text = 'say "hello" \\ ; (v=1)'
    provider.apply(ZONE, [Create(replace(record(provider, text), field_type="TXT"))])
    assert texts(provider) == [text]


def test_changes_are_done_in_order(provider: Provider) -> None:
    """Replace one, create another, delete the first: foreign records are kept."""
    provider.apply(ZONE, [Create(record(provider, "v=DKIM1; p=AAAA")), Create(record(provider, "v=DKIM1; p=BBBB"))])
    first, second = provider.find(ZONE, [NAME])[NAME]
    provider.apply(ZONE, [Replace(second, replace(second, text="v=DKIM1; p=CCCC", ttl=600)), Delete(first)])
    assert texts(provider) == ["v=DKIM1; p=CCCC"]
    assert provider.find(ZONE, [NAME])[NAME][0].ttl == 600


# --- the registry


def test_the_built_in_providers_are_entry_points_like_any_other() -> None:
    """The table for use from a source tree equals pyproject.toml."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][GROUP] == BUILT_IN


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    """It is a usage error that lists them."""
    with pytest.raises(UsageError, match="unknown provider: route54") as caught:
        open_provider("route54", Settings(), manual_clock())
    assert all(name in caught.value.hint for name in BUILT_IN)


def plugin(directory: Path, name: str, code: str) -> None:
    """Install a distribution with one provider."""
    (directory / f"{name}_plugin.py").write_text(code)
    metadata = directory / f"{name}_plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {name}_plugin:open_it\n")


def test_other_packages_can_add_providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point of the group is enough; its table of the configuration is passed to it."""
    plugin(
        tmp_path,
        "notebook",
        "from dkimctl.providers.manual import ManualProvider\n"
        "def open_it(setup):\n"
        "    made = ManualProvider()\n"
        "    made.name = f\"notebook {setup.argument} {setup.options['page']}\"\n"
        "    return made\n",
    )
    monkeypatch.syspath_prepend(tmp_path)
    settings = Settings(providers={"notebook": {"page": 7}})
    assert open_provider("notebook:red", settings, manual_clock()).name == "notebook red 7"
    assert "notebook" in provider_names()


def test_a_provider_that_does_not_import_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package's mistake is not a bug of ours, and the other providers work."""
    plugin(tmp_path, "broken", "import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="the provider broken cannot be loaded: ModuleNotFoundError"):
        open_provider("broken", Settings(), manual_clock())
    assert open_provider("manual", Settings(), manual_clock()).name == "manual"


@pytest.mark.parametrize(("text", "words"), [("ovh:x", "no argument after"), ("zonefile", "needs a file")])
def test_invalid_arguments_are_refused(text: str, words: str) -> None:
    """`ovh` accepts no argument, `zonefile` needs one."""
    with pytest.raises(ConfigError, match=words):
        open_provider(text, Settings(), manual_clock())
