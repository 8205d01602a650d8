"""TSIG keys, from the files that the name servers' own tools write."""

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path

from dkimctl.errors import ConfigError
from dkimctl.names import printable
from dkimctl.providers.secretfile import secret_text

ALGORITHMS = ("hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1")
"""The algorithms of RFC 8945 §6 without the truncated ones and without MD5, which is no longer secure."""
MAKE_ONE = "create one: (umask 077; tsig-keygen -a hmac-sha256 dkimctl > FILE); and add it to the name server too"

_STRING_OR_COMMENT = re.compile(r'("[^"\n]*")|/\*.*?\*/|(?://|#)[^\n]*', re.DOTALL)
_BIND = re.compile(r'key\s+"?([^"\s{]+)"?\s*\{([^}]*)\}', re.IGNORECASE)
_BIND_FIELD = re.compile(r'(algorithm|secret)\s+"?([^"\s;]+)"?\s*;', re.IGNORECASE)
_KNOT_FIELD = re.compile(r'^[ \t-]*(id|algorithm|secret):[ \t]*"?([^"\s]+)"?[ \t]*$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TsigKey:
    """A shared key; the secret is not in the repr."""

    name: str
    algorithm: str
    """One of ALGORITHMS."""
    secret: bytes = field(repr=False)


def read_key(path: Path) -> TsigKey:
    """Read the one key in a file. Raises ConfigError; no message quotes the file."""
    text = secret_text(path, hint=f"name it in [providers.rfc2136] key_file, or {MAKE_ONE}")
    found = keys_in(text)
    if len(found) != 1:
        what = "no TSIG key" if not found else f"{len(found)} TSIG keys instead of one"
        raise ConfigError(f"{path} holds {what}", hint=MAKE_ONE)
    [values] = found
    return _checked(path, values)


def keys_in(text: str) -> list[dict[str, str]]:
    """Return `id`, `algorithm` and `secret` of each key in the form of tsig-keygen (BIND) or keymgr -t (Knot)."""
    plain = _STRING_OR_COMMENT.sub(lambda match: match[1] or " ", text)  # base64 may hold two slashes in a row
    found = [
        {"id": name, **{field.lower(): value for field, value in _BIND_FIELD.findall(body)}}
        for name, body in _BIND.findall(plain)
    ]
    if found:
        return found
    for name, value in _KNOT_FIELD.findall(text):
        if name == "id":
            found.append({})
        if found:
            found[-1][name] = value
    return found


def _checked(path: Path, values: dict[str, str]) -> TsigKey:
    missing = [name for name in ("algorithm", "secret") if not values.get(name)]
    if missing:
        raise ConfigError(f"{path}: the key has no {' and no '.join(missing)}", hint=MAKE_ONE)
    algorithm = values["algorithm"].lower().removesuffix(".")
    if algorithm not in ALGORITHMS:
        raise ConfigError(
            f"{path}: the algorithm {printable(algorithm)} is not one of {', '.join(ALGORITHMS)}", hint=MAKE_ONE
        )
    try:
        secret = b64decode(values["secret"], validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not secret:
        raise ConfigError(f"{path}: the secret is not base64", hint=MAKE_ONE)
    return TsigKey(values["id"].lower().removesuffix("."), algorithm, secret)
