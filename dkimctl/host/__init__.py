"""Is this machine right: daemons, sockets, reloads."""
