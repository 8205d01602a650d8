"""The version, as a constant: reading package metadata would triple the time of `--version`."""

VERSION = "0.1.0"
