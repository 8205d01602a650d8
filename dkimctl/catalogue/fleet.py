"""DKIM96x: a fleet, its database and its relays."""

from dkimctl.catalogue.entries import ERROR, OK, UNKNOWN, WARNING, entry

RIGHT = entry(
    960, OK, "the fleet is in order", "Its database answers, its keys can be opened, and its relays follow it."
)
UNREACHED = entry(
    961,
    UNKNOWN,
    "the fleet's database does not answer",
    "Its relays sign on with what they have. Nothing is rotated, and no new key reaches them.",
)
UNUSABLE = entry(
    962,
    ERROR,
    "the fleet cannot be worked on from here",
    "The database has another schema, refuses the role, or the identity on this host does not open the fleet's keys.",
)
RELAY_WRONG = entry(
    963,
    ERROR,
    "a relay does not follow the fleet",
    "No old record goes while a relay may still sign with its key, and new keys do not reach it.",
)
RELAY_WAITS = entry(964, WARNING, "a relay waits for its approval", "It has no key of the fleet before that.")
DOMAINS_FAIL = entry(
    965,
    WARNING,
    "the last look at some domains failed",
    "Their keys are not rotated meanwhile; each run of rotate tries again.",
    "sudo dkimctl rotate",
)
NOT_SYNCED = entry(
    966,
    WARNING,
    "this relay has not heard from its fleet lately",
    "It signs on with the keys that it has. A key that was revoked meanwhile would sign on, too.",
    "sudo dkimctl fleet sync  # by itself every minute: sudo dkimctl init",
)
