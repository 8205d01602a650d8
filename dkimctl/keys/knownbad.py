"""Keys that others can compute or already have: leaked, made by a broken generator, or easy to factor.

The door to the library `badkeys`, an extra. Its arithmetic checks (close primes, ROCA, small or shared factors,
patterns) need nothing else; leaked keys and those of Debian's weak generator (CVE-2008-0166) are known only by its
blocklist, which its own command fetches. Each check is of public data: no private key is handed to it.
"""

import os
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

from dkimctl.errors import Refused
from dkimctl.keys.public import PublicKey

_CHECKS = {
    "fermat": "its two primes are close to each other (Fermat's factorization)",
    "roca": "it was made by a chip with a weak generator (ROCA, CVE-2017-15361)",
    "rsainvalid": "its exponent is invalid",
    "rsapoly": "its modulus has a pattern by which it can be factored",
    "sharedprimes": "it shares a prime with keys that are known to be factored",
    "smalld": "its private exponent is small (Wiener's attack)",
    "smallfactors": "its modulus has a small factor (a weak key, or one that was damaged)",
    "pattern": "its modulus repeats one octet, as no random number does",
}
"""The arithmetic checks, and what each finds, in words."""
_LISTED = "blocklist"
_FILES = ("badkeysdata.json", "blocklist.dat")
_REMEMBERED = 4096  # keys; each is checked once, however often it is seen


def weakness(key: PublicKey) -> str:
    """Return why others can sign with this key, in words; empty when nothing is known, or nothing could be checked."""
    return _weakness(key) if is_installed() else ""


def not_looked_for(key: PublicKey) -> str:
    """Return nothing, in place of `weakness`, where looking would take too long or decide nothing."""
    return ""


def refuse_known_bad(key: PublicKey, where: str) -> None:
    """Raise Refused when others can sign with this key, which lies at `where`."""
    found = weakness(key)
    if found:
        raise Refused(
            f"{where} is known to be bad: {found}",
            hint="make another key, under a new selector: dkimctl genkey DOMAIN -s SELECTOR",
        )


def not_checked() -> str:
    """Return what `weakness` does not look for on this machine and what to install or fetch; empty when it is all."""
    if not is_installed():
        return "keys were not compared with those known to be bad: pip install 'dkimctl[badkeys]'"
    if not _has_blocklist():
        return (
            "keys were not compared with the list of leaked and of Debian's weak keys: badkeys --update-bl fetches it"
        )
    return ""


@cache
def is_installed() -> bool:
    """Return True when the library is there; it is not imported yet."""
    return find_spec("badkeys") is not None


def _has_blocklist() -> bool:
    """Return True when both files are where the library looks: without them it ends the program."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return all(os.path.isfile(os.path.join(cache_home, "badkeys", name)) for name in _FILES)


@lru_cache(_REMEMBERED)
def _weakness(key: PublicKey) -> str:
    if key.algorithm == "rsa":
        modulus, exponent = _rsa_numbers(key)
        return _arithmetic(modulus, exponent) or _listed(modulus)
    return _listed(int.from_bytes(key.data, "big"))


def _arithmetic(modulus: int, exponent: int) -> str:
    import badkeys

    checks = [check for check in _CHECKS if check in badkeys.allchecks]
    found = badkeys.checkrsa(modulus, exponent, checks=checks)
    return "; ".join(_CHECKS[check] for check in checks if check in found)


def _listed(number: int) -> str:
    """Return the list that has the key; `number`: an RSA modulus, or the octets of an Ed25519 key."""
    if not _has_blocklist():
        return ""
    from badkeys.checks import checkall

    try:
        found: dict[str, Any] = checkall(number, checks=[_LISTED])
    except (Exception, SystemExit):  # the files are another program's: a damaged list is the same as none
        return ""
    if _LISTED not in found:
        return ""
    return f"it is in the list of leaked or weak keys of badkeys ({found[_LISTED].get('subtest', 'unnamed')})"


def _rsa_numbers(key: PublicKey) -> tuple[int, int]:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    loaded = load_der_public_key(key.data)
    assert isinstance(loaded, RSAPublicKey)  # `decode_public_key` has seen to it
    numbers = loaded.public_numbers()
    return numbers.n, numbers.e
