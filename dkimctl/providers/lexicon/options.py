"""The settings of one service: the configuration's tables, a file for secrets, and the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dkimctl.config.schema import read_document
from dkimctl.config.settings import Option, Settings
from dkimctl.errors import ConfigError
from dkimctl.providers.base import Capabilities
from dkimctl.providers.lexicon.services import FORMS, TextForm
from dkimctl.providers.secretfile import secret_text

_SECRET = re.compile(r"token|secret|pass|key|otp|2fa|session", re.IGNORECASE)


OPTIONS = ("credentials", "text_limit", "minimum_ttl", "text_form")
"""The keys of a table that are ours; all others go to the service."""


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """What one service is opened with."""

    service: str
    values: Mapping[str, object] = field(repr=False)
    """dns-lexicon's own options; what its `LEXICON_*` variables say comes before them."""
    secrets: tuple[str, ...] = field(repr=False)
    """What must not stand in any message."""
    capabilities: Capabilities
    text_form: TextForm


def service_options(service: str, settings: Settings) -> ServiceOptions:
    """From `[providers.lexicon]`, `[providers."lexicon:NAME"]`, the file `credentials` and the environment.

    Raises ConfigError with everything that is wrong in the tables at once.
    """
    table = {**settings.providers.get("lexicon", {}), **settings.providers.get(f"lexicon:{service}", {})}
    own = _Own(f'[providers."lexicon:{service}"]', table)
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
    """`auth_token = "…"` and so on, in TOML, in a file of which only the owner sees the inside."""
    place = settings.at(path)
    text = secret_text(place, hint='write the service\'s secrets to it, mode 0600, such as: auth_token = "…"')
    return read_document(place, text.encode())


class _Own:
    """The merged table, from which our own options are taken out."""

    def __init__(self, place: str, table: Mapping[str, Option]) -> None:
        self.place = place
        self.rest = dict(table)
        self.problems: list[str] = []

    def text(self, key: str) -> str:
        value = self.rest.pop(key, "")
        if not isinstance(value, str):
            self.problems.append(f"{self.place} {key}: a string is wanted")
            return ""
        return value

    def number(self, key: str) -> int | None:
        value = self.rest.pop(key, None)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
            return value
        self.problems.append(f"{self.place} {key}: a number above 0 is wanted")
        return None

    def form(self, usual: TextForm) -> TextForm:
        value = self.text("text_form")
        if value and value not in list(TextForm):
            self.problems.append(f"{self.place} text_form: one of {', '.join(TextForm)} is wanted")
            return usual
        return TextForm(value) if value else usual

    def refuse(self) -> None:
        """Raise ConfigError for all that was found, and for every secret that stands in the open."""
        self.problems += [
            f"{self.place} {key}: a secret does not stand in the configuration"
            for key in self.rest
            if _SECRET.search(key)
        ]
        if self.problems:
            raise ConfigError(
                f"{self.place} has mistakes",
                hint='secrets come from LEXICON_* variables or a file of mode 0600: credentials = "/path"',
                problems=self.problems,
            )
