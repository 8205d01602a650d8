"""rspamd: its dkim_signing module, its milter, and copies of the keys that its user may read.

Everything of ours is below /etc/rspamd/dkimctl. The files in local.d belong to people: a managed block at their end
includes ours with a higher priority, so that what people set there stays, and ours counts where both say something.
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from itertools import groupby

from dkimctl.config.settings import Settings, Signing
from dkimctl.errors import shell_word
from dkimctl.files import read_file
from dkimctl.opendkim.hosts import canonical_host
from dkimctl.opendkim.managed_block import Foreign, read_foreign
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.signers.base import Name
from dkimctl.signers.key_copies import derived_directory, derived_key, derived_path
from dkimctl.signers.rendered import Content, Notice, RenderedDirectory, RenderedFile, Selection, SigningKey, fixed
from dkimctl.signers.socketdir import socket_directory, tmpfiles

PLACE = "/etc/rspamd"
KEYS = "/var/lib/dkimctl/rspamd"
OLD_KEYS = "/var/lib/rspamd/dkimctl"
"""Where earlier versions put the copies: in a directory of rspamd's own user."""
OURS = f"{PLACE}/dkimctl"
SIGNING, PROXY, NETWORKS = "dkim_signing.conf", "worker-proxy.inc", "sign_networks.map"
_HEADER = b"# Written by `dkimctl render-config --install`, which replaces every change made here.\n"
_DOMAIN = re.compile(r'^ {2}"([^"]+)" \{')
_SELECTOR = re.compile(r'selector = "([^"]+)"')
# rspamd looks for the exact domain of the From address, or for its registered domain: it has no word for a domain and
# all below it. The chunk is run once, the function it returns for each message (lua_dkim_tools.lua).
_SIGNING_DOMAIN = """\
use_domain_custom = <<LUA
local domains = rspamd_config:get_all_opt("dkim_signing").domain
return function(task)
  local from = (task:get_from("mime") or {})[1]
  local name = from and from.domain and from.domain:lower()
  if not name or name == "" or domains[name] then return name end
  local parent = name:match("^[^.]*%.(.+)$")
  while parent do
    if domains[parent] and domains[parent].subdomains then return parent end
    parent = parent:match("^[^.]*%.(.+)$")
  end
  return name
end
LUA
"""


def files(settings: Settings, selection: Selection) -> tuple[tuple[RenderedFile, ...], tuple[Notice, ...]]:
    """Return keys first, the files of local.d last: they make rspamd read the others; and the notices."""
    theirs = {name: read_foreign(settings.at(f"{PLACE}/local.d/{name}")) for name in (PROXY, SIGNING)}
    networks, others = _networks(settings)
    found = (
        *(derived_key(settings, KEYS, key) for key in selection.keys),
        RenderedFile(f"{OURS}/{NETWORKS}", fixed(_HEADER + b"".join(f"{n}\n".encode() for n in networks))),
        RenderedFile(f"{OURS}/{SIGNING}", _signing(selection.keys, alone=not _says_something(theirs[SIGNING]))),
        RenderedFile(f"{OURS}/{PROXY}", fixed(_HEADER + _proxy(parse_socket(settings.signing.socket)))),
        *tmpfiles(settings),
        *(
            RenderedFile(f"{PLACE}/local.d/{name}", _including(name, foreign), made_from=foreign.version)
            for name, foreign in theirs.items()
        ),
    )
    return found, tuple(_notices(settings, theirs[SIGNING], others))


def directories(settings: Settings) -> tuple[RenderedDirectory, ...]:
    """Return the directory of the keys, and that of the socket where it is a Unix one."""
    return (derived_directory(settings, KEYS), *socket_directory(settings))


def installed_keys(settings: Settings) -> frozenset[Name]:
    """Return the keys in our part of the installed configuration."""
    text = (read_file(settings.at(f"{OURS}/{SIGNING}")) or b"").decode("utf-8", "replace")
    found = ((_DOMAIN.match(line), line) for line in text.splitlines())
    return frozenset((domain[1], selector) for domain, line in found if domain for selector in _SELECTOR.findall(line))


