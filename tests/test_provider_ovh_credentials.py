"""The sources of credentials, the values that are refused, and that no secret is ever shown."""

from pathlib import Path

import pytest

from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError
from dkimctl.providers.ovh.credentials import Credentials, find_credentials, read_credentials
from dkimctl.providers.ovh.endpoint import loopback_url

ENVIRONMENT = {"OVH_APPLICATION_KEY": "ak", "OVH_APPLICATION_SECRET": "as-secret", "OVH_CONSUMER_KEY": "ck-secret"}
FILE = "[default]\nendpoint=ovh-ca\n[ovh-ca]\napplication_key=fak\napplication_secret=fas\nconsumer_key=fck\n"
OAUTH2 = "[default]\nendpoint=ovh-eu\n[ovh-eu]\nclient_id=EU.x\nclient_secret=cs\n"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    """Write a file with exactly this mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def read(root: Path, environment: dict[str, str] | None = None, **options: str) -> Credentials:
    """Read the credentials with `root` as `/` and an empty home below it."""
    return read_credentials(options, Settings(root=root), environment or {}, home=root / "home")


def test_the_environment_is_enough(tmp_path: Path) -> None:
    """With three variables no file is read, not even one that would be refused."""
    write(tmp_path / "etc/dkimctl/ovh.conf", FILE, 0o644)
    found = read(tmp_path, ENVIRONMENT)
    assert (found.endpoint, found.application_key, found.consumer_key) == ("ovh-eu", "ak", "ck-secret")


def test_a_variable_may_name_a_file(tmp_path: Path) -> None:
    """As for systemd credentials and container secrets; the final line feed is not part of the secret."""
    path = write(tmp_path / "secret", "from-a-file\n")
    environment = {k: v for k, v in ENVIRONMENT.items() if k != "OVH_CONSUMER_KEY"}
    assert read(tmp_path, {**environment, "OVH_CONSUMER_KEY_FILE": str(path)}).consumer_key == "from-a-file"


@pytest.mark.parametrize("place", ["etc/dkimctl/ovh.conf", "home/.ovh.conf", "etc/ovh.conf"])
def test_the_usual_files_are_found(tmp_path: Path, place: str) -> None:
    """dkimctl's own file, the user's and the machine's, in the ovh library's format."""
    write(tmp_path / place, FILE)
    assert read(tmp_path) == Credentials("ovh-ca", "fak", "fas", "fck")


def test_find_credentials_accepts_none(tmp_path: Path) -> None:
    """`find_credentials` returns None or complete credentials, and raises for incomplete ones."""
    settings, home = Settings(root=tmp_path), tmp_path / "home"
    assert find_credentials({}, settings, {}, home) is None
    with pytest.raises(ConfigError, match="missing: application_key, application_secret"):
        find_credentials({}, settings, {"OVH_CONSUMER_KEY": "ck-secret"}, home)
    write(tmp_path / "etc/ovh.conf", FILE)
    assert find_credentials({}, settings, {}, home) == Credentials("ovh-ca", "fak", "fas", "fck")


def test_a_user_without_a_home_has_no_file_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a uid without a user name, as in containers, the other places are searched."""

    def without_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", without_home)
    assert find_credentials({}, Settings(root=tmp_path), {}) is None


def test_a_file_in_the_working_directory_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would read ./ovh.conf, which is unsafe for a command that root runs anywhere."""
    write(tmp_path / "here/ovh.conf", FILE)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ConfigError, match="missing"):
        read(tmp_path)


def test_a_named_file_is_the_only_one(tmp_path: Path) -> None:
    """When the file in `[providers.ovh] credentials` is missing, no other file is used."""
    write(tmp_path / "etc/ovh.conf", FILE)
    write(tmp_path / "other.conf", OAUTH2)
    assert read(tmp_path, credentials="/other.conf").client_id == "EU.x"
    with pytest.raises(ConfigError, match="no such credentials file"):
        read(tmp_path, credentials="/absent.conf")


def test_environment_over_file_value_by_value(tmp_path: Path) -> None:
    """As in the library, a variable overrides the file, and the rest comes from the file."""
    write(tmp_path / "etc/dkimctl/ovh.conf", FILE)
    found = read(tmp_path, {"OVH_CONSUMER_KEY": "newer"})
    assert (found.application_key, found.consumer_key) == ("fak", "newer")


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The hint is the chmod command."""
    path = write(tmp_path / "etc/dkimctl/ovh.conf", FILE, mode)
    with pytest.raises(ConfigError, match="can be read by other users") as caught:
        read(tmp_path)
    assert caught.value.hint == f"chmod 600 {path}"
    assert caught.value.exit_code == 2


