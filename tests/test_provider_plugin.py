"""A provider in another package, complete in under 60 lines and installed as usual; and broken ones."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.settings import Settings
from dkimctl.errors import ApiError, ConfigError
from dkimctl.providers.base import Capabilities, ProviderSetup
from dkimctl.providers.isolation import IsolatedProvider, open_isolated
from dkimctl.providers.registry import open_provider
from tests.conftest import REPOSITORY, Dkimctl, DkimctlInside
from tests.provider_suite import Account, ProviderSuite
from tests.publishing import ZONE, sandbox

EXAMPLE = REPOSITORY / "tests/plugin_example"
BROKEN = "import a_library_that_is_not_there\n"


def install(project: Path, target: Path) -> None:
    """Run `pip install`, without the network, into a directory of its own."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"]
    ended = subprocess.run([*pip, "--target", str(target), str(project)], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr


def copy_of_example(directory: Path, name: str, code: str) -> Path:
    """Copy the example's project under another name, with other code."""
    project = directory / name
    project.mkdir()
    described = (EXAMPLE / "pyproject.toml").read_text().replace("dnsmasq", name)
    (project / "pyproject.toml").write_text(described)
    (project / f"dkimctl_{name}.py").write_text(code)
    return project


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of packages: the example, and one that does not import."""
    place = tmp_path_factory.mktemp("site")
    sources = tmp_path_factory.mktemp("sources")
    install(copy_of_example(sources, "dnsmasq", (EXAMPLE / "dkimctl_dnsmasq.py").read_text()), place)
    install(copy_of_example(sources, "broken", BROKEN), place)
    return place


class TestExample(ProviderSuite):
    """The example passes the suite that every provider passes."""

    @pytest.fixture
    def account(self, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
        """Open it by its name, as `--provider dnsmasq:domain.tld` does."""
        monkeypatch.syspath_prepend(str(site))
        path = tmp_path / "dkim.conf"
        settings = Settings(providers={"dnsmasq": {"file": str(path)}})

        def look(name: str) -> list[str]:
            lines = path.read_text().splitlines() if path.exists() else []
            mine = [line for line in lines if line.startswith(f"txt-record={name},")]
            return [line.partition(",")[2].replace('","', "").strip('"') for line in mine]

        return Account(open_provider(f"dnsmasq:{ZONE}", settings, SYSTEM_CLOCK), ZONE, look)


def test_the_example_is_short() -> None:
    """A provider takes fewer than 60 lines; README shows this one."""
    assert len((EXAMPLE / "dkimctl_dnsmasq.py").read_text().splitlines()) < 60


def test_a_package_that_does_not_import_stops_no_other_domain(
    site: Path, dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names it for its own domain; the others are published, and the exit code is not 0."""
    monkeypatch.syspath_prepend(str(site))
    config = dkimctl_inside.root / "etc/dkimctl/dkimctl.toml"
    config.parent.mkdir(parents=True)
    config.write_text('provider = "ovh"\n[domains."other.example"]\nprovider = "broken"\n')
    with sandbox() as running:
        for domain in (ZONE, "other.example"):
            assert dkimctl_inside("genkey", domain, "-s", "mail", "--algorithm", "ed25519", "-q").code == 0
        run = dkimctl_inside("publish", "--no-wait", env=running.environment())
        assert run.code == 2
        assert f"mail._domainkey.{ZONE}: published" in run.out
        assert "mail._domainkey.other.example: the provider broken cannot be loaded: ModuleNotFoundError" in run.err


def test_the_example_as_a_user_types_it(site: Path, dkimctl: Dkimctl) -> None:
    """Installed beside dkimctl it is known by name and configured by its table."""
    with_plugins = {"PYTHONPATH": f"{REPOSITORY}:{site}"}
    (dkimctl.root / "etc/dnsmasq.d").mkdir(parents=True)
    assert dkimctl("genkey", ZONE, "-s", "mail", "--owner", "0:0").code == 0
    run = dkimctl("publish", ZONE, "--provider", f"dnsmasq:{ZONE}", env=with_plugins)
    assert run.code == 0, run.err
    written = (dkimctl.root / "etc/dnsmasq.d/dkim.conf").read_text()
    assert written.startswith(f'txt-record=mail._domainkey.{ZONE},"v=DKIM1')
    unknown = dkimctl("publish", ZONE, "--provider", "dnsmask", env=with_plugins)
    assert unknown.code == 2
    assert "dnsmasq" in unknown.err


def test_a_plugin_that_does_not_import_is_named_and_affects_nothing_else(site: Path, dkimctl: Dkimctl) -> None:
    """Using it is an error with its name and the reason; everything else works as if it were not installed."""
    with_plugins = {"PYTHONPATH": f"{REPOSITORY}:{site}"}
    assert dkimctl("genkey", ZONE, "-s", "mail", "--owner", "0:0").code == 0
    run = dkimctl("publish", ZONE, "--provider", "broken", env=with_plugins)
    assert run.code == 2
    assert "the provider broken cannot be loaded" in run.err
    assert "a_library_that_is_not_there" in run.err
    assert "Traceback" not in run.err
    other = dkimctl("publish", ZONE, "--provider", "manual", "--no-wait", env=with_plugins)
    assert other.code == 0, other.err


class Faulty:
    """A provider with mistakes of every kind."""

    name = "faulty"
    capabilities = Capabilities(field_type="TXT")

    def zone_of(self, name: str) -> str:
        raise ConnectionResetError("reset")

    def find(self, zone: str, names: object) -> object:
        return {}

    def apply(self, zone: str, changes: object) -> None:
        raise KeyError("oops")

    def name_servers(self, zone: str) -> tuple[str, ...]:
        raise SystemExit(5)

    def activate(self, zone: str) -> None:
        raise ApiError("its own words", hint="its own hint")

    is_active = None


SETUP = ProviderSetup("", {}, Settings(), SYSTEM_CLOCK)


def test_exceptions_of_a_plugin_become_errors_that_name_it() -> None:
    """Any exception, and `sys.exit`, becomes an error with exit code 3; our own errors are unchanged."""
    provider = IsolatedProvider(Faulty())  # type: ignore[arg-type]
    calls: list[Callable[[], object]] = [lambda: provider.zone_of("x"), lambda: provider.apply("x", [])]
    calls += [lambda: provider.is_active("x"), lambda: provider.name_servers("x")]
    for call in calls:
        with pytest.raises(ApiError, match="the provider faulty failed") as caught:
            call()
        assert caught.value.exit_code == 3
    with pytest.raises(ApiError, match="its own words"):
        provider.activate("x")
    assert provider.find("x", ["a", "b"]) == {"a": (), "b": ()}


@pytest.mark.parametrize("factory", [lambda _: None, lambda: None, 5, lambda _: object()])
def test_a_plugin_that_returns_no_provider(factory: object) -> None:
    """The mistake is reported when the provider is opened, not in the middle of the work."""
    with pytest.raises(ConfigError, match="the provider odd cannot be loaded"):
        open_isolated("odd", lambda: factory, SETUP)  # type: ignore[arg-type, return-value]
