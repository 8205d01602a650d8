"""The policy of a domain: how old a key may become, and how long each step waits. All times are in seconds."""

from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from dkimctl.config.settings import SIGNERS, Lifecycle, Settings

HOUR = 3600
DAY = 24 * HOUR
CARE = 1 * DAY
_OVERDUE = 90 * DAY


class Policy(NamedTuple):
    """The rules of one domain."""

    rotate_after: int = 180 * DAY
    """The age of the key material at which a new key takes over (M3AAWG: six months), jitter included."""
    proof_interval: int = 5 * 60
    """A key must be seen at every address twice, at least so far apart."""
    publication_margin: int = HOUR
    """A proven key waits so long before it signs, or for the negative TTL seen where that is longer."""
    standby_lead: int = 1 * DAY
    """So long before it is needed the next key is made, at the latest."""
    keep_after: int = 14 * DAY
    """The old record stays so long after the last signature with it (DKIM2: a signature is good for 14 days)."""
    revoked_for: int = 30 * DAY
    """So long the record says `p=` (RFC 6376 §3.6.1) before it is removed."""
    private_key_for: int = 90 * DAY
    """So long after its last signature a private key is removed from the disk, at the latest."""
    care: int = CARE
    """So long after a run that looked again after a long gap nothing is taken away: a person may see what is wrong."""
    check_every: int = 1 * DAY
    """So often the record of a key that signs is looked up."""
    checks_after_switch: tuple[int, ...] = (HOUR, DAY)
    """When, after a switch, DNS and a signature are proven again."""
    publish_again: int = HOUR
    """A record that was read back from the provider and is not served is written again after so long."""
    retry: int = HOUR
    """A switch that failed is tried again after so long."""
    fresh: int = 10 * 60
    """A key is looked up again right before it takes over, unless it was seen so recently."""
    overdue_spread: int = 0
    """A key that was too old when a run first saw it sign is replaced so long after that: up to 90 days, by a hash."""
    told_after: int = 30 * DAY
    """A key that still signs so long after it should have been replaced is reported at every run."""
    standby: bool = True
    """The next key is published right after a switch, so that a rotation never waits for DNS."""
    automation: str = "full"
    """`full`; `until-switch`: prepares, and leaves the switch to a person; `off`: only looks."""
    signature_ttl: int = 0
    """The lifetime of a signature (`x=`); 0: none."""
    window: tuple[tuple[int, int], ...] = ()
    """Hours of the week, as seconds from Monday 00:00 UTC, in which a switch may happen; empty: always."""


def jitter(domain: str, rotate_after: int) -> int:
    """Return the age at which this domain's keys are replaced: ± 10 %, always the same for a domain."""
    return round(rotate_after * (0.9 + 0.2 * _share(domain)))


@lru_cache(maxsize=1)  # asked for twice in a row
def _share(domain: str) -> float:
    """Return a number from 0 to 1, always the same for a domain."""
    return int.from_bytes(sha256(domain.encode()).digest()[:4]) / 0xFFFFFFFF


def in_window(policy: Policy, now: int) -> bool:
    """Return True when a switch may happen now."""
    return not policy.window or any(start <= _in_week(now) < end for start, end in policy.window)


def window_opens(policy: Policy, now: int) -> int:
    """Return when a switch may happen next: now, or the start of the next window."""
    if in_window(policy, now):
        return now
    week, at = 7 * DAY, _in_week(now)
    return now + min((start - at) % week for start, _ in policy.window)


def _in_week(now: int) -> int:
    return (now + 3 * DAY) % (7 * DAY)  # 1970-01-01 was a Thursday


def policy_for(settings: Settings, domain: str, *, is_adopted: bool = False, queue_lifetime: int = 5 * DAY) -> Policy:
    """Return the policy of a domain.

    `is_adopted`: its key was taken over, and nobody has said that no other host signs with it. `queue_lifetime`:
    the longest time that Postfix keeps a message in its queue, in seconds.
    """
    rules = settings.lifecycle_for(domain)
    own = settings.domain(domain).automation
    ttl = rules.signature_ttl if SIGNERS[settings.signing.signer].has_signature_ttl else 0
    under_way = queue_lifetime + 2 * DAY
    return Policy(
        rotate_after=jitter(domain, rules.rotate_after),
        overdue_spread=round(_OVERDUE * _share(domain)),
        publication_margin=rules.publication_margin,
        keep_after=max(rules.keep_after, min(under_way, ttl + HOUR) if ttl else under_way),
        revoked_for=rules.revoked_for,
        private_key_for=rules.private_key_for,
        standby=rules.standby,
        automation=own or ("off" if is_adopted else rules.automation),
        signature_ttl=ttl,
        window=_window(rules),
    )


@lru_cache
def _window(rules: Lifecycle) -> tuple[tuple[int, int], ...]:
    """Return the hours of the week in which a switch may happen; one that goes past Sunday is cut in two."""
    start, end = rules.hours
    length = (end - start) % DAY or DAY
    if length == DAY and len(rules.days) == 7:
        return ()
    found = []
    for day in rules.days:
        opens = day * DAY + start
        found.append((opens, min(opens + length, 7 * DAY)))
        if opens + length > 7 * DAY:
            found.append((0, opens + length - 7 * DAY))
    return tuple(sorted(found))
