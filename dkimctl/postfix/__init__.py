"""Postfix's own languages: main.cf settings and milter lists."""
