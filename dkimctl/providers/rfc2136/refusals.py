"""Explain error answers of a name server in messages and hints that an admin can act on."""

from dataclasses import dataclass
from enum import Enum, auto

from dkimctl.errors import RUN_AGAIN, ApiError
from dkimctl.names import printable

_BAD_RECORD = 400  # as of an HTTP API: publish then writes the other records of the zone one by one


class Kind(Enum):
    """The kinds of errors, by what the caller can do."""

    LOST = auto()
    """No usable answer: the update may have been carried out or not."""
    CHANGED = auto()
    """The records at the name are not the expected ones."""
    REFUSED = auto()
    """A retry does not fix it."""


class UpdateError(ApiError):
    """An ApiError with its kind."""

    def __init__(self, kind: Kind, message: str, *, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint=hint, status=status)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to a server, for error messages."""

    server: str
    key: str
    zone: str
    """Empty for a query."""
    name: str


def silent(asked: Asked, what: str) -> UpdateError:
    """Return the error for a server that gives no answer."""
    return UpdateError(
        Kind.LOST,
        f"the name server {asked.server} {what}",
        hint="check that it accepts TCP at this address and port, and that no firewall blocks it; then run it again",
    )


def nameless(asked: Asked) -> UpdateError:
    """Return the error for a server whose name has no address."""
    return UpdateError(
        Kind.REFUSED,
        f"the name server {asked.server} has no address: its name does not resolve",
        hint="check the name, or give its address: --provider rfc2136:192.0.2.53",
    )


def bad_key(asked: Asked) -> UpdateError:
    """Return the error for BADKEY (RFC 8945 §5.2.1)."""
    return UpdateError(
        Kind.REFUSED,
        f"the name server {asked.server} does not accept the TSIG key {printable(asked.key)} (BADKEY)",
        hint="add the same key there, with the same name and algorithm, let it change this zone, and reload the server",
    )


def bad_signature(asked: Asked) -> UpdateError:
    """Return the error for BADSIG (RFC 8945 §5.2.2), or for an answer whose signature is wrong."""
    return UpdateError(
        Kind.REFUSED,
        f"the name server {asked.server} has another secret for the TSIG key {printable(asked.key)} (BADSIG)",
        hint="copy the key file from the name server again; the algorithm must be the same too",
    )


def bad_time(asked: Asked, skew: int | None) -> UpdateError:
    """Return the error for BADTIME (RFC 8945 §5.2.3). `skew`: seconds by which this machine's clock is ahead."""
    by = f"{abs(skew)} s {'fast' if skew > 0 else 'slow'}" if skew else "wrong"
    return UpdateError(
        Kind.REFUSED,
        f"this machine's clock is {by} compared to that of the name server {asked.server} (BADTIME)",
        hint="check both clocks with timedatectl or chronyc tracking; TSIG tolerates at most 300 s",
    )


def unsigned(asked: Asked) -> UpdateError:
    """Return the error for an answer without TSIG, which proves nothing (RFC 8945 §5.3)."""
    return UpdateError(
        Kind.LOST,
        f"the answer of the name server {asked.server} is not signed, so it proves nothing",
        hint="name the primary server itself, not a proxy or a resolver in front of it",
    )


def changed_meanwhile(name: str, more: str = "") -> UpdateError:
    """Return the error for records that changed after the plan was made."""
    return UpdateError(
        Kind.CHANGED,
        f"{name}: the records were changed meanwhile by another program or person{more}",
        hint="nothing was overwritten; " + RUN_AGAIN,
        status=_BAD_RECORD,
    )


def below_cut(server: str, zone: str, below: str, name: str) -> UpdateError:
    """Return the error for a name that is in another zone of the server than the one to publish it in."""
    return UpdateError(
        Kind.REFUSED,
        f"{name} is in the zone {below} of the name server {server}: in {zone} it would not be visible",
        hint=f'name that zone: [domains."NAME"] zone = "{below}"',
    )


def below_dname(server: str, owner: str, target: str, name: str) -> UpdateError:
    """Return the error for a name that a DNAME redirects (RFC 6672 §2.3)."""
    return UpdateError(
        Kind.REFUSED,
        f"{name} is redirected by the DNAME at {owner} of the name server {server}: a record would not be visible",
        hint=f"publish it below {printable(target, 100)}, where the DNAME leads, or replace the DNAME",
    )


def not_recognised(server: str, zone: str, name: str) -> UpdateError:
    """Return the error for a server whose prerequisites fail for the records that it answers (RFC 2136 §2.4.2).

    PowerDNS compares with the text in its database, which may be one string where its answers have several.
    """
    return UpdateError(
        Kind.REFUSED,
        f"the name server {server} does not recognise its own record at {name}: it was not changed, but the server "
        "stores its text split differently than it answers it",
        hint=f"remove it with the server's own tool (PowerDNS: pdnsutil delete-rrset {zone} {name} TXT), "
        "then publish again",
        status=_BAD_RECORD,
    )


def refused(asked: Asked, code: str) -> UpdateError:
    """Return the error for a response code other than NOERROR (RFC 1035 §4.1.1, RFC 2136 §2.2)."""
    if code in ("NXDOMAIN", "YXDOMAIN", "YXRRSET", "NXRRSET"):
        return changed_meanwhile(asked.name, f", or come from a wildcard ({code})")
    if code == "REFUSED" and not asked.zone:
        return UpdateError(
            Kind.REFUSED,
            f"the name server {asked.server} refuses queries for {asked.name} (REFUSED)",
            hint="name the primary server of its zone, and allow queries with the TSIG key there",
        )
    message, hint = _MEANINGS.get(code, (f"the name server {{server}} answers {code}", "see its log"))
    kind = Kind.LOST if code == "SERVFAIL" else Kind.REFUSED
    status = _BAD_RECORD if code == "REFUSED" else None
    values = {"server": asked.server, "key": printable(asked.key), "zone": asked.zone, "name": asked.name}
    return UpdateError(kind, message.format(**values) + f" ({code})", hint=hint.format(**values), status=status)


_MEANINGS = {
    "REFUSED": (
        "the name server {server} does not let the TSIG key {key} change {name}",
        "allow it: update-policy or allow-update in BIND, an acl with action: update in Knot",
    ),
    "NOTAUTH": (
        "the name server {server} does not accept this from the TSIG key {key}, or is not authoritative for {name}",
        "name the zone's primary server, and allow the key there: update-policy in BIND, acl in Knot",
    ),
    "NOTZONE": ("{name} is not in the zone {zone}", 'name its zone: [domains."NAME"] zone = "…"'),
    "NOTIMP": (
        "the name server {server} accepts no dynamic updates",
        "name the zone's primary server, or use --provider zonefile:PATH on it",
    ),
    "FORMERR": ("the name server {server} does not understand the request", "see its log; its version may be old"),
    "SERVFAIL": (
        "the name server {server} failed",
        "see its log (is the zone's file or journal writable?); " + RUN_AGAIN,
    ),
}
