"""The settings of one service: the configuration's tables, a file for secrets, and the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dkimctl.config.schema import read_document
from dkimctl.config.settings import Option, Settings
from dkimctl.errors import ConfigError
from dkimctl.providers.base import Capabilities
from dkimctl.providers.budget import credential_digest
from dkimctl.providers.lexicon.services import FORMS, TextForm
from dkimctl.providers.secretfile import secret_text

_SECRET = re.compile(r"token|secret|pass|key|otp|2fa|session", re.IGNORECASE)


OPTIONS = ("credentials", "text_limit", "minimum_ttl", "text_form")
"""The keys of a table that dkimctl reads; all others are passed to dns-lexicon."""


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """The settings of one service."""

    service: str
    values: Mapping[str, object] = field(repr=False)
    """dns-lexicon's own options; its `LEXICON_*` variables take precedence."""
    secrets: tuple[str, ...] = field(repr=False)
    """The values to hide in every message."""
    capabilities: Capabilities
    text_form: TextForm

    @property
    def credential_digest(self) -> str:
        """Return the name under which hosts share the rate limit of this account."""
        options = (f"{name}={value}" for name, value in sorted(self.values.items()))
        return credential_digest(self.service, *self.secrets, *options)


def service_options(service: str, settings: Settings) -> ServiceOptions:
    """Read `[providers.lexicon]`, `[providers."lexicon:NAME"]`, the file `credentials` and the environment.

    Raises ConfigError with every mistake in the tables.
    """
    table = {**settings.providers.get("lexicon", {}), **settings.providers.get(f"lexicon:{service}", {})}
    own = _OwnOptions(f'[providers."lexicon:{service}"]', table)
    limit = own.number("text_limit")
    least = own.number("minimum_ttl")
    form = own.form(FORMS.get(service, TextForm.PLAIN))
    path = own.text("credentials")
    own.refuse()
    filed = _from_file(path, settings) if path else {}
    variables = {k: v for k, v in os.environ.items() if k.startswith(f"LEXICON_{service.upper()}_")}
    secrets = [str(value) for value in filed.values()] + [v for k, v in variables.items() if _SECRET.search(k)]
    return ServiceOptions(
        service,
        {**own.rest, **filed},
        tuple(sorted((s for s in secrets if len(s) > 3), key=len, reverse=True)),
        Capabilities(field_type="TXT", text_limit=limit, minimum_ttl=least or 0),
        form,
    )


def _from_file(path: str, settings: Settings) -> dict[str, object]:
    """Read a TOML file with secrets (`auth_token = "…"`), which only its owner may be able to read."""
    place = settings.at(path)
    text = secret_text(place, hint='write the service\'s secrets to it, mode 0600, such as: auth_token = "…"')
    return read_document(place, text.encode())


class _OwnOptions:
    """The merged table; reading one of dkimctl's own options removes it from `rest`."""

    def __init__(self, place: str, table: Mapping[str, Option]) -> None:
        self.place = place
        self.rest = dict(table)
        self.problems: list[str] = []

    def text(self, key: str) -> str:
        value = self.rest.pop(key, "")
        if not isinstance(value, str):
            self.problems.append(f"{self.place} {key}: must be a string")
            return ""
        return value

    def number(self, key: str) -> int | None:
        value = self.rest.pop(key, None)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
            return value
        self.problems.append(f"{self.place} {key}: must be a number above 0")
        return None

    def form(self, usual: TextForm) -> TextForm:
        value = self.text("text_form")
        if value and value not in list(TextForm):
            self.problems.append(f"{self.place} text_form: must be one of {', '.join(TextForm)}")
            return usual
        return TextForm(value) if value else usual

    def refuse(self) -> None:
        """Raise ConfigError for every mistake found, and for every secret in the configuration."""
        self.problems += [
            f"{self.place} {key}: a secret does not belong in the configuration"
            for key in self.rest
            if _SECRET.search(key)
        ]
        if self.problems:
            raise ConfigError(
                f"{self.place} has mistakes",
                hint='secrets come from LEXICON_* variables or a file of mode 0600: credentials = "/path"',
                problems=self.problems,
            )
