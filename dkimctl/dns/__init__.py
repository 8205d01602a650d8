"""Asking name servers: the only door to dnspython besides rfc2136 and the sandbox."""
