"""Zone files of a name server on this machine, edited in place (RFC 1035 §5)."""