def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Files named by variables must not be readable by other users either."""
    path = write(tmp_path / "secret", "x", 0o644)
    with pytest.raises(ConfigError, match="can be read by other users"):
        read(tmp_path, {**ENVIRONMENT, "OVH_APPLICATION_SECRET": "", "OVH_APPLICATION_SECRET_FILE": str(path)})


def test_all_missing_values_are_reported_together(tmp_path: Path) -> None:
    """The error names the places searched for each value and the page to create them."""
    with pytest.raises(ConfigError, match="application_secret, consumer_key") as caught:
        read(tmp_path, {"OVH_APPLICATION_KEY": "ak"})
    assert len(caught.value.problems) == 2
    assert "OVH_CONSUMER_KEY_FILE" in caught.value.problems[1]
    assert "dkimctl ovh login --show-rules ZONE" in caught.value.hint


def test_half_a_service_account_is_reported(tmp_path: Path) -> None:
    """An id without its secret is an error."""
    with pytest.raises(ConfigError, match="client_secret"):
        read(tmp_path, {"OVH_CLIENT_ID": "EU.x"})


def test_two_kinds_at_once_are_refused(tmp_path: Path) -> None:
    """A stray OVH_CLIENT_ID beside application keys is explained better than by the library."""
    with pytest.raises(ConfigError, match="two kinds"):
        read(tmp_path, {**ENVIRONMENT, "OVH_CLIENT_ID": "EU.x", "OVH_CLIENT_SECRET": "s"})


def test_the_environment_decides_the_kind(tmp_path: Path) -> None:
    """With a service account in the environment, application keys in a file are ignored."""
    write(tmp_path / "etc/ovh.conf", FILE.replace("ovh-ca", "ovh-eu"))
    found = read(tmp_path, {"OVH_CLIENT_ID": "EU.x"} | {"OVH_CLIENT_SECRET": "s"})
    assert found.is_oauth2
    assert not found.application_key


def test_an_unreadable_file_is_not_quoted(tmp_path: Path) -> None:
    """The parser's own error would quote a line, which may contain a secret."""
    write(tmp_path / "etc/dkimctl/ovh.conf", "the-secret-on-a-line-of-its-own\n")
    with pytest.raises(ConfigError, match=r"not an ovh\.conf \(line 1\)") as caught:
        read(tmp_path)
    assert "the-secret" not in f"{caught.value} {caught.value.hint} {caught.value.problems}"


