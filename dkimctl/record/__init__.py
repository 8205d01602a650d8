"""The key record (RFC 6376 §3.6.1): parsed and printed in one place."""
