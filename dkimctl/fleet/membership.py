"""Who is in the fleet: a relay joins, is approved, drained, removed. All but `join` happens on the control host."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from dkimctl.clock import timestamp
from dkimctl.config.settings import Settings
from dkimctl.errors import Refused, UsageError, shell_word
from dkimctl.fleet import relay_rows as rows
from dkimctl.fleet.database import Database, Row
from dkimctl.fleet.identity import IDENTITY, Identity, make_identity
from dkimctl.fleet.vault import Vault, add_fleet_key, hold_current, hold_keys, wrap_for
from dkimctl.lifecycle.facts import Leak
from dkimctl.names import printable

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
_AT_ONCE = 2000
"""Private keys that are sealed again before their rows are written."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The state of a relay."""

    relay: str
    state: str
    """`pending`, `approved`, `drained` or `removed`."""
    fingerprint: str
    is_change: bool = False
    sealed_anew: int = 0
    """Private keys that were sealed under a new fleet key."""
    leaked: int = 0
    """Keys that are replaced, because that relay may have given them away."""


def relay_name(text: str) -> str:
    """Return a relay's name in lower case. Raises UsageError when it is none."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise UsageError(f"not a name of a relay: {printable(text)}", hint="letters, digits, dots, hyphens: mx1")
    return name


def join(settings: Settings, database: Database, name: str) -> Membership:
    """Make this host's identity and register it as a relay that waits for its approval; again, return its state.

    Raises Refused when this host joined under another name or identity, or another relay has the name.
    """
    identity = make_identity(settings.at(IDENTITY))
    row = rows.own_row(database)
    if row is None:
        try:
            rows.register(database, name, identity)
            return Membership(name, "pending", identity.fingerprint, is_change=True)
        except Refused:
            row = rows.own_row(database)  # the same command may have come in between
            if row is None:
                raise
    _refuse_other(row, name, identity)
    return Membership(name, row.state, identity.fingerprint)


def _refuse_other(row: rows.RelayRow, name: str, identity: Identity) -> None:
    if row.recipient != identity.recipient:
        raise Refused(
            f"the relay {row.name} joined with another identity than this host has ({identity.fingerprint})",
            hint=f"restore {IDENTITY} from a backup; else: dkimctl fleet remove {shell_word(row.name)}; then join with "
            "another name and role",
        )
    if row.name != name:
        raise Refused(
            f"this host has joined as {row.name}", hint=f"use that name: dkimctl fleet join {shell_word(row.name)}"
        )
    if row.state == "removed":
        raise Refused(
            f"the relay {name} was removed from the fleet",
            hint=f"to join again: move {IDENTITY} away, then join with another name and another role",
        )


def approve(database: Database, vault: Vault, name: str, fingerprint: str | None) -> Membership:
    """Admit a relay: the fleet keys are wrapped for its identity. Admitted already, they are wrapped again.

    Raises Refused without the fingerprint, or when it is not the relay's; UsageError for an unknown relay; Unavailable
    as `hold_current`.
    """
    with database.transaction():
        state, recipient, known = _locked(database, name)
        if state == "removed":
            raise Refused(f"the relay {name} was removed", hint="let it join under another name")
        if fingerprint is None and state == "pending":
            raise Refused(
                f"compare the fingerprint of {name} before it gets the fleet's keys: {known}",
                hint=f"if the relay printed the same: dkimctl fleet approve {shell_word(name)} --fingerprint {known}",
            )
        if fingerprint is not None and fingerprint.strip().lower() != known:
            raise Refused(
                f"the fingerprint of {name} is {known}, not {printable(fingerprint, 40)}",
                hint=f"if nobody of yours has that identity: dkimctl fleet remove {shell_word(name)}",
            )
        hold_current(database, vault)
        for number, secret in vault.secrets.items():
            wrap_for(database, number, secret, [(recipient, name)])
        changed = database.run(
            "UPDATE dkimctl.relay SET state = 'approved', approved = coalesce(approved, now()), drained = NULL"
            " WHERE name = %s AND (state <> 'approved' OR drained IS NOT NULL)",
            (name,),
        )
    return Membership(name, "approved", known, is_change=changed > 0)


def drain(database: Database, name: str) -> Membership:
    """Note that a relay takes no mail from now on: nothing waits for it. `approve` takes it into service again."""
    with database.transaction():
        state, _, fingerprint = _locked(database, name)
        if state != "approved":
            raise Refused(f"the relay {name} is {state}, not in service", hint="see: dkimctl fleet status")
        changed = database.run("UPDATE dkimctl.relay SET drained = now() WHERE name = %s AND drained IS NULL", (name,))
    return Membership(name, "drained", fingerprint, is_change=changed > 0)


def remove(database: Database, vault: Vault, name: str, *, compromised: bool, now: datetime) -> Membership:
    """End a relay: it gets nothing more, and every private key is sealed under a new fleet key, which it never had.

    It keeps the keys that it has in the clear: `compromised` marks all of them as leaked, as `revoke --leaked host`
    does, and begins a rotation of every domain. Killed, the same command finishes it.
    """
    with database.transaction():
        state, _, fingerprint = _locked(database, name)
        sealed = 0
        if state != "removed":
            database.run("UPDATE dkimctl.relay SET state = 'removed', removed = now() WHERE name = %s", (name,))
            sealed = _turn_over(database, vault, name) if state == "approved" else 0
        leaked = _mark_leaked(database, name, now) if compromised else 0
    return Membership(name, "removed", fingerprint, state != "removed" or leaked > 0, sealed, leaked)


def _locked(database: Database, name: str) -> tuple[str, str, str]:
    """Return state, recipient and fingerprint of a relay, whose row is locked until the transaction ends."""
    row = database.row("SELECT state, recipient, fingerprint FROM dkimctl.relay WHERE name = %s FOR UPDATE", (name,))
    if row is None:
        raise UsageError(f"no relay is called {name}", hint="see: dkimctl fleet status")
    return row


def _turn_over(database: Database, vault: Vault, removed: str) -> int:
    """Make a new fleet key, for everybody but this relay, and seal every private key under it; return how many."""
    hold_keys(database)
    hold_current(database, vault)
    database.run("DELETE FROM dkimctl.fleet_key_wrap WHERE relay = %s", (removed,))
    left = database.rows("SELECT recipient, relay FROM dkimctl.fleet_key_wrap WHERE fleet_key = %s", (vault.number,))
    recipients = {str(recipient): relay for recipient, relay in left}
    number = vault.number + 1
    secret = add_fleet_key(database, number, recipients)
    newer = Vault(number, {**vault.secrets, number: secret})
    count = 0
    sealed = database.stream(
        "SELECT id, domain, selector, identity, sealed, fleet_key FROM dkimctl.key WHERE sealed IS NOT NULL"
    )
    while batch := list(islice(sealed, _AT_ONCE)):
        count += len(batch)
        ids, contents = zip(*_sealed_anew(newer, batch), strict=True)
        database.run(
            "UPDATE dkimctl.key SET sealed = new.sealed, fleet_key = %s"
            " FROM unnest(%s::bigint[], %s::bytea[]) AS new (id, sealed) WHERE key.id = new.id",
            (number, list(ids), list(contents)),
        )
    database.run("DELETE FROM dkimctl.fleet_key_wrap WHERE fleet_key < %s", (number,))
    return count


def _sealed_anew(vault: Vault, batch: list[Row]) -> Iterator[tuple[int, bytes]]:
    for id, domain, selector, identity, sealed, number in batch:
        row = {"domain": domain, "selector": selector, "identity": identity}
        yield id, vault.seal(vault.unseal(number, bytes(sealed), **row), **row)


def _mark_leaked(database: Database, name: str, now: datetime) -> int:
    """Note of every private key that a removed relay may have had that others may hold it; return how many.

    A rotation of their domains begins. Keys made after the removal are none of them.
    """
    rows_marked = database.rows(
        "WITH marked AS (UPDATE dkimctl.key SET metadata = jsonb_set("
        "jsonb_set(metadata, '{facts}', coalesce(metadata -> 'facts', '{}')), '{facts,leak}', to_jsonb(%s::text))"
        " FROM dkimctl.relay WHERE relay.name = %s AND sealed IS NOT NULL"
        " AND metadata #>> '{facts,leak}' IS DISTINCT FROM %s"
        " AND metadata ->> 'created' <= to_char(removed AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        " RETURNING domain),"
        " begun AS (UPDATE dkimctl.domain SET due = now(), notes = notes || jsonb_build_object('begun', %s::text)"
        " WHERE domain.name IN (SELECT domain FROM marked))"
        " SELECT count(*) FROM marked",
        (Leak.HOST.value, name, Leak.HOST.value, timestamp(now)),
    )
    return int(rows_marked[0][0])
