"""rspamd: its dkim_signing module, and copies of the keys that its user may read."""
