"""Find and read an `ovh.conf`, which only its owner may read."""

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dkimctl.config.settings import Option, Settings
from dkimctl.errors import ConfigError
from dkimctl.files import is_there
from dkimctl.names import printable
from dkimctl.providers.secretfile import secret_text

KEYS = ("application_key", "application_secret", "consumer_key")
OAUTH2 = ("client_id", "client_secret")
OWN_FILE = "/etc/dkimctl/ovh.conf"
_AROUND = " \t\r\n\v\f\u00a0\u200b\u200c\u200d\u2028\u2029\u2060\ufeff"


def cleaned(value: str) -> str:
    """Return a value without the blanks, line feeds and quotes that pasting leaves around it."""
    value = value.strip(_AROUND)
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1].strip(_AROUND)
    return value


@dataclass(frozen=True, slots=True)
class CredentialsFile:
    """A parsed `ovh.conf`, or none."""

    path: Path | None
    parser: configparser.RawConfigParser = field(repr=False)

    @staticmethod
    def none() -> "CredentialsFile":
        """Return a file without credentials."""
        return CredentialsFile(None, configparser.RawConfigParser())

    @property
    def endpoint(self) -> str:
        """The endpoint in `[default]`; empty where none is named."""
        return cleaned(self.parser.get("default", "endpoint", fallback=""))

    def values(self, endpoint: str) -> dict[str, str]:
        """Return the credentials for an endpoint, of either kind, by name."""
        found = {name: cleaned(self.parser.get(endpoint, name, fallback="")) for name in (*KEYS, *OAUTH2)}
        return {name: value for name, value in found.items() if value}

    @property
    def sections(self) -> list[str]:
        """The sections with complete or incomplete credentials."""
        return [name for name in ("DEFAULT", *self.parser.sections()) if self._has_keys(name)]

    def elsewhere(self, endpoint: str, name: str) -> str:
        """Return where a credential is instead: another section, or misspelled, as in `application-key`; or ""."""
        for section in self.parser.sections():
            for option, value in self.parser[section].items():
                if not value or _spelled(option) != name.replace("_", "") or (section, option) == (endpoint, name):
                    continue
                return f"{'' if option == name else f'spelled {option} '}under [{printable(section, 40)}]"
        return ""

    def _has_keys(self, section: str) -> bool:
        options = self.parser.defaults() if section == "DEFAULT" else self.parser[section]
        return any(options.get(name) for name in (*KEYS, *OAUTH2))


def _spelled(option: str) -> str:
    """Return an option without blanks, separators and the prefixes that other programs put in front."""
    return re.sub(r"[\s_-]", "", option.lower()).removeprefix("dns").removeprefix("ovh")


def home_directory() -> Path | None:
    """Return the user's home directory; None where there is none."""
    try:
        return Path.home()
    except RuntimeError:  # a user without a name and without HOME
        return None


def find_file(options: Mapping[str, Option], settings: Settings, home: Path | None) -> CredentialsFile:
    """Read the file that the options name, else the first of the usual ones. Raises ConfigError."""
    named = options.get("credentials")
    if named:
        path = settings.at(str(named))
        if not is_there(path):
            raise ConfigError(f"no such credentials file: {path}", hint="see [providers.ovh] credentials")
        return read_file(path)
    personal = [home / ".ovh.conf"] if home else []
    for path in (settings.at(OWN_FILE), *personal, settings.at("/etc/ovh.conf")):
        if is_there(path):
            return read_file(path)
    return CredentialsFile.none()


def read_file(path: Path) -> CredentialsFile:
    """Read an `ovh.conf`. Raises ConfigError, without any of its lines, when it is none or others can read it."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(secret_text(path, hint="correct the credentials file"))
    except configparser.Error as error:
        # the parser's message would quote lines of the file, and a line may hold a secret
        if isinstance(error, (configparser.DuplicateSectionError, configparser.DuplicateOptionError)):
            what = error.section if isinstance(error, configparser.DuplicateSectionError) else error.option
            raise ConfigError(
                f"{path} has {printable(str(what), 40)} twice (line {error.lineno})", hint="keep the one that is meant"
            ) from None
        line = f" (line {error.lineno})" if isinstance(getattr(error, "lineno", None), int) else ""  # type: ignore[attr-defined]
        raise ConfigError(
            f"{path} is not an ovh.conf{line}", hint="it looks like: [ovh-eu], then application_key=… and so on"
        ) from None
    return CredentialsFile(path, parser)
