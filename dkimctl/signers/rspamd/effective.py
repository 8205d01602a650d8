"""How rspamd signs by its own configuration, no matter who wrote it: which mail, for which domain, with which key."""

from collections.abc import Iterator, Mapping
from functools import cache
from glob import escape
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from dkimctl.errors import DkimctlError
from dkimctl.files import read_file
from dkimctl.signers.base import ConfiguredKey
from dkimctl.signers.habits import Habits
from dkimctl.signers.rspamd.configdump import (
    USUAL_PATH,
    USUAL_SELECTOR,
    key_named,
    map_lines,
    map_rows,
    milter_socket,
    signing_options,
    suffix_list,
)
from dkimctl.signers.rspamd.suffixes import registered_domain, suffixes_in

_USER = "_rspamd"
_NOT_FOLLOWED = ("use_http_headers", "sign_condition", "use_domain_custom", "signing_table", "use_redis", "use_vault")
"""Settings with which something else than files and maps decides."""
_USE_DOMAIN = ("use_domain", "use_domain_sign_networks", "use_domain_sign_local", "use_domain_sign_inbound")
_PRIVATE = (
    *("127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
    *("fd00::/8", "fe80::/10"),
)
"""Whose mail `sign_local` means: rspamd's local_addrs without settings of its own."""


def reasons_for_unsigned(sender_domain: str, client: str, login: str) -> Iterator[str]:
    """Yield what of rspamd's configuration keeps such mail from being signed, as far as it can be read."""
    options = signing_options()
    if options is None:
        return
    if not (login and options.get("sign_authenticated", True)) and not _is_trusted(options, client):
        yield f"{client} is not local, not in sign_networks, and not authenticated (dkim_signing)"
    domain, why = signing_domain(options, sender_domain.lower(), client, login)
    if why:
        yield f"{why} (dkim_signing)"
        return
    yield from _of_another_user(options, domain, login)
    selector, path, source = key_named(options, domain)
    named = path.replace("$domain", domain).replace("$selector", selector)
    if not Path(named).exists():
        yield f"rspamd looks for the key of {domain} at {named}, which does not exist ({source})"


def habits() -> Habits:
    """Return how it signs, for an installation that takes its keys over."""
    options = signing_options()
    if options is None:
        return Habits("rspamd's configuration cannot be read here", "see why: rspamadm configdump dkim_signing")
    unknown = next((name for name in _NOT_FOLLOWED if options.get(name)), "")
    other = [name for name in _USE_DOMAIN if options.get(name, "header") != "header"]
    if unknown or other:
        decides = unknown or f"{other[0]} = {options[other[0]]}"
        return Habits(f"{decides} decides which domain signs in rspamd, and dkimctl signs by the From address only")
    networks = options.get("sign_networks", ())
    listed = [*map_lines(networks)] if isinstance(networks, str) else [str(network) for network in networks]
    trusted = dict.fromkeys((*(_PRIVATE if options.get("sign_local", True) else ()), *listed))
    socket = milter_socket()
    return Habits(
        subdomains=bool(options.get("use_esld", True)),
        trusted_hosts=tuple(trusted),
        socket=str(socket) if socket else "",
        changes=tuple(_stricter_today(options)),
    )


def _stricter_today(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the mail that stays unsigned today and would be signed by what dkimctl writes."""
    if not options.get("allow_username_mismatch", False):
        yield "mail of a login from another domain than its own is signed as well (allow_username_mismatch)"
    if not options.get("allow_hdrfrom_mismatch", False):
        yield "mail with another domain in its envelope than in From is signed as well (allow_hdrfrom_mismatch)"
    if not options.get("sign_authenticated", True):
        yield "mail of every login is signed (sign_authenticated)"


def configured_keys() -> Iterator[ConfiguredKey]:
    """Yield each key that the configuration names: in tables of domains, in maps, and files that its path fits."""
    options = signing_options()
    if options is None:
        return
    tables = options.get("domain")
    for domain, own in tables.items() if isinstance(tables, dict) else ():
        for selector, path in _selectors(options, own if isinstance(own, dict) else {}):
            yield _configured(domain, selector, path, f"domain {domain}")
    mapped = dict.fromkeys(d.lower() for name in ("selector_map", "path_map") for d, _ in map_rows(options.get(name)))
    for domain in mapped:
        yield _configured(domain, *key_named(options, domain))
    named = {str(domain).lower() for domain in (*mapped, *(tables if isinstance(tables, dict) else ()))}
    selector = str(options.get("selector", USUAL_SELECTOR))
    for domain in _domains_with_file(str(options.get("path", USUAL_PATH)).replace("$selector", selector)):
        if domain not in named:
            yield _configured(domain, *key_named(options, domain))


def _selectors(options: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield selector and path of each key in the table of a domain."""
    several = own.get("selectors", own)
    usual = {"selector": USUAL_SELECTOR, "path": USUAL_PATH, **options, **own}
    for one in several if isinstance(several, list) else [several]:
        found = {**usual, **one} if isinstance(one, dict) else usual
        yield str(found["selector"]), str(found["path"])


def _configured(domain: str, selector: str, path: str, source: str) -> ConfiguredKey:
    named = path.replace("$domain", domain.lower()).replace("$selector", selector)
    return ConfiguredKey(domain.lower(), selector, named, source, _USER)


def _domains_with_file(path: str) -> Iterator[str]:
    """Yield the domains for which a file exists whose name has the domain in place of `$domain`."""
    before, variable, after = path.partition("$domain")
    if not variable or "$" in after or not before.startswith("/"):
        return
    directory, _, start = before.rpartition("/")
    for name in sorted(file.name for file in Path(directory).glob(f"{escape(start)}*{escape(after)}")):
        yield name.removeprefix(start).removesuffix(after).lower()


def _of_another_user(options: Mapping[str, Any], domain: str, login: str) -> Iterator[str]:
    """Yield why a login keeps mail of this domain from being signed: it is of another one, or of none."""
    if not login or options.get("allow_username_mismatch", False):
        return
    own = login.rpartition("@")[2].lower() if "@" in login else ""
    if not own:
        yield f"the login {login} has no domain, and allow_username_mismatch is off (dkim_signing)"
    elif _reduced(options, own) != domain:
        yield f"the login is of {own} and the mail of {domain}, and allow_username_mismatch is off (dkim_signing)"


def signing_domain(options: Mapping[str, Any], sender: str, client: str, login: str) -> tuple[str, str]:
    """Return the domain whose key rspamd takes, and why it is not known; one of the two is empty."""
    unknown = next((name for name in _NOT_FOLLOWED if options.get(name)), "")
    if unknown:
        return "", f"{unknown} decides, which is not followed"
    name, use = _use_domain(options, client, login)
    if use == "recipient":
        return "", f"{name} = recipient: the recipient decides, not the sender"
    if use == "auth" and "@" not in login:
        return "", f"{name} = auth, and {f'the login {login} has no domain' if login else 'there is no login'}"
    from_mail = {"header": sender, "envelope": sender, "auth": login.rpartition("@")[2]}
    return _reduced(options, from_mail.get(use, use).lower()), ""


def _use_domain(options: Mapping[str, Any], client: str, login: str) -> tuple[str, str]:
    """Return the setting that says which domain counts for this client, and its value."""
    by_client = (
        ("use_domain_sign_networks", _is_trusted({**options, "sign_local": False}, client)),
        ("use_domain_sign_local", _is_trusted({"sign_local": True}, client)),
        ("use_domain_sign_inbound", not login and not _is_trusted({"sign_local": True}, client)),
    )
    name = next((name for name, fits in by_client if fits and options.get(name)), "use_domain")
    return name, str(options.get(name, "header"))


def _reduced(options: Mapping[str, Any], domain: str) -> str:
    """Return the registered domain with use_esld, by the list of public suffixes that rspamd reads."""
    return registered_domain(domain, _suffixes()) if options.get("use_esld", True) else domain


@cache
def _suffixes() -> Mapping[str, int]:
    try:
        content = read_file(suffix_list())
    except DkimctlError:
        content = None
    return suffixes_in((content or b"").decode("utf-8", "replace"))


def _is_trusted(options: Mapping[str, Any], client: str) -> bool:
    networks = options.get("sign_networks", ())
    listed = [*map_lines(networks)] if isinstance(networks, str) else [str(network) for network in networks]
    listed += _PRIVATE if options.get("sign_local", True) else ()
    return any(_covers(network, client) for network in listed)


def _covers(network: str, client: str) -> bool:
    try:
        return ip_address(client) in ip_network(network, strict=False)
    except (ValueError, TypeError):
        return False
