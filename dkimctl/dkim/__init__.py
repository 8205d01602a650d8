"""DKIM signatures read, verified and explained (RFC 6376). The only importer of dkimpy."""
