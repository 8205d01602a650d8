"""OVH credentials: from the environment, from files it names, or from an `ovh.conf` that only its owner may read.

The `ovh` library would also read `./ovh.conf`, which is unsafe for a tool run by root: everything is read here and
passed explicitly.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dkimctl.config.settings import Option, Settings
from dkimctl.errors import ConfigError
from dkimctl.files import is_there
from dkimctl.names import printable
from dkimctl.providers.base import check_strings
from dkimctl.providers.budget import credential_digest
from dkimctl.providers.ovh.credentials_file import (
    KEYS,
    OAUTH2,
    OWN_FILE,
    CredentialsFile,
    cleaned,
    find_file,
    home_directory,
    read_file,
)
from dkimctl.providers.ovh.endpoint import ENDPOINTS, web_host
from dkimctl.providers.secretfile import secret_text

DEFAULT_ENDPOINT = "ovh-eu"
OPTIONS = ("endpoint", "credentials")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Three keys of the classic kind, or the two of an OAuth2 service account; no part of them is in the repr."""

    endpoint: str
    """A name such as `ovh-eu`, or an `http://` URL on a loopback address."""
    application_key: str = field(default="", repr=False)
    application_secret: str = field(default="", repr=False)
    consumer_key: str = field(default="", repr=False)
    client_id: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)

    @property
    def is_oauth2(self) -> bool:
        """Return True for a service account."""
        return bool(self.client_id)

    @property
    def digest(self) -> str:
        """Return the name under which hosts share this credential's budget."""
        return credential_digest(self.endpoint, self.application_key, self.consumer_key, self.client_id)


def read_credentials(
    options: Mapping[str, Option], settings: Settings, environment: Mapping[str, str], home: Path | None = None
) -> Credentials:
    """Read the credentials: each value from the environment, else from the file.

    Raises ConfigError with every missing or invalid value.
    """
    return _whole(*_found(options, settings, environment, home))


def find_credentials(
    options: Mapping[str, Option], settings: Settings, environment: Mapping[str, str], home: Path | None = None
) -> Credentials | None:
    """Read the credentials, or return None where there are none. Raises ConfigError when they are incomplete."""
    endpoint, values, file = _found(options, settings, environment, home)
    is_misspelled = any(file.elsewhere(endpoint, name) for name in KEYS)
    return _whole(endpoint, values, file) if values or is_misspelled else None


def _whole(endpoint: str, values: dict[str, str], file: CredentialsFile) -> Credentials:
    kind = OAUTH2 if any(name in values for name in OAUTH2) else KEYS
    places = {name: place for name in kind if name not in values and (place := file.elsewhere(endpoint, name))}
    if places:
        there = ", ".join(f"{name} is {place}" for name, place in places.items())
        raise ConfigError(
            f"OVH credentials are missing: in {file.path} {there}",
            hint=f"write it under [{endpoint}], by the names {', '.join(kind)}",
        )
    _refuse_incomplete(values, file.path, kind, _where_from(endpoint))
    return Credentials(endpoint, **values)


def _found(
    options: Mapping[str, Option], settings: Settings, environment: Mapping[str, str], home: Path | None
) -> tuple[str, dict[str, str], CredentialsFile]:
    """Return the endpoint, the values of one kind, and the file that was read."""
    _check_options(options)
    given = _from_environment(environment)
    file = CredentialsFile.none() if _is_complete(given) else find_file(options, settings, home or home_directory())
    endpoint = given.pop("endpoint", "") or str(options.get("endpoint", "")) or file.endpoint or DEFAULT_ENDPOINT
    values = file.values(endpoint)
    if not values and file.sections and not _is_complete(given):
        raise _other_section(file, endpoint)
    return endpoint, _one_kind(given, values), file


def _other_section(file: CredentialsFile, endpoint: str) -> ConfigError:
    """Return the error for a file with keys for other endpoints only."""
    there = " and ".join(f"[{printable(name, 40)}]" for name in file.sections)
    first = file.sections[0]
    hint = f"if {first} is meant, name it: [default], then endpoint={first}; if not, write the keys under [{endpoint}]"
    if endpoint not in ENDPOINTS and first in ENDPOINTS:
        hint = f"write [default], then endpoint={first} and nothing more on that line"
    elif first.lower() == "default" or first not in ENDPOINTS:
        hint = f"write [{endpoint}] above the keys instead of [{printable(first, 40)}]"
    return ConfigError(
        f"{file.path} has credentials under {there}, and {endpoint} is the endpoint: no [{endpoint}]", hint=hint
    )


