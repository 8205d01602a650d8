"""Where the key files that the daemon's configuration names lie on this disk."""

import re
from pathlib import Path
from typing import NamedTuple

_USUAL = re.compile("(?:/([^/]+))?/([^/]+)")  # a key file below the store: the domain, unless it lies flat; the name


class KeyPlaces(NamedTuple):
    """A store's directory: its path on this disk, and in the daemon's configuration (without `--root`)."""

    path: Path
    shown: str

    def below(self, shown: str) -> tuple[str, str] | None:
        """Return the domain and the name of a file in this store, without a domain where it lies flat; else None."""
        usual = _USUAL.fullmatch(shown, len(self.shown)) if shown.startswith(self.shown) else None
        return (usual[1] or "", usual[2]) if usual else None

    def local(self, shown: str) -> Path:
        """Return the place on this disk of a path in the daemon's configuration."""
        if shown.startswith(f"{self.shown}/"):
            return self.path / shown[len(self.shown) + 1 :]
        before = str(self.path).removesuffix(self.shown)
        return self.path / f"{before}{shown}"  # below the same root, but elsewhere
