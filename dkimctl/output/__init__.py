"""Results shown: to people as text (the only door to `rich`), to programs as JSON."""
