"""What an answer that is no success means, in words an admin can act on."""

from dataclasses import dataclass
from enum import Enum, auto

from dkimctl.errors import RUN_AGAIN, ApiError
from dkimctl.names import printable

_THE_RECORD = 400  # what an HTTP API would say: publish does the other records of the zone one by one


class Kind(Enum):
    """What the caller may do about it."""

    LOST = auto()
    """No usable answer: it may have been done or not."""
    CHANGED = auto()
    """The records at the name are not what they were taken for."""
    REFUSED = auto()
    """Trying again does not mend it."""


class UpdateError(ApiError):
    """An ApiError that knows what may be done about it."""

    def __init__(self, kind: Kind, message: str, *, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint=hint, status=status)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said to whom, for the words of an error."""

    server: str
    key: str
    zone: str
    """Empty when it was a question."""
    name: str


def silent(asked: Asked, what: str) -> UpdateError:
    """The error for a server that gives no answer."""
    return UpdateError(
        Kind.LOST,
        f"the name server {asked.server} {what}",
        hint="check that it takes TCP at this address and port, and that no firewall is between; then run it again",
    )


def nameless(asked: Asked) -> UpdateError:
    """The error for a server whose name has no address."""
    return UpdateError(
        Kind.REFUSED,
        f"the name server {asked.server} has no address: its name is not known here",
        hint="check the name, or give its address: --provider rfc2136:192.0.2.53",
    )


def bad_key(asked: Asked) -> UpdateError:
    """BADKEY: RFC 8945 §5.2.1."""
    return UpdateError(
        Kind.REFUSED,
        f"the name server {asked.server} does not take the TSIG key {printable(asked.key)} (BADKEY)",
        hint="give it the same key, by the same name and algorithm, and let that key change this zone; then reload it",
    )


def bad_signature(asked: Asked) -> UpdateError:
    """BADSIG: RFC 8945 §5.2.2; also for an answer whose signature is wrong."""
    return UpdateError(
        Kind.REFUSED,
        f"the name server {asked.server} has another secret for the TSIG key {printable(asked.key)} (BADSIG)",
        hint="copy the key file from the name server once more; the algorithm must be the same too",
    )


def bad_time(asked: Asked, skew: int | None) -> UpdateError:
    """BADTIME: RFC 8945 §5.2.3. `skew`: seconds by which this machine's clock is ahead of the server's."""
    by = f"{abs(skew)} s {'ahead of' if skew > 0 else 'behind'}" if skew else "far from"
    return UpdateError(
        Kind.REFUSED,
        f"this machine's clock is {by} that of the name server {asked.server} (BADTIME)",
        hint="set both clocks, with timedatectl or chronyc tracking; 300 s are the most that TSIG lets pass",
    )


def unsigned(asked: Asked) -> UpdateError:
    """An answer without TSIG proves nothing (RFC 8945 §5.3)."""
    return UpdateError(
        Kind.LOST,
        f"the answer of the name server {asked.server} is not signed, so it proves nothing",
        hint="name the primary server itself, not a proxy or a resolver in front of it",
    )


def changed_meanwhile(name: str, more: str = "") -> UpdateError:
    """The records at a name are not those that the changes were made for."""
    return UpdateError(
        Kind.CHANGED,
        f"{name}: the records were changed by somebody else meanwhile{more}",
        hint="nothing was overwritten; " + RUN_AGAIN,
        status=_THE_RECORD,
    )


def below_cut(server: str, zone: str, below: str, name: str) -> UpdateError:
    """Return the error for a name that is in another zone of the server than the one it was to be published in."""
    return UpdateError(
        Kind.REFUSED,
        f"{name} is in the zone {below} of the name server {server}: in {zone} nobody would see it",
        hint=f'name that zone: [domains."NAME"] zone = "{below}"',
    )


def not_recognised(server: str, zone: str, name: str) -> UpdateError:
    """Return the error for a server that says no to the very records that it answers (RFC 2136 §2.4.2).

    PowerDNS compares with the text in its database, which may hold in one piece what it answers in several strings.
    """
    return UpdateError(
        Kind.REFUSED,
        f"the name server {server} does not recognise its own record at {name}: nobody has changed it, but the server "
        "holds its text cut otherwise than it answers it",
        hint=f"remove it with the server's own tool (PowerDNS: pdnsutil delete-rrset {zone} {name} TXT), "
        "then publish again",
        status=_THE_RECORD,
    )


def refused(asked: Asked, code: str) -> UpdateError:
    """The error for a response code (RFC 1035 §4.1.1, RFC 2136 §2.2) that is no success."""
    if code in ("NXDOMAIN", "YXDOMAIN", "YXRRSET", "NXRRSET"):
        return changed_meanwhile(asked.name, f", or come from a wildcard ({code})")
    if code == "REFUSED" and not asked.zone:
        return UpdateError(
            Kind.REFUSED,
            f"the name server {asked.server} refuses to tell about {asked.name} (REFUSED)",
            hint="name the primary server of its zone, and let the TSIG key ask there",
        )
    message, hint = _MEANINGS.get(code, (f"the name server {{server}} answers {code}", "see its log"))
    kind = Kind.LOST if code == "SERVFAIL" else Kind.REFUSED
    status = _THE_RECORD if code == "REFUSED" else None
    values = {"server": asked.server, "key": printable(asked.key), "zone": asked.zone, "name": asked.name}
    return UpdateError(kind, message.format(**values) + f" ({code})", hint=hint.format(**values), status=status)


_MEANINGS = {
    "REFUSED": (
        "the name server {server} does not let the TSIG key {key} change {name}",
        "allow it: update-policy or allow-update in BIND, an acl with action: update in Knot",
    ),
    "NOTAUTH": (
        "the name server {server} does not take this from the TSIG key {key}, or is not authoritative for {name}",
        "name the zone's primary server, and allow the key there: update-policy in BIND, acl in Knot",
    ),
    "NOTZONE": ("{name} is not in the zone {zone}", 'name its zone: [domains."NAME"] zone = "…"'),
    "NOTIMP": (
        "the name server {server} takes no dynamic updates",
        "name the zone's primary server, or use --provider zonefile:PATH on it",
    ),
    "FORMERR": ("the name server {server} does not understand the request", "see its log; its version may be old"),
    "SERVFAIL": (
        "the name server {server} failed",
        "see its log (is the zone's file or journal writable?); " + RUN_AGAIN,
    ),
}