def test_the_configuration_takes_no_secrets(tmp_path: Path) -> None:
    """All unknown keys are reported, with what to do instead."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, consumer_key="x", endpont="ovh-eu")
    assert len(caught.value.problems) == 2
    assert "credentials" in caught.value.hint


@pytest.mark.parametrize("value", ["…", "a\nb", "a b", "\u202eabc", "a\tb", "schlüssel"])
def test_a_value_that_no_header_can_hold_is_refused(tmp_path: Path, value: str) -> None:
    """Such as the dots of an unfilled example; the value is named but not shown."""
    with pytest.raises(ConfigError, match="not a value that OVH issues: application_secret") as caught:
        read(tmp_path, {**ENVIRONMENT, "OVH_APPLICATION_SECRET": value})
    assert value not in caught.value.message + caught.value.hint


def test_no_secret_in_the_repr() -> None:
    """The repr of the credentials contains no secret."""
    shown = repr(Credentials("ovh-eu", "ak", "as-secret", "ck-secret", "id", "cs-secret"))
    assert "secret" not in shown.replace("application_secret", "").replace("client_secret", "")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/1.0", "http://localhost:1/1.0/", "http://[::1]:99/1.0"])
def test_loopback_urls_are_endpoints(url: str) -> None:
    """They are for a replacement of the API on this machine."""
    assert loopback_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://eu.api.ovh.com/1.0",
        "https://127.0.0.1:8080/1.0",
        "http://127.0.0.1.example.com:80/1.0",
        "http://192.0.2.1:80/1.0",
        "http://127.0.0.1/1.0",
        "ftp://127.0.0.1:1/",
        "http://[::1",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    """Signed requests are never sent unencrypted over a network, nor to an unknown host."""
    with pytest.raises(ConfigError, match="not an endpoint"):
        loopback_url(url)


# --- files as people leave them

KEYS = {"application_key": "fak1", "application_secret": "fas2", "consumer_key": "fck3"}


def conf(section: str, form: str = "{}={}", start: str = "") -> str:
    """An ovh.conf with the keys under a section, each in this form."""
    return start + f"[{section}]\n" + "".join(form.format(name, value) + "\n" for name, value in KEYS.items())


@pytest.mark.parametrize("form", [
    "{}={}", "{} = {} ", '{}="{}"', "{} = '{}'", "{}: {}", "{}={}\u00a0", "{}=\u00a0{}", "{}=\ufeff{}\u200b",
    '{}=" {} "', "{}={}\r",
])  # fmt: skip
@pytest.mark.parametrize("start", ["", "\ufeff", "\ufeff# a comment\n"])
def test_additions_of_editors_and_pasting_are_not_part_of_a_key(tmp_path: Path, form: str, start: str) -> None:
    """Blanks of every kind, quotes, a byte order mark: the keys are the same."""
    write(tmp_path / "etc/ovh.conf", conf("ovh-eu", form, start))
    found = read(tmp_path)
    assert (found.application_key, found.application_secret, found.consumer_key) == tuple(KEYS.values())


@pytest.mark.parametrize(
    "value", ["ck-secret\n", "ck-secret\u00a0", '"ck-secret"', "\ufeffck-secret\r\n", " ck-secret"]
)
@pytest.mark.parametrize("by_file", [True, False])
def test_the_same_for_a_variable_and_the_file_it_names(tmp_path: Path, value: str, by_file: bool) -> None:
    """Additions of a shell, a control panel or an editor are removed."""
    environment = {k: v for k, v in ENVIRONMENT.items() if k != "OVH_CONSUMER_KEY"}
    if by_file:
        environment["OVH_CONSUMER_KEY_FILE"] = str(write(tmp_path / "secret", value))
    else:
        environment["OVH_CONSUMER_KEY"] = value
    assert read(tmp_path, environment).consumer_key == "ck-secret"


@pytest.mark.parametrize(
    ("section", "endpoint", "hint"),
    [
        ("ovh-ca", "", "[default], then endpoint=ovh-ca"),
        ("ovh-eu", "ovh-ca", "[default], then endpoint=ovh-eu"),
        ("default", "", "write [ovh-eu] above the keys instead of [default]"),
        ("DEFAULT", "ovh-ca", "instead of [DEFAULT]"),
        ("ovh_eu", "", "instead of [ovh_eu]"),
        ("OVH-EU", "ovh-eu", "instead of [OVH-EU]"),
        ("ovh-eu", "ovh-eu ; in Europe", "endpoint=ovh-eu and nothing more on that line"),
        ("ovh-ca", "OVH-CA", "endpoint=ovh-ca and nothing more"),
        ("evil\x1b[31m", "", "instead of [evil"),
    ],
)
def test_keys_under_another_section_are_found_and_named(tmp_path: Path, section: str, endpoint: str, hint: str) -> None:
    """The error names the section sought and the one found, and does not advise to create existing keys."""
    start = f"[default]\nendpoint={endpoint}\n" if endpoint else ""
    path = write(tmp_path / "etc/ovh.conf", conf(section, start=start))
    for look in (read, lambda root: find_credentials({}, Settings(root=root), {}, root / "home")):
        with pytest.raises(ConfigError) as caught:
            look(tmp_path)
        error = caught.value
        assert f"{path} has credentials under [{section[:4]}" in error.message
        assert f"no [{endpoint or 'ovh-eu'}]" in error.message
        assert hint in error.hint
        assert error.message.isprintable()
        assert not any(key in error.message + error.hint for key in KEYS.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (conf("ovh-eu", "{}={}").replace("_", "-"), "application_key is spelled application-key under [ovh-eu]"),
        (conf("ovh-eu").replace("consumer_key", "consumer key"), "consumer_key is spelled consumer key under"),
        (conf("ovh-eu").replace("consumer_key", "consumerKey"), "consumer_key is spelled consumerkey under"),
        (conf("ovh-eu").replace("consumer_key", "OVH_CONSUMER_KEY"), "consumer_key is spelled ovh_consumer_key"),
        (conf("ovh-eu").replace("consumer_key", "dns_ovh_consumer_key"), "spelled dns_ovh_consumer_key"),
        (
            conf("ovh-eu").replace("consumer_key", "[ovh-ca]\nconsumer_key"),
            "consumer_key is under [ovh-ca]",
        ),
        (conf("ovh-eu") + conf("ovh-eu"), "has ovh-eu twice (line 5)"),
        (conf("ovh-eu") + "consumer_key=another\n", "has consumer_key twice (line 5)"),
    ],
)
def test_keys_that_are_there_under_another_name(tmp_path: Path, text: str, words: str) -> None:
    """A misspelled name, one key under another section, a section or key twice: named, and nothing is to be created."""
    write(tmp_path / "etc/ovh.conf", text)
    for look in (read, lambda root: find_credentials({}, Settings(root=root), {}, root / "home")):
        with pytest.raises(ConfigError) as caught:
            look(tmp_path)
        assert words in caught.value.message
        assert "create" not in caught.value.hint
        assert not any(key in caught.value.message + caught.value.hint for key in (*KEYS.values(), "another"))
