-- The fleet: domains, keys, relays. Applied by `dkimctl fleet init` and `fleet upgrade`, in one transaction.
--
-- Tables are named in the singular and belong to dkimctl: they may change with its version. The views at the end, in the
-- plural, are for operators and stay as they are.

-- Roles are the server's, not the database's: another fleet may have made them, or be making them just now.
DO $$
DECLARE wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['dkimctl_control', 'dkimctl_relay', 'dkimctl_reader'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END $$;

CREATE TABLE dkimctl.fleet (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    generation bigint NOT NULL DEFAULT 0,
    fleet_key integer NOT NULL DEFAULT 0, -- number of the fleet key that seals private keys now; 0: none yet
    made timestamptz NOT NULL DEFAULT now()
);
INSERT INTO dkimctl.fleet DEFAULT VALUES;

CREATE TABLE dkimctl.domain (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$'),
    notes jsonb NOT NULL DEFAULT '{}',
    due timestamptz NOT NULL DEFAULT now(), -- when `rotate` is to look again: this column is the queue
    claimed_by integer, -- the worker at it; the claim counts while that worker's session holds its advisory lock
    failed text NOT NULL DEFAULT '', -- why the last look failed; empty when it did not
    version bigint NOT NULL DEFAULT 0
);
CREATE INDEX domain_due ON dkimctl.domain (due);

CREATE TABLE dkimctl.key (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain text COLLATE "C" NOT NULL REFERENCES dkimctl.domain (name),
    stem text COLLATE "C" NOT NULL CHECK (stem ~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$'), -- the start of its file names: the selector, or of a slot's later key, more
    selector text COLLATE "C" NOT NULL CHECK (selector ~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$'),
    identity text NOT NULL, -- digest of the public half; empty where that is not known
    phase text NOT NULL,
    metadata jsonb NOT NULL,
    record bytea, -- the key record in zone-file form, `SELECTOR.txt`; none after the key was purged
    sealed bytea, -- the private key; none after it was purged
    fleet_key integer, -- the number of the fleet key that sealed it
    version bigint NOT NULL DEFAULT 0, -- rises with every change: for compare-and-swap
    generation bigint NOT NULL DEFAULT 0, -- the fleet's generation when relays last had to be told of it
    UNIQUE (domain, stem),
    CHECK ((sealed IS NULL) = (fleet_key IS NULL))
);
CREATE INDEX key_generation ON dkimctl.key (generation);

CREATE TABLE dkimctl.relay (
    name text COLLATE "C" PRIMARY KEY,
    login name NOT NULL UNIQUE DEFAULT session_user, -- the role with which it connects
    recipient text NOT NULL UNIQUE, -- its public age recipient: two relays never share one
    fingerprint text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'removed')),
    joined timestamptz NOT NULL DEFAULT now(),
    approved timestamptz,
    removed timestamptz,
    drained timestamptz, -- since when it takes no mail, as `fleet drain` noted
    generation bigint NOT NULL DEFAULT 0, -- the one that it has confirmed
    confirmed timestamptz,
    heartbeat timestamptz,
    host text NOT NULL DEFAULT '', -- which one last synced with its identity: two at a time are one too many
    clock_ahead interval, -- of its clock before the database's, at the last heartbeat
    proven timestamptz, -- its last message that was signed and verified
    daemon text NOT NULL DEFAULT '', -- what signs there, in words
    problem text NOT NULL DEFAULT '' -- why its last sync failed; empty when it did not
);

CREATE TABLE dkimctl.fleet_key_wrap (
    fleet_key integer NOT NULL,
    recipient text NOT NULL, -- the age recipient that can unwrap it
    relay text COLLATE "C" REFERENCES dkimctl.relay (name), -- NULL: an operator's
    wrapped bytea NOT NULL,
    PRIMARY KEY (fleet_key, recipient)
);

-- What one relay has done with one key: `lifecycle.facts.KeyOnRelay`.
CREATE TABLE dkimctl.key_on_relay (
    relay text COLLATE "C" NOT NULL REFERENCES dkimctl.relay (name),
    key bigint NOT NULL REFERENCES dkimctl.key (id),
    held boolean NOT NULL DEFAULT false,
    used boolean NOT NULL DEFAULT false,
    tried timestamptz,
    since timestamptz,
    proven timestamptz,
    failed timestamptz,
    "left" timestamptz,
    pinned text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (key, relay)
);

-- One generation for each transaction that relays have to be told of. The row of `fleet` is locked until the commit, so
-- that generations become visible in their order: who has read up to N has missed none below it.
CREATE FUNCTION dkimctl.next_generation() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known text := current_setting('dkimctl.generation', true);
    transaction text := pg_current_xact_id()::text;
    risen bigint;
BEGIN
    IF known LIKE transaction || ':%' THEN
        RETURN split_part(known, ':', 2)::bigint;
    END IF;
    UPDATE dkimctl.fleet SET generation = generation + 1 RETURNING generation INTO risen;
    PERFORM set_config('dkimctl.generation', transaction || ':' || risen, true);
    PERFORM pg_notify('dkimctl', risen::text);
    RETURN risen;
END $$;

REVOKE EXECUTE ON FUNCTION dkimctl.next_generation() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dkimctl.next_generation() TO dkimctl_control;

CREATE FUNCTION dkimctl.note_key_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.generation := dkimctl.next_generation();
        RETURN NEW;
    END IF;
    NEW.version := OLD.version + 1;
    NEW.generation := OLD.generation;
    -- of the facts, which change with every look at DNS, relays need to hear nothing, nor of a key that was only sealed
    -- under the next fleet key
    IF (NEW.sealed IS DISTINCT FROM OLD.sealed
        AND (NEW.sealed IS NULL OR OLD.sealed IS NULL OR NEW.fleet_key = OLD.fleet_key))
       OR NEW.record IS DISTINCT FROM OLD.record
       OR NEW.phase <> OLD.phase OR NEW.metadata - 'facts' <> OLD.metadata - 'facts' THEN
        NEW.generation := dkimctl.next_generation();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER key_change BEFORE INSERT OR UPDATE ON dkimctl.key
    FOR EACH ROW EXECUTE FUNCTION dkimctl.note_key_change();

CREATE FUNCTION dkimctl.note_domain_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER domain_change BEFORE UPDATE ON dkimctl.domain
    FOR EACH ROW EXECUTE FUNCTION dkimctl.note_domain_change();

CREATE FUNCTION dkimctl.only_rises() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.generation < OLD.generation THEN
        RAISE EXCEPTION 'a generation only rises: % after %', NEW.generation, OLD.generation
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_rises BEFORE UPDATE OF generation ON dkimctl.fleet
    FOR EACH ROW EXECUTE FUNCTION dkimctl.only_rises();
CREATE TRIGGER only_rises BEFORE UPDATE OF generation ON dkimctl.relay
    FOR EACH ROW EXECUTE FUNCTION dkimctl.only_rises();

-- The name of the approved relay that this session is; NULL for any other.
CREATE FUNCTION dkimctl.this_relay() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT name FROM dkimctl.relay WHERE login = session_user AND state = 'approved'
$$;

-- The control host: everything but the schema.
GRANT USAGE ON SCHEMA dkimctl TO dkimctl_control, dkimctl_relay, dkimctl_reader;
GRANT SELECT ON dkimctl.schema_version TO dkimctl_control, dkimctl_relay, dkimctl_reader;
GRANT SELECT, UPDATE ON dkimctl.fleet TO dkimctl_control;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON dkimctl.domain, dkimctl.key, dkimctl.relay, dkimctl.fleet_key_wrap, dkimctl.key_on_relay TO dkimctl_control;

-- A relay: the keys once it is approved; of everything else its own rows.
GRANT SELECT ON dkimctl.fleet, dkimctl.domain, dkimctl.key, dkimctl.relay, dkimctl.fleet_key_wrap TO dkimctl_relay;
GRANT INSERT (name, recipient, fingerprint) ON dkimctl.relay TO dkimctl_relay;
GRANT UPDATE (generation, confirmed, heartbeat, host, clock_ahead, proven, daemon, problem) ON dkimctl.relay TO dkimctl_relay;
GRANT SELECT, INSERT, UPDATE ON dkimctl.key_on_relay TO dkimctl_relay;

ALTER TABLE dkimctl.domain ENABLE ROW LEVEL SECURITY;
ALTER TABLE dkimctl.key ENABLE ROW LEVEL SECURITY;
ALTER TABLE dkimctl.relay ENABLE ROW LEVEL SECURITY;
ALTER TABLE dkimctl.fleet_key_wrap ENABLE ROW LEVEL SECURITY;
ALTER TABLE dkimctl.key_on_relay ENABLE ROW LEVEL SECURITY;
CREATE POLICY control ON dkimctl.domain TO dkimctl_control USING (true);
CREATE POLICY control ON dkimctl.key TO dkimctl_control USING (true);
CREATE POLICY control ON dkimctl.relay TO dkimctl_control USING (true);
CREATE POLICY control ON dkimctl.fleet_key_wrap TO dkimctl_control USING (true);
CREATE POLICY control ON dkimctl.key_on_relay TO dkimctl_control USING (true);
CREATE POLICY approved ON dkimctl.domain FOR SELECT TO dkimctl_relay USING ((SELECT dkimctl.this_relay()) IS NOT NULL);
CREATE POLICY approved ON dkimctl.key FOR SELECT TO dkimctl_relay USING ((SELECT dkimctl.this_relay()) IS NOT NULL);
CREATE POLICY own ON dkimctl.relay TO dkimctl_relay USING (login = session_user);
CREATE POLICY own ON dkimctl.fleet_key_wrap FOR SELECT TO dkimctl_relay USING (relay = (SELECT dkimctl.this_relay()));
CREATE POLICY own ON dkimctl.key_on_relay TO dkimctl_relay USING (relay = (SELECT dkimctl.this_relay()));

-- What operators may build on. No view has a private key, not even a sealed one.
CREATE VIEW dkimctl.keys AS
SELECT domain, selector, identity, phase,
       metadata ->> 'algorithm' AS algorithm,
       (metadata ->> 'bits')::integer AS bits,
       metadata ->> 'created' AS created,
       metadata ->> 'provider' AS provider,
       sealed IS NOT NULL AS held,
       generation
FROM dkimctl.key;

CREATE VIEW dkimctl.domains AS
SELECT name, due, due <= now() AS is_due, failed, coalesce((notes ->> 'held')::boolean, false) AS held,
       (SELECT count(*) FROM dkimctl.key WHERE key.domain = domain.name) AS keys
FROM dkimctl.domain;

CREATE VIEW dkimctl.relays AS
SELECT relay.name, relay.state, relay.generation, fleet.generation - relay.generation AS generations_missing,
       relay.confirmed, relay.heartbeat, now() - relay.heartbeat AS silent_for, relay.proven, relay.drained,
       relay.daemon, relay.problem, relay.fingerprint, relay.host, relay.clock_ahead
FROM dkimctl.relay, dkimctl.fleet;

CREATE VIEW dkimctl.overview AS
SELECT fleet.id, fleet.generation,
       (SELECT count(*) FROM dkimctl.domain) AS domains,
       (SELECT count(*) FROM dkimctl.domain WHERE due <= now()) AS due,
       (SELECT count(*) FROM dkimctl.domain WHERE failed <> '') AS failed,
       (SELECT count(*) FROM dkimctl.key) AS keys,
       (SELECT count(*) FROM dkimctl.relay WHERE state = 'approved') AS relays
FROM dkimctl.fleet;

GRANT SELECT ON dkimctl.keys, dkimctl.domains, dkimctl.relays, dkimctl.overview TO dkimctl_reader, dkimctl_control;