def still_signs(settings: Settings) -> tuple[Notice, ...]:
    """Return what to say when another signer is to sign and rspamd goes on: mail would be signed twice."""
    path = f"{PLACE}/local.d/{SIGNING}"
    if f'dkimctl/{SIGNING}"'.encode() not in (read_file(settings.at(path)) or b""):
        return ()
    hint = f"take dkimctl's block out of {path}, and have rspamd reload, once {settings.signing.signer} signs"
    return (Notice("rspamd signs as well, by what dkimctl wrote for it: mail is signed twice", hint),)


def _including(name: str, foreign: Foreign) -> Content:
    line = f'.include(priority=2,duplicate=merge) "$LOCAL_CONFDIR/dkimctl/{name}"\n'.encode()
    return Content(lambda: foreign.around((line,)))


def _says_something(foreign: Foreign) -> bool:
    return any(line.text.strip() and not line.text.lstrip().startswith(b"#") for line in foreign.lines)


def _networks(settings: Settings) -> tuple[list[str], list[str]]:
    """The trusted hosts that are addresses or networks, and those that are not."""
    networks: list[str] = []
    others: list[str] = []
    for host in dict.fromkeys(map(canonical_host, settings.signing.trusted_hosts)):
        try:
            networks.append(str(ip_network(host)))
        except ValueError:
            others.append(host)
    return networks, others


def _proxy(socket: MilterSocket) -> bytes:
    host = f"[{socket.host}]" if ":" in socket.host else socket.host or "*"
    # the socket's directory is set-group-id to Postfix, so the mode is enough to let it in
    place = f"{socket.path} mode=0660" if socket.is_unix else f"{host}:{socket.port}"
    return f'milter = yes;\nbind_socket = "{place}";\n'.encode()


def _signing(keys: tuple[SigningKey, ...], *, alone: bool) -> Content:
    """`alone`: no other file decides, so that private networks are only trusted when they are named."""

    def lines() -> Iterator[bytes]:
        yield _HEADER
        yield b'sign_authenticated = true;\nuse_domain = "header";\nuse_esld = false;\n'
        yield b"allow_hdrfrom_mismatch = true;\nallow_username_mismatch = true;\n"
        yield b"sign_local = false;\n" if alone else b""
        yield f'sign_networks = "$LOCAL_CONFDIR/dkimctl/{NETWORKS}";\n'.encode()
        yield _SIGNING_DOMAIN.encode()
        yield b"domain {\n"
        for domain, own in groupby(keys, key=lambda key: key.domain):
            yield _domain(domain, tuple(own)).encode("ascii")
        yield b"}\n"

    return Content(lines)


def _domain(domain: str, keys: tuple[SigningKey, ...]) -> str:
    selectors = ", ".join(f'{{ selector = "{key.selector}"; path = "{derived_path(KEYS, key)}"; }}' for key in keys)
    below = "true" if any(key.subdomains for key in keys) else "false"
    return f'  "{domain}" {{ subdomains = {below}; selectors = [ {selectors} ]; }}\n'


def _notices(settings: Settings, theirs: Foreign, others: Iterable[str]) -> Iterator[Notice]:
    if names := ", ".join(others):
        yield Notice(
            f"rspamd knows clients by address only, so trusting {names} has no effect",
            "name their addresses or networks in trusted_hosts",
        )
    if settings.signing.canonicalization not in ("relaxed/relaxed", Signing().canonicalization):
        yield Notice(
            f"rspamd always signs relaxed/relaxed, not {settings.signing.canonicalization}",
            "leave canonicalization out, or sign with opendkim",
        )
    if _says_something(theirs):
        yield Notice(
            f"{PLACE}/local.d/{SIGNING} has settings of its own: those in {OURS}/{SIGNING} count where both have one",
            "see what counts: rspamadm configdump dkim_signing",
        )
    override = f"{PLACE}/override.d/{SIGNING}"
    if read_file(settings.at(override)):
        yield Notice(
            f"{override} overrides what dkimctl writes for rspamd",
            f"look whether it must: cat {shell_word(override)}",
        )
