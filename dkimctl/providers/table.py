"""Check a provider's table of the configuration, `[providers.NAME]`."""

from collections.abc import Mapping, Sequence

from dkimctl.config.settings import Option
from dkimctl.errors import ConfigError


def unknown_keys(provider: str, options: Mapping[str, Option], known: Sequence[str]) -> list[str]:
    """Return a problem for each key that the provider does not know."""
    listed = ", ".join(known)
    return [f"[providers.{provider}] {key}: unknown; known here: {listed}" for key in options if key not in known]


def check_strings(provider: str, options: Mapping[str, Option], known: Sequence[str], *, hint: str) -> None:
    """Raise ConfigError with every unknown key, and every known one that is not a string."""
    problems = unknown_keys(provider, options, known)
    problems += [
        f"[providers.{provider}] {key}: must be a string" for key in known if not isinstance(options.get(key, ""), str)
    ]
    if problems:
        raise ConfigError(f"[providers.{provider}] has mistakes", hint=hint, problems=problems)
