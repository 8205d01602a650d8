"""The stage of the demo: a scratch directory in place of a relay, and the sandbox in place of OVH and DNS."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dkimctl.clock import Clock
from dkimctl.config.load import load_settings
from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, UsageError
from dkimctl.files import caller, make_directory, new_directory, remove_tree, touch, write_file
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.store import Key
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.providers.base import Provider

if TYPE_CHECKING:
    from dkimctl.sandbox import Sandbox

DOMAIN = "domain.tld"


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything the demo works with; every path is below `directory`."""

    directory: Path
    settings: Settings
    store: KeyDirectory
    clock: Clock
    sandbox: "Sandbox"
    provider: Provider

    @property
    def key(self) -> Key:
        """Return the one key of the stage."""
        (key,) = self.store.keys(DOMAIN)
        return key

    def shown(self, path: str | Path) -> str:
        """Return a path as the demo prints it: relative to the scratch directory."""
        return str(path).removeprefix(f"{self.directory}/")

    def age_main_cf(self) -> None:
        """Make main.cf look old: postconf waits two seconds where it was edited just now."""
        path = self.settings.at(self.settings.paths.main_cf)
        touch(path, (0, 0))


def demand(holds: bool, otherwise: str) -> None:
    """Check a proof. Raises CheckFailed when it does not hold."""
    if not holds:
        raise CheckFailed(otherwise, hint="this must never happen in the demo; please report it")


@contextmanager
def open_stage(clock: Clock, *, keep: bool) -> Iterator[Stage]:
    """Open a fresh stage; its directory is removed at the end unless `keep`."""
    from dkimctl.sandbox import Sandbox

    directory = new_directory("demo")
    try:
        with Sandbox(zones=[DOMAIN]) as sandbox:
            yield set_the_stage(directory, sandbox, clock)
    finally:
        if not keep:
            remove_tree(directory)


def set_the_stage(directory: Path, sandbox: "Sandbox", clock: Clock) -> Stage:
    """Set up a relay below `directory` that uses this sandbox and nothing of the caller's environment."""
    for name in ("etc/postfix", "spool", "run"):
        make_directory(directory / name, mode=0o755)
    write_file(directory / "etc/postfix/main.cf", _MAIN_CF.format(directory=directory).encode())
    file = directory / "dkimctl.toml"
    host, port = sandbox.dns_address
    owner = f"{os.geteuid()}:{os.getegid()}"
    text = _CONFIGURATION.format(directory=directory, owner=owner, socket=_socket(directory), host=host, port=port)
    write_file(file, text.encode())
    settings = load_settings(str(file), root="/", environment={})
    store = KeyDirectory(settings.key_directory, owner=caller())
    return Stage(directory, settings, store, clock, sandbox, sandbox_account(sandbox, clock))


def _socket(directory: Path) -> str:
    """Return where the milter would listen: in Postfix's queue directory, unless that path is too long."""
    try:
        return str(parse_socket(f"local:{directory}/spool/opendkim/opendkim.sock"))
    except UsageError:
        return "inet:8891@localhost"


def sandbox_account(sandbox: "Sandbox", clock: Clock) -> Provider:
    """Return the account at the sandbox; the keys of a real account in the environment are not read."""
    from dkimctl.providers.ovh.credentials import Credentials
    from dkimctl.providers.ovh.provider import OvhProvider

    keys = sandbox.credentials
    credentials = Credentials(sandbox.api_url, keys.application_key, keys.application_secret, keys.consumer_key)
    return OvhProvider(credentials, clock)


_MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {directory}/spool
"""

_CONFIGURATION = """\
# Written by dkimctl demo: a relay below a scratch directory, and the sandbox for DNS.
provider = "ovh"

[paths]
keys = "{directory}/etc/opendkim/keys"
opendkim_conf = "{directory}/etc/opendkim.conf"
opendkim_directory = "{directory}/etc/opendkim"
postfix_directory = "{directory}/etc/postfix"
tmpfiles_directory = "{directory}/etc/tmpfiles.d"
pid_file = "{directory}/run/opendkim.pid"
backups = "{directory}/backups"

[keys]
owner = "{owner}"

[signing]
socket = "{socket}"

[dns]
nameservers = ["{host}:{port}"]
port = {port}
"""
