-- What each domain waits for, as its last look found; and the keys that a relay has to look at in each pass.

ALTER TABLE dkimctl.domain ADD COLUMN waits text NOT NULL DEFAULT ''; -- in words, for people; empty when for nothing

CREATE OR REPLACE VIEW dkimctl.domains AS
SELECT name, due, due <= now() AS is_due, failed, coalesce((notes ->> 'held')::boolean, false) AS held,
       (SELECT count(*) FROM dkimctl.key WHERE key.domain = domain.name) AS keys, waits
FROM dkimctl.domain;

CREATE INDEX key_on_relay_leaving ON dkimctl.key_on_relay (relay)
    WHERE NOT used AND "left" IS NULL AND coalesce(tried, since, proven) IS NOT NULL;
CREATE INDEX key_on_relay_unproven ON dkimctl.key_on_relay (relay) WHERE used AND proven IS NULL;
