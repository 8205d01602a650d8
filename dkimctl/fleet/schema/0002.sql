-- The queue of work: which domains are due, and which worker is at them.

CREATE SEQUENCE dkimctl.worker AS integer CYCLE; -- a number for each worker's session
GRANT USAGE ON SEQUENCE dkimctl.worker TO dkimctl_control;

-- True while a worker's session lives: it holds an advisory lock, which the server frees when the session ends, however
-- that comes about. VOLATILE, so that it is looked up again for a row that changed while a claim waited for it.
CREATE FUNCTION dkimctl.is_at_work(worker integer) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND classid = 1684760941 AND objid = worker::oid AND objsubid = 2
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
$$;

-- A worker's own changes are part of its work; those of anybody else call it back: its claim's version is another then.
CREATE OR REPLACE FUNCTION dkimctl.note_domain_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.version := OLD.version;
    IF NEW.claimed_by IS NOT DISTINCT FROM OLD.claimed_by
       AND OLD.claimed_by::text IS DISTINCT FROM nullif(current_setting('dkimctl.worker', true), '') THEN
        NEW.version := OLD.version + 1;
    END IF;
    RETURN NEW;
END $$;

-- A key that a command made or changed makes its domain due.
CREATE FUNCTION dkimctl.make_due() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(current_setting('dkimctl.worker', true), '') = '' THEN
        UPDATE dkimctl.domain SET due = least(due, now())
        WHERE name = NEW.domain AND (due > now() OR claimed_by IS NOT NULL);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER make_due AFTER INSERT OR UPDATE ON dkimctl.key FOR EACH ROW EXECUTE FUNCTION dkimctl.make_due();
