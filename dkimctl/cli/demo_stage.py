"""Where the demo plays: a scratch directory that stands for a relay, and the sandbox that stands for OVH and DNS."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from dkimctl.clock import Clock
from dkimctl.config.load import load_settings
from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, UsageError, disk_errors
from dkimctl.files import caller, make_directory, write_file
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.store import Key
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.providers.base import Provider

if TYPE_CHECKING:
    from dkimctl.sandbox import Sandbox

DOMAIN = "domain.tld"


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything the demo works with; no path of it lies outside `directory`."""

    directory: Path
    settings: Settings
    store: KeyDirectory
    clock: Clock
    sandbox: "Sandbox"
    provider: Provider

    @property
    def key(self) -> Key:
        """The one key of the stage."""
        (key,) = self.store.keys(DOMAIN)
        return key

    def shown(self, path: str | Path) -> str:
        """A path as the demo prints it: from the scratch directory on."""
        return str(path).removeprefix(f"{self.directory}/")

    def age_main_cf(self) -> None:
        """Make main.cf look old: while it is fresh, postconf waits two seconds for somebody else's edit to end."""
        path = self.settings.at(f"{self.settings.paths.postfix_directory}/main.cf")
        os.utime(path, (0, 0))


def demand(holds: bool, otherwise: str) -> None:
    """A proof: raises CheckFailed when it does not hold."""
    if not holds:
        raise CheckFailed(otherwise, hint="this is what the demo must never show; please report it")


@contextmanager
def open_stage(clock: Clock, *, keep: bool) -> Iterator[Stage]:
    """A fresh stage; its directory is removed at the end unless `keep`."""
    from dkimctl.sandbox import Sandbox

    with disk_errors("make a scratch directory", hint="name one that you may write: TMPDIR=… dkimctl demo"):
        directory = Path(mkdtemp(prefix="dkimctl-demo-"))
    try:
        with Sandbox(zones=[DOMAIN]) as sandbox:
            yield set_the_stage(directory, sandbox, clock)
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


def set_the_stage(directory: Path, sandbox: "Sandbox", clock: Clock) -> Stage:
    """A relay below `directory` that uses this sandbox. Nothing of the caller's environment steers it."""
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
    """Where the milter would listen: in Postfix's queue directory, unless that path is too long for a socket."""
    try:
        return str(parse_socket(f"local:{directory}/spool/opendkim/opendkim.sock"))
    except UsageError:
        return "inet:8891@localhost"


def sandbox_account(sandbox: "Sandbox", clock: Clock) -> Provider:
    """The account at the sandbox. Its keys are given here: those of a real account in the environment are not read."""
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
