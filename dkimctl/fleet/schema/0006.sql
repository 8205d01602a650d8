-- The mail queue of each relay, as it has last reported it: what waits there was signed when it came.

ALTER TABLE dkimctl.relay
    ADD COLUMN queued integer, -- messages; NULL where it could not be listed, or was never reported
    ADD COLUMN queued_since timestamptz, -- when the oldest of them arrived
    ADD COLUMN queue_lifetime interval, -- for how long its Postfix keeps a message
    ADD COLUMN queue_seen timestamptz; -- when it was reported
GRANT UPDATE (queued, queued_since, queue_lifetime, queue_seen) ON dkimctl.relay TO dkimctl_relay;

CREATE OR REPLACE VIEW dkimctl.relays AS
SELECT relay.name, relay.state, relay.generation, fleet.generation - relay.generation AS generations_missing,
       relay.confirmed, relay.heartbeat, now() - relay.heartbeat AS silent_for, relay.proven, relay.drained,
       relay.daemon, relay.problem, relay.fingerprint, relay.host, relay.clock_ahead, relay.queued, relay.queued_since
FROM dkimctl.relay, dkimctl.fleet;
