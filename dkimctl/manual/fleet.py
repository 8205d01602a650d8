"""dkimctl-fleet(7): a fleet from its database to the removal of a relay, as it is typed."""

from collections.abc import Iterator
from typing import NamedTuple

from dkimctl.manual.roff import definitions, escape, example, prose, section, see_also, title

_DESCRIPTION = """\
Several relays sign with the same keys, which are stored encrypted in one PostgreSQL database (14 or newer). The
control host makes keys, publishes their records and rotates them; it may be one of the relays, or any other host, and
there may be several. Each relay fetches what changed, proves by a message that it signs with it, and reports that. No
relay signs with a key that another one lacks, and no old key is removed before each relay has confirmed that it no
longer signs with it. Mail is signed from local files: the database may be down for any length of time.

The database alone decrypts nothing. /etc/dkimctl/fleet.age on the control host opens the keys, and
/etc/dkimctl/relay.age on each relay.
"""


class Step(NamedTuple):
    """A part of the walk: why, and what is typed after which prompt."""

    heading: str
    text: str
    lines: tuple[str, ...]
    """Each with its prompt, such as `mx1#`: the host, and whether root types."""


CONTROL_FILE = """\
provider = "ovh"

[fleet]
database = "postgresql:///dkimctl"
"""
RELAY_FILE = """\
[fleet]
database_file = "/etc/dkimctl/fleet.database"
"""
CONNECTION = "postgresql://mx1:PASSWORD@db.example.com/dkimctl?sslmode=verify-full"
"""What the file of a relay's connection has."""

WALK = (
    Step(
        "1. The database",
        "On its server, as the user postgres. Here it is the control host itself, whose root comes in by the Unix"
        " socket as the role root; that role makes the three roles of dkimctl.",
        ("postgres$ createuser --createrole root", "postgres$ createdb --owner root dkimctl"),
    ),
    Step(
        "2. The control host",
        "Keep a copy of /etc/dkimctl/fleet.age apart from the database: without it no private key can be read."
        " Existing keys are imported from this host's key directory or from another one, which is not changed. init"
        " installs the timer that rotates.",
        ("control# dkimctl fleet init", "control# dkimctl fleet import /srv/old-keys", "control# dkimctl init"),
    ),
    Step(
        "3. Each relay",
        "It gets a role of its own, a member of dkimctl_relay, with a password or a certificate; pg_hba.conf lets it in"
        " with TLS. It gets no key until its fingerprint has been compared. init installs a timer that syncs every"
        " minute; before the signer starts the relay asks whether a key was revoked meanwhile. For changes to arrive at"
        " once: systemctl enable --now dkimctl-sync-watch",
        (
            "postgres$ createuser -g dkimctl_relay mx1",
            "mx1# dkimctl fleet join mx1",
            "control# dkimctl fleet approve mx1 --fingerprint WORDS",
            "mx1# dkimctl fleet sync",
            "mx1# dkimctl init",
            "postgres$ createuser -g dkimctl_relay mx2",
            "mx2# dkimctl fleet join mx2",
            "control# dkimctl fleet approve mx2 --fingerprint WORDS",
            "mx2# dkimctl fleet sync",
            "mx2# dkimctl init",
        ),
    ),
    Step(
        "4. A domain",
        "The key is made, published and seen at every name server; it ends once each relay has proven that it signs.",
        (
            "control# dkimctl setup example.com",
            "mx1# dkimctl selftest example.com",
            "control# dkimctl fleet status",
        ),
    ),
    Step(
        "5. A rotation",
        "Keys are rotated automatically; --now begins a rotation today. Every run does what is due, and reports what it"
        " waits for: first an hour, until no cache holds a negative answer for the new record. Then the relays switch,"
        " and the old key's record stays until mail signed with it has been delivered.",
        (
            "control# dkimctl rotate --now example.com",
            "control# dkimctl rotate example.com",
            "control# dkimctl status example.com",
        ),
    ),
    Step(
        "6. Removing a relay",
        "A drained relay accepts no mail, and nothing waits for it; approve puts it back into service. A removed one"
        " gets no more keys, and all keys are sealed again; it still has its keys in the clear: if others may have got"
        " them, remove it with --compromised.",
        (
            "control# dkimctl fleet drain mx2",
            "control# dkimctl fleet approve mx2",
            "control# dkimctl fleet remove mx2",
        ),
    ),
    Step(
        "7. Leaving the fleet",
        "Export all keys as a key directory, copy it to /etc/opendkim/keys on one host, and continue without a fleet.",
        ("control# dkimctl fleet export --output /root/keys",),
    ),
)

_TROUBLE = {
    "The database is down": "Mail is signed as before, and nothing is rotated. A relay that starts meanwhile signs"
    " with the keys it has, or with max_stale in dkimctl.toml(5) only if they are not older than that: run dkimctl init"
    " again after changing it. Once the database answers, everything continues automatically.",
    "A relay is down": "Keys are switched without it after ten minutes, and no old record is removed before it is back:"
    " dkimctl fleet status names it. What waits only for this relay is checked once a day, and again when it reports."
    " dkimctl fleet drain or dkimctl fleet remove end the waiting.",
    "A key is leaked": "dkimctl revoke example.com --leaked key does not wait for relays that are down.",
    "The database was restored from a backup": "Relays refuse one that is older than what they have, and keep signing."
    " Restore a newer one; or import the keys of one relay and then, on each, dkimctl fleet sync --accept-older.",
    "A new version": "Upgrade dkimctl on every host, then type dkimctl fleet upgrade on the control host.",
    "Requests to DNS services": "One credential has one budget: dkimctl publish --rate, and the pauses that a service"
    " asks for, hold for all control hosts together.",
    "Copies of replaced files": "A relay keeps a dated copy below /var/backups/dkimctl only of files in which something"
    " changed since its last sync; lines of a person are in the first of them. Remove old ones as you like.",
    "Monitoring": "dkimctl status --format nagios on the control host; or, with a role that is a member of"
    " dkimctl_reader, dkimctl fleet status --format prometheus and the views dkimctl.overview, dkimctl.domains,"
    " dkimctl.keys and dkimctl.relays.",
}


def fleet_page() -> str:
    """The page: the walk, then what may go wrong."""
    lines = [
        title("dkimctl-fleet", 7),
        *section("NAME", ["dkimctl\\-fleet \\- many relays with one truth in PostgreSQL"]),
        *section("DESCRIPTION", prose(_DESCRIPTION)),
        *section("CONFIGURATION", _configuration()),
        *section("WALK-THROUGH", (line for step in WALK for line in _step(step))),
        *section("TROUBLESHOOTING", definitions(_TROUBLE.items())),
        *see_also(("dkimctl-fleet-init (1)", "dkimctl-fleet-sync (1)", "dkimctl-fleet-status (1)", "dkimctl.toml (5)")),
    ]
    return "\n".join(lines) + "\n"


def _configuration() -> Iterator[str]:
    yield from prose("/etc/dkimctl/dkimctl.toml on the control host:")
    yield from example(CONTROL_FILE)
    yield from prose("On each relay:")
    yield from example(RELAY_FILE)
    yield from prose("In that file, mode 0600, is one line, with the relay's own role and password:")
    yield from example(CONNECTION)


def _step(step: Step) -> Iterator[str]:
    yield f".SS {escape(step.heading)}"
    yield from prose(step.text)
    yield from example("\n".join(step.lines))
