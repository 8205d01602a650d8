"""What the tests of `render` share: trees with managed keys, and settings that point at them."""

import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from dkimctl.config.settings import Settings, Signing
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Phase, Tags, new_metadata
from dkimctl.keys.pair import Algorithm, KeyPair, generate
from dkimctl.signers.desired import desired
from dkimctl.signers.rendered import Rendering

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)

ARTICLE_CONF = """\
OversignHeaders From
AutoRestart Yes
AutoRestartRate 10/1h
UMask 002
Syslog yes
SyslogSuccess Yes
LogWhy Yes

Canonicalization relaxed/simple

InternalHosts refile:/etc/opendkim/TrustedHosts
KeyTable refile:/etc/opendkim/KeyTable
SigningTable refile:/etc/opendkim/SigningTable

Mode s
PidFile /var/run/opendkim/opendkim.pid
SignatureAlgorithm rsa-sha256

UserID opendkim:opendkim

Socket local:/var/spool/postfix/opendkim/opendkim.sock
SOCKET inet:8891@localhost
"""
ARTICLE_KEY_TABLE = "mail._domainkey.domain.tld domain.tld:mail:/etc/opendkim/keys/mail.private\n"
ARTICLE_SIGNING_TABLE = "*@domain.tld mail._domainkey.domain.tld\n*@*.domain.tld mail._domainkey.domain.tld\n"
ARTICLE_TRUSTED_HOSTS = "127.0.0.1\n0.0.0.0/0\n"


@cache
def pair(algorithm: str = "rsa") -> KeyPair:
    """One key pair of each kind is enough: making RSA keys takes its time."""
    return generate(Algorithm(algorithm))


def settings_for(root: Path, **signing: Any) -> Settings:
    """Settings for the tree below `root`, with these changes to `[signing]`."""
    return Settings(root=root, signing=Signing()._replace(**signing))


def store_for(settings: Settings) -> KeyDirectory:
    """The tree's keys."""
    return KeyDirectory(settings.key_directory, shown=settings.paths.keys)


def manage(
    settings: Settings,
    *domains: str,
    selector: str = "mail",
    phase: Phase = Phase.ACTIVE,
    algorithm: str = "rsa",
    flags: str = "",
) -> None:
    """Give each domain a key in this phase."""
    store = store_for(settings)
    for domain in domains:
        key_pair = pair(algorithm)
        metadata = new_metadata(key_pair.algorithm, key_pair.bits, Tags(flags=flags), NOW)
        key = store.create(domain, selector, key_pair, b"record\n", metadata)
        if phase is not Phase.GENERATED:
            store.advance(key, phase, NOW)


def rendering_for(settings: Settings) -> Rendering:
    """What the tree should be told."""
    return desired(settings, store_for(settings))


def text_of(rendering: Rendering, path: str) -> str:
    """The content of a rendered file."""
    [file] = [file for file in rendering.files if file.path == path]
    return b"".join(file.content).decode()


def said(rendering: Rendering) -> str:
    """All notices, a line each."""
    return "\n".join(f"{notice.message} | {notice.hint}" for notice in rendering.notices)


def write(root: Path, path: str, text: str, mode: int = 0o644) -> Path:
    """Write a system file below `root`."""
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(mode)
    os.utime(place, (0, 0))  # Postfix waits before it reads a main.cf that has just changed
    return place


def tree(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file below `root` with content, mode and modification time."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
