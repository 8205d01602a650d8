"""What the daemons of this host are to be told, as files and settings."""
