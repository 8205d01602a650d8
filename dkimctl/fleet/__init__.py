"""Many relays with one truth in PostgreSQL.

database      the door to psycopg: sessions and transactions; database_errors: what it raises, as errors of ours;
              database_names: connection strings; database_patience: a session that hangs is cut
migration     the schema, numbered SQL in `schema/`; access: the database that the configuration names
vault         the fleet key and its envelopes; init: the first of them, and the operator's identity
importing     a key directory brought in; exporting: one given back
removal       `delete` on a control host
membership    relays join, are approved, drained, removed; overview: the state of the fleet, for `fleet status`
queue         the domains that are due, claimed by workers; work: `rotate` over it
budget        one budget of requests for each credential, whatever worker uses it
on_relays     what each relay has done with each key, for the plan; and the switch
store         the keys as `keys.store.LifecycleStore`; reader: its reading half; rows: the table `key`
control_keys  the three that a control host works on, opened together
health        what `doctor` says of a fleet
why           what `why` says on a host that only controls
role          what this host is in its fleet, and what is refused there
identity      the age key pair of a relay, and the fingerprint that two people compare; the door to pyrage
changes       what a relay is to hold and to sign with, as a value; checked whole before anything is written
stored_changes  how it is fetched: few keys at once, many as they are needed, in parts for several processes
parts         a large change set written by all cores
local         a relay's key directory, written from a change set; state: how far the relay has come
admission     what must be right before a relay fetches anything
sync          one pass of a relay; watch: a pass after each news; start: one question before the signer starts
relay_rows    what a pass reads and writes in the database
rendered      what the last rendering has installed, so that the next need not read every key
apply         a change set in effect: checked, written, rendered, reloaded, proven
simulation    a fleet's year in minutes, with simulated relays, DNS and time
"""
