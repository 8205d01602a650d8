"""dkimpy-milter: its tables, and copies of the Ed25519 keys."""
