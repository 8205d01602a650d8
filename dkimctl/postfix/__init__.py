"""Postfix's own languages: main.cf settings, lists in them, and milter lists."""
