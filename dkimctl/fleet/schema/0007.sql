-- The keys with which a relay is to prove a signature again: those it was last seen to sign with on the day of a switch.

CREATE INDEX key_on_relay_proven_early ON dkimctl.key_on_relay (relay)
    WHERE used AND proven - since < interval '24 hours';
