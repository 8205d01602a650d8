"""The configuration: defaults, the file, the environment, and every mistake of a file at once."""

from pathlib import Path

import pytest

from dkimctl.config.load import load_settings
from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError, UsageError
from tests.conftest import DkimctlOfNobody, needs


def load(tmp_path: Path, text: str, **environment: str) -> Settings:
    """The settings from a file with this text."""
    path = tmp_path / "dkimctl.toml"
    path.write_text(text)
    return load_settings(str(path), None, environment)


def test_no_file_gives_the_defaults(tmp_path: Path) -> None:
    """The tool works with no configuration at all."""
    settings = load_settings(None, str(tmp_path), {})
    assert settings.source is None
    assert settings.keys.bits == 2048
    assert settings.signing.tables == "file"
    assert settings.key_directory == tmp_path / "etc/opendkim/keys"


def test_file_below_the_root_is_the_default(tmp_path: Path) -> None:
    """With --root, the configuration is the staging tree's own."""
    (tmp_path / "etc/dkimctl").mkdir(parents=True)
    (tmp_path / "etc/dkimctl/dkimctl.toml").write_text('provider = "manual"\n')
    assert load_settings(None, str(tmp_path), {}).provider == "manual"


def test_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Editors on Windows put one there; it is no part of the first word."""
    file = tmp_path / "dkimctl.toml"
    file.write_bytes(b'\xef\xbb\xbfprovider = "ovh"\n')
    assert load_settings(str(file), str(tmp_path), {}).provider == "ovh"


def test_every_table_is_read(tmp_path: Path) -> None:
    """What the admin wrote is what the settings say."""
    settings = load(
        tmp_path,
        """
        provider = "ovh"
        [paths]
        keys = "/etc/dkimkeys"
        [keys]
        bits = 4096
        selector = "s%Y"
        [signing]
        socket = "inet:8891@localhost"
        tables = "refile"
        trusted_hosts = ["127.0.0.1", "192.0.2.0/24"]
        subdomains = false
        [dns]
        nameservers = ["192.0.2.53"]
        [providers.ovh]
        credentials = "/etc/dkimctl/ovh.conf"
        [domains."Example.COM"]
        selector = "mail"
        ttl = 600
        """,
    )
    assert settings.provider == "ovh"
    assert settings.paths.keys == "/etc/dkimkeys"
    assert settings.keys.selector == "s%Y"
    assert settings.signing.trusted_hosts == ("127.0.0.1", "192.0.2.0/24")
    assert settings.signing.subdomains is False
    assert settings.lookup.nameservers == ("192.0.2.53",)
    assert settings.providers["ovh"] == {"credentials": "/etc/dkimctl/ovh.conf"}
    assert settings.domain("example.com").ttl == 600
    assert settings.domain("other.example").ttl is None


def test_every_mistake_is_reported_with_its_table_and_key(tmp_path: Path) -> None:
    """Three mistakes, three lines, one exit code."""
    with pytest.raises(ConfigError) as caught:
        load(
            tmp_path,
            """
            [keys]
            bits = "many"
            [signing]
            tables = "hash"
            [domains."example.com"]
            sellector = "mail"
            """,
        )
    problems = caught.value.problems
    assert len(problems) == 3
    assert caught.value.exit_code == 2
    assert any("[keys] bits: must be a whole number, not 'many'" in line for line in problems)
    assert any("[signing] tables: must be one of file, refile, not 'hash'" in line for line in problems)
    assert any('[domains."example.com"] sellector: unknown; known here:' in line for line in problems)
    assert all(str(tmp_path / "dkimctl.toml") in line for line in problems)


@pytest.mark.parametrize("text", ["[keys", "a = ", "\ufeffa = 1", "keys = 3", "[providers]\novh = 1", "\x00"])
def test_broken_file_is_a_configuration_error(tmp_path: Path, text: str) -> None:
    """Any file gives settings, or one of our errors with exit code 2."""
    with pytest.raises(ConfigError):
        load(tmp_path, text)


def test_file_that_was_named_must_exist(tmp_path: Path) -> None:
    """Absent is fine for the default place, not for one that was asked for."""
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_settings(str(tmp_path / "none.toml"), None, {})


def test_environment_names_servers_and_port(tmp_path: Path) -> None:
    """The environment wins over the file."""
    settings = load(
        tmp_path,
        "[dns]\nport = 5300\n",
        DKIMCTL_NAMESERVERS="127.0.0.1:5353, 127.0.0.2",
        DKIMCTL_DNS_PORT="5353",
    )
    assert settings.lookup.nameservers == ("127.0.0.1:5353", "127.0.0.2")
    assert settings.lookup.port == 5353


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "²"])
def test_port_in_the_environment_must_be_one(port: str) -> None:
    """A mistyped port is a usage error, not a traceback."""
    with pytest.raises(UsageError, match="DKIMCTL_DNS_PORT"):
        load_settings(None, None, {"DKIMCTL_DNS_PORT": port})


def test_root_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    """A mistyped --root must not start an empty tree somewhere."""
    with pytest.raises(UsageError, match="not a directory"):
        load_settings(None, str(tmp_path / "none"), {})


@pytest.mark.parametrize(
    "text",
    [
        '[paths]\nkeys = "/etc/a\\u0000b"\n',
        '[signing]\nsocket = "local:/run/a\\u001bb"\n',
        '[signing]\ntrusted_hosts = ["a\\u0000b"]\n',
        '[providers.ovh]\ncredentials = "/etc/a\\u0000b"\n',
        '[providers.zonefile]\nreload = ["a\\u0000b"]\n',
        '[domains."x.example"]\nprovider = "zonefile:/a\\nb"\n',
    ],
)
def test_text_that_no_file_name_can_hold(tmp_path: Path, text: str) -> None:
    """NUL, line breaks and escape sequences are mistakes anywhere."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert len(caught.value.problems) == 1
    assert "must be printable" in caught.value.problems[0]
    assert caught.value.problems[0].isprintable()


def test_a_value_is_shown_in_part(tmp_path: Path) -> None:
    """A wrong value of any length is a line that can be read."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f'[keys]\nbits = "{"x" * 5000}"\n')
    assert len(caught.value.problems[0]) < 300


def test_a_file_that_is_nested_too_deeply(tmp_path: Path) -> None:
    """It is told as a mistake of the file."""
    with pytest.raises(ConfigError, match="nested too deeply"):
        load(tmp_path, "a = " + "[" * 100_000)


@needs(root=True, namespaces=True)
def test_a_directory_that_the_user_may_not_pass_counts_as_no_configuration(dkimctl_of_nobody: DkimctlOfNobody) -> None:
    """The package's /etc/dkimctl is for root alone; what is public can be asked without it, unless a file is named."""
    directory = dkimctl_of_nobody.scratch.root / "etc/dkimctl"
    directory.mkdir(parents=True)
    (directory / "dkimctl.toml").write_text("broken")
    directory.chmod(0o750)
    assert "dkimctl.toml" not in dkimctl_of_nobody("record", "example.com").err
    named = dkimctl_of_nobody("record", "example.com", "--config", str(directory / "dkimctl.toml"))
    assert (named.code, "dkimctl.toml" in named.err) == (3, True)
