"""Does the world see it: every key record at every authoritative server, judged against the key on this disk."""
