"""The command line: one file per command. Each parses, calls one core function and prints. The only door to `click`."""
