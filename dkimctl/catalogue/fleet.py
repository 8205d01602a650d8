"""DKIM96x: a fleet, its database and its relays."""

from dkimctl.catalogue.entries import ERROR, OK, UNKNOWN, WARNING, entry

RIGHT = entry(
    960, OK, "the fleet is in order", "The database answers, the keys can be opened, and all relays are up to date."
)
UNREACHED = entry(
    961,
    UNKNOWN,
    "the fleet's database does not answer",
    "Relays keep signing with the keys they have. Nothing is rotated, and no new key reaches them.",
)
UNUSABLE = entry(
    962,
    ERROR,
    "the fleet cannot be managed from this host",
    "The database has another schema, refuses the role, or the identity on this host does not open the fleet's keys.",
)
RELAY_WRONG = entry(
    963,
    ERROR,
    "a relay is not up to date",
    "New keys do not reach it, and old records are kept while it may still sign with their keys.",
)
RELAY_WAITS = entry(964, WARNING, "a relay is not approved yet", "It gets no keys until it is.")
DOMAINS_FAIL = entry(
    965,
    WARNING,
    "the last check of some domains failed",
    "Their keys are not rotated until a check succeeds; each run of rotate tries again.",
    "sudo dkimctl rotate",
)
NOT_SYNCED = entry(
    966,
    WARNING,
    "this relay has not heard from its fleet lately",
    "It keeps signing with the keys it has, including any that was revoked in the meantime.",
    "sudo dkimctl fleet sync  # every minute by a timer: sudo dkimctl init",
)
