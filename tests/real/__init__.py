"""Tests with real daemons: Postfix, opendkim and knot in a namespace of their own, so that this machine stays as it is."""
