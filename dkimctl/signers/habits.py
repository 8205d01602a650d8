"""What a signer does by its own configuration, as far as `adopt` has to keep to it."""

from typing import NamedTuple


class Habits(NamedTuple):
    """How a signer signs that was configured by hand."""

    refusal: str = ""
    """Why dkimctl cannot take its keys over; empty when it can."""
    hint: str = ""
    subdomains: bool = True
    """True when a domain's key signs for everything below it."""
    trusted_hosts: tuple[str, ...] = ()
    """The addresses and networks whose mail is signed without a login."""
    socket: str = ""
    """Where it listens, in opendkim's spelling; empty when that is not known."""
    changes: tuple[str, ...] = ()
    """What it would do differently once dkimctl configures it."""


NOT_TAKEN_OVER = Habits("adopt takes over opendkim and rspamd only", "begin with: dkimctl setup DOMAIN")