def read_application(
    options: Mapping[str, Option],
    settings: Settings,
    environment: Mapping[str, str],
    target: Path,
    home: Path | None = None,
) -> Credentials:
    """Read application key and secret, with which a consumer key is requested.

    They come from the environment, else from `target`, the file that will hold the consumer key, else from the usual
    files. Raises ConfigError.
    """
    _check_options(options)
    given = _from_environment(environment)
    given.pop("consumer_key", None)
    elsewhere = options if is_there(settings.at(str(options.get("credentials", "")))) else {}
    file = read_file(target) if is_there(target) else find_file(elsewhere, settings, home or home_directory())
    endpoint = given.pop("endpoint", "") or str(options.get("endpoint", "")) or file.endpoint or DEFAULT_ENDPOINT
    values = {name: value for name, value in _one_kind(given, file.values(endpoint)).items() if name != "consumer_key"}
    if any(name in values for name in OAUTH2):
        raise ConfigError(
            "an OAuth2 service account needs no consumer key: its rights are policies of the OVH account",
            hint="show its rights: dkimctl ovh whoami ZONE",
        )
    page = f"https://{web_host(endpoint)}/createApp/"
    _refuse_incomplete(
        values, file.path, KEYS[:2], f"create an application at {page} and set both, or write them to {target} (0600)"
    )
    return Credentials(endpoint, **values)


def stored_credentials(path: Path, endpoint: str) -> Credentials | None:
    """Return the three keys in a file for an endpoint, or None when they are incomplete. Raises ConfigError."""
    values = read_file(path).values(endpoint) if is_there(path) else {}
    return Credentials(endpoint, **values) if all(name in values for name in KEYS) else None


def _check_options(options: Mapping[str, Option]) -> None:
    hint = 'secrets do not belong in the configuration: name their file with credentials = "/path/ovh.conf"'
    check_strings("ovh", options, OPTIONS, hint=hint)


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    values = {}
    for name in ("endpoint", *KEYS, *OAUTH2):
        variable = f"OVH_{name.upper()}"
        if environment.get(variable) and environment.get(f"{variable}_FILE"):
            raise ConfigError(
                f"two credentials: {variable} and {variable}_FILE are both set", hint="unset the one that is not meant"
            )
        if value := cleaned(environment.get(variable, "")):
            values[name] = value
        elif path := environment.get(f"{variable}_FILE", ""):
            values[name] = cleaned(secret_text(Path(path), hint=f"correct {variable}_FILE"))
    return values


def _is_complete(values: Mapping[str, str]) -> bool:
    return all(name in values for name in KEYS) or all(name in values for name in OAUTH2)


def _one_kind(given: dict[str, str], filed: dict[str, str]) -> dict[str, str]:
    """Merge the values, environment over file; a kind of credentials in the environment excludes the other kind."""
    for kind, other in ((KEYS, OAUTH2), (OAUTH2, KEYS)):
        if any(name in given for name in kind) and not any(name in given for name in other):
            filed = {name: value for name, value in filed.items() if name in kind}
    values = {**filed, **given}
    if any(name in values for name in KEYS) and any(name in values for name in OAUTH2):
        raise ConfigError(
            "two kinds of OVH credentials at once: application keys and an OAuth2 client",
            hint="keep one: OVH_APPLICATION_KEY, _SECRET and OVH_CONSUMER_KEY, or OVH_CLIENT_ID and _SECRET",
        )
    doubtful = [name for name, value in values.items() if not re.fullmatch(r"[A-Za-z0-9_.~+/=-]+", value)]
    if doubtful:  # some of it no HTTP header can hold, so no call would even be sent
        raise ConfigError(
            f"not a value that OVH issues: {', '.join(doubtful)}",
            hint="copy it again, letters and digits only: it contains other characters",
        )
    return values


def _where_from(endpoint: str) -> str:
    return (
        "create all three on the page shown by dkimctl ovh login --show-rules ZONE, and write them to "
        f"{OWN_FILE}, mode 0600; or create an application at https://{web_host(endpoint)}/createApp/ "
        "and type: dkimctl ovh login ZONE"
    )


def _refuse_incomplete(values: Mapping[str, str], path: Path | None, kind: tuple[str, ...], hint: str) -> None:
    missing = [name for name in kind if name not in values]
    if missing:
        elsewhere = f", and {path} has none" if path else ""
        raise ConfigError(
            f"OVH credentials are missing: {', '.join(missing)}",
            hint=hint,
            problems=[f"{n}: OVH_{n.upper()} and OVH_{n.upper()}_FILE are not set{elsewhere}" for n in missing],
        )
