"""`publish_retired`: a private key is public only when nothing anywhere verifies with it."""

from pathlib import Path

import pytest

from dkimctl.config.load import load_settings
from dkimctl.config.settings import Settings
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.store import Key
from dkimctl.lifecycle.facts import Leak, RecordFacts
from dkimctl.lifecycle.notes import with_leak, with_record
from dkimctl.lifecycle.reveal import TooEarly, reveal
from dkimctl.sandbox import Sandbox
from tests.conftest import DkimctlInside
from tests.publishing import ZONE, sandbox

NOW = 1_800_000_000


def prepared(dkimctl: DkimctlInside, running: Sandbox, line: str) -> tuple[Settings, KeyDirectory, Key]:
    """A key whose record was absent ten seconds ago and had a TTL of a minute; `line` is in [lifecycle]."""
    file = dkimctl.root / "etc/dkimctl/dkimctl.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f"[lifecycle]\n{line}\n")
    assert dkimctl("genkey", ZONE, "-s", "mail", "-q").code == 0
    settings = load_settings(None, str(dkimctl.root), running.environment())
    store = KeyDirectory(settings.key_directory, shown=settings.paths.keys)
    [key] = store.keys(ZONE)
    facts = RecordFacts(absent=NOW - 10, ttl=60)
    return settings, store, store.note(key, lambda known: with_record(known, facts))


def test_only_a_key_that_is_gone_everywhere_is_published(dkimctl_inside: DkimctlInside) -> None:
    """Not before its TTL has passed, not while a name server gives it after all; then whole, and readable by all."""
    with sandbox() as running:
        settings, store, key = prepared(dkimctl_inside, running, 'publish_retired = "/var/www/keys"')
        for now in (NOW, NOW + 49):
            with pytest.raises(TooEarly, match="resolvers may have the record of mail until"):
                reveal(settings, store, key, now)
        back = running.zone(ZONE).add("TXT", "mail._domainkey", f"v=DKIM1; k=rsa; p={store.public(key).base64}")
        with pytest.raises(TooEarly, match="is not gone at every name server"):
            reveal(settings, store, key, NOW + 50)
        assert not (dkimctl_inside.root / "var/www").exists()
        running.zone(ZONE).remove(back.id)
        running.zone(ZONE).refresh()
        running.zone(ZONE).finish_refresh()
        path = Path(reveal(settings, store, key, NOW + 50))
        assert path == Path(reveal(settings, store, key, NOW + 50)), "again after a kill"
    assert path == dkimctl_inside.root / f"var/www/keys/{ZONE}.mail.pem"
    assert path.read_bytes() == (settings.key_directory / ZONE / "mail.private").read_bytes()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o644, 0o755)


@pytest.mark.parametrize("line", ['publish_retired = "off"', "", 'publish_retired = "/var/www/keys"'])
def test_no_other_key_is_published(dkimctl_inside: DkimctlInside, line: str) -> None:
    """None by default; never one that leaked, whose end does not wait for a cache."""
    with sandbox() as running:
        settings, store, key = prepared(dkimctl_inside, running, line)
        if "/var" in line:
            key = store.note(key, lambda known: with_leak(known, Leak.KEY, 0))
        assert reveal(settings, store, key, NOW) == ""
    assert not (dkimctl_inside.root / "var/www").exists()
