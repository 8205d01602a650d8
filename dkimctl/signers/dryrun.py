"""A configuration tried before it is put in place."""

from collections.abc import Container, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.signers.base import Name
from dkimctl.signers.registry import signer_named
from dkimctl.signers.rendered import Rendering, SigningKey

_MOST = 10  # domains tried: more would only find what one of them shows


def sample(keys: Sequence[SigningKey], installed: Container[Name]) -> list[SigningKey]:
    """Return the keys to try: a few, those that do not sign yet before the others."""
    new = (key for key in keys if (key.domain, key.selector) not in installed)
    old = (key for key in keys if (key.domain, key.selector) in installed)
    return list(islice(chain(new, old), _MOST))


def dry_run(rendering: Rendering, settings: Settings, staged: Mapping[str, Path]) -> str:
    """Have the rendering's signer try the staged files. Returns what was tried, or why nothing was.

    `staged`: system path → where its new content can be read. Raises Refused when the signer cannot work with them.
    """
    if not settings.is_live:
        return "no dry run below --root"
    return signer_named(rendering.signer).dry_run(rendering, settings, staged)
