-- A relay that comes back: what waits for it is due. Until then no domain need be looked at because of it.

CREATE FUNCTION dkimctl.note_return() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH waiting AS (
        SELECT name FROM dkimctl.domain
        WHERE due > NEW.heartbeat + interval '5 min' AND name IN (
            SELECT key.domain FROM dkimctl.key JOIN dkimctl.key_on_relay AS done ON done.key = key.id
            WHERE done.relay = NEW.name AND key.phase <> 'active' AND done."left" IS NULL
              AND (done.used OR coalesce(done.tried, done.since, done.proven) IS NOT NULL))
        ORDER BY name FOR UPDATE -- the order in which others lock several of them
    )
    UPDATE dkimctl.domain SET due = NEW.heartbeat + interval '5 min' -- by then it knows of the keys
    FROM waiting WHERE domain.name = waiting.name;
    RETURN NULL;
END $$;
CREATE TRIGGER note_return AFTER UPDATE OF heartbeat ON dkimctl.relay FOR EACH ROW
    WHEN (NEW.heartbeat > OLD.heartbeat + interval '10 min') EXECUTE FUNCTION dkimctl.note_return();
