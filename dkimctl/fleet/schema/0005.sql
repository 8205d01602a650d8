-- The switches of the last day, of which the first ones are a trial of the others.
CREATE INDEX key_on_relay_tried ON dkimctl.key_on_relay (tried);
