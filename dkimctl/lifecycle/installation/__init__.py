"""A configuration put in place, proven by messages, and taken back when they are not signed."""
