"""Shell commands that fix a private key."""

import os
from string import ascii_lowercase

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.doctor.commands import chain, copy_key, dkimctl, edit, make_directory, repoint_keys, rewrite, service
from dkimctl.errors import shell_word
from dkimctl.host.accounts import Account
from dkimctl.host.datasets import FILES
from dkimctl.host.keyfiles import UsedKey
from dkimctl.host.world import World
from dkimctl.names import selector_from_template
from dkimctl.opendkim.tables import KeyEntry


def whole_path(world: World, key: UsedKey) -> str:
    """Return the command that writes the absolute path of the key, where exactly one file matches."""
    file, _, line = key.where.rpartition(" line ")
    bases = dict.fromkeys((os.path.dirname(file), world.settings.paths.opendkim_directory))
    meant = [path for base in bases if os.path.isfile(world.shown(path := f"{base}/{key.path}"))]
    if len(meant) != 1 or key.entry is None or not _has_rows(world):
        return edit(world, file, int(line), "write the absolute path")
    entry = key.entry
    return rewrite(world, file, int(line), f"{entry.name} {entry.domain}:{entry.selector}:{meant[0]}")


def _has_rows(world: World) -> bool:
    """Return whether the table has rows that can be rewritten; an inline list is a setting of opendkim.conf."""
    table = world.data_sets.get("KeyTable")
    return table is not None and table.kind in FILES


def another_key(world: World, key: UsedKey, comment: str) -> str:
    """Return the command that makes a new key for the same domain, under an unused selector."""
    if not key.entry or "%" in key.entry.domain:
        return dkimctl(world, "genkey DOMAIN", f"then publish it; {comment}")
    made = f"genkey {shell_word(key.entry.domain)} -s {_free_selector(world, key.entry)}"
    return dkimctl(world, made, f"then publish it; {comment}")


def _free_selector(world: World, entry: KeyEntry) -> str:
    """Return the default selector, with a letter appended where it is taken."""
    usual = selector_from_template(world.settings.keys.selector, SYSTEM_CLOCK.now())
    place = f"{world.settings.paths.keys}/{entry.domain}"
    free = (s for s in (usual, *(usual + letter for letter in ascii_lowercase[1:])) if s != entry.selector)
    return next(s for s in free if not os.path.exists(world.shown(f"{place}/{s}.private")))


def relocate_key(world: World, account: Account, key: UsedKey) -> str:
    """Return commands that copy a key to a directory of the daemon's and repoint the KeyTable without interruption."""
    place = world.settings.paths.keys
    file, _, _ = key.where.rpartition(" line ")
    if not key.entry or "%" in key.entry.domain or key.path.startswith(place + "/") or not _has_rows(world):
        return edit(world, file, 0, f"keep the keys in {place}, which only the daemon can access")
    directory = f"{place}/{key.entry.domain}"
    group = world.accounts.group_name(account.gid)
    target = f"{directory}/{key.entry.selector}.private"
    return chain(
        make_directory(world, directory, account, group, 0o700),
        copy_key(world, key.path, target, f"{account.name}:{group}"),
        repoint_keys(world, file, key.path, target),
        service(world, "reload"),
        comment=f"then delete {shell_word(key.path)}",
    )


def decrypt(world: World, key: UsedKey) -> str:
    """Return the command that removes the passphrase; the file is written in place and keeps its owner and mode."""
    path, plain = shell_word(world.shown(key.path)), shell_word(world.shown(f"{key.path}.plain"))
    return f"openssl pkey -in {path} -out {plain} && cat {plain} > {path} && rm {plain}"


def make_again(world: World, key: UsedKey) -> str:
    """Return commands that replace a lost or unusable key; an existing file is renamed first.

    Where the selector's file is in the same directory or with the other keys, only the path is corrected.
    """
    entry = key.entry
    if entry and _has_rows(world):
        for base in (os.path.dirname(key.path), f"{world.settings.paths.keys}/{entry.domain}"):
            meant = f"{base}/{entry.selector}.private"
            if meant != key.path and os.path.isfile(world.shown(meant)):
                file, _, _ = key.where.rpartition(" line ")
                return chain(repoint_keys(world, file, key.path, meant), service(world, "reload"))
    path = shell_word(world.shown(key.path))
    away = f"mv {path} {path}.broken" if os.path.isfile(world.shown(key.path)) else ""
    return chain(away, another_key(world, key, "or restore the file from a backup"))
