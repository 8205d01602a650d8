"""Tests with real daemons in a namespace of their own: Postfix, opendkim and knot; this machine stays as it is."""
