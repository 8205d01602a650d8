"""Passwords in what others wrote: in data sets such as `dsn:mysql://user:PASSWORD@host/db`, and LDAPBindPassword.

The parser of a configuration says what is a secret there (`note_secrets`); `masked` removes it from a text, as well as
the password of anything that looks like a URL. All output goes through `masked`.
"""

import re

MASK = "***"
_URL = re.compile(r"(//[^\s:/@\"']*:)(\S+)(?=@)")
_NAMED = re.compile(r"pass|pas+w|pwd|secret|bindpw|token|credential|api_?key", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?:pass|pwd|bindpw|secret|token)\w*\s*=\s*(?:\"([^\"]+)|'([^']+)|([^\s&,;\"']+))", re.IGNORECASE
)
_IN_DATABASE = re.compile(
    r"\b(?:dsn|mysql|mariadb|pgsql|postgres(?:ql)?|odbc|ldaps?|redis):[/\s]*[^\s:/@]*:(\S+)@", re.IGNORECASE
)
"""The place of a database that was written without the two slashes of a URL."""
_PASSWORD, _USER = "ldapbindpassword", "ldapbinduser"
_LIKE = 0.6  # of 1: how much a misspelled name has in common with it
_SHORTEST = 3  # characters; shorter ones are in every other word

_known: set[str] = set()


def note_secrets(name: str, value: str) -> None:
    """Note what is secret in a setting of this name: all of it when it is called a password, else that of a URL."""
    if _NAMED.search(name) or _is_misspelled(name.lower()):
        _note(value)
        return
    for password in (found for groups in _ASSIGNED.findall(value) for found in groups if found):
        _note(password)
    if "@" in value:
        for password in (*(found for _, found in _URL.findall(value)), *_IN_DATABASE.findall(value)):
            _note(password)


def _is_misspelled(name: str) -> bool:
    if name == _USER or ("bind" not in name and not name.startswith("ld")):
        return False
    from difflib import SequenceMatcher

    return SequenceMatcher(None, name, _PASSWORD).ratio() >= _LIKE


def _note(secret: str) -> None:
    from json.encoder import encode_basestring, encode_basestring_ascii

    for part in {secret, *re.split(r"[\s,]+", secret)}:  # a list is shown item by item
        if len(part) >= _SHORTEST:
            _known.update((part, encode_basestring_ascii(part)[1:-1], encode_basestring(part)[1:-1]))


def masked(text: str) -> str:
    """Return the text with each secret replaced by MASK, as JSON writes it too."""
    if "//" in text and "@" in text:
        text = _URL.sub(rf"\1{MASK}", text)
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
