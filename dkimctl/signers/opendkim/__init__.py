"""opendkim: its configuration file, its tables and its list of internal hosts."""
