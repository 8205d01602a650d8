"""opendkim's own languages: conf, tables, host lists."""
