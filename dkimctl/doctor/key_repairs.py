"""Shell commands that fix a private key."""

import os
from string import ascii_lowercase

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.doctor.commands import (
    append,
    chain,
    copy_key,
    dkimctl,
    edit,
    make_directory,
    repoint_keys,
    rewrite,
    rewrite_row,
    service,
)
from dkimctl.doctor.duplicates import lines_of_people
from dkimctl.errors import shell_word
from dkimctl.host.accounts import Account
from dkimctl.host.datasets import FILES, DataSet
from dkimctl.host.keyfiles import UsedKey
from dkimctl.host.world import World
from dkimctl.names import selector_from_template
from dkimctl.opendkim.tables import Row


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
    """Return the commands that make a new key for the same domain, publish it, and then have its row name it.

    `publish` succeeds only once DNS serves the key: until then the row stays as it is. A row that dkimctl writes
    itself, or that of an inline list, is not changed.
    """
    if not key.entry or "%" in key.entry.domain:
        return dkimctl(world, "genkey DOMAIN", f"then publish it; {comment}")
    entry, selector = key.entry, _free_selector(world, key.entry.domain, key.entry.selector)
    table = world.data_sets.get("KeyTable")
    file, _, line = key.where.rpartition(" line ")
    if table is None or table.kind not in FILES or int(line) not in lines_of_people(world, table):
        return chain(*_published(world, entry.domain, selector), comment=f"then sign with it; {comment}")
    row = f"{entry.name} {entry.domain}:{selector}:{_path(world, entry.domain, selector)}"
    return chain(
        *_published(world, entry.domain, selector),
        rewrite(world, file, int(line), row),
        service(world, "reload"),
        comment=comment,
    )


def own_key(world: World, keys: DataSet, signing: DataSet, row: Row, domain: str) -> str:
    """Return the commands that give the domain of a SigningTable row a key of its own.

    Several rows of a domain get the same key, in any order.
    """
    comment = "gives it its own key; optional where DMARC does not matter"
    if keys.kind not in FILES or signing.kind not in FILES:
        return dkimctl(world, f"setup {shell_word(domain)}", comment)
    selector = _free_selector(world, domain)
    name = f"{selector}._domainkey.{domain}"
    added = append(world, keys.place, f"{name} {domain}:{selector}:{_path(world, domain, selector)}")
    is_there = f"grep -qF {shell_word(name + ' ')} {shell_word(world.shown(keys.place))}"
    return chain(
        *_published(world, domain, selector),
        f"{{ {is_there} || {added}; }}",
        rewrite_row(world, signing, row, f"{row.key} {name}"),
        service(world, "reload"),
        comment=comment,
    )


def _published(world: World, domain: str, selector: str) -> tuple[str, str]:
    named = f"{shell_word(domain)} -s {selector}"
    return dkimctl(world, f"genkey {named} --if-missing"), dkimctl(world, f"publish {named}")


def _path(world: World, domain: str, selector: str) -> str:
    return f"{world.settings.paths.keys}/{domain}/{selector}.private"


def _free_selector(world: World, domain: str, taken: str = "") -> str:
    """Return the default selector, with a letter appended where it is taken."""
    usual = selector_from_template(world.settings.keys.selector, SYSTEM_CLOCK.now())
    free = (s for s in (usual, *(usual + letter for letter in ascii_lowercase[1:])) if s != taken)
    return next(s for s in free if not os.path.exists(world.shown(_path(world, domain, s))))


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
    away = f"mv {path} {path}.broken" if os.path.lexists(world.shown(key.path)) else ""
    otherwise = "or restore the file from a backup"
    if entry and os.path.isfile(world.shown(key.path.removesuffix(".private") + ".json")):  # rotate has a key for it
        return chain(away, dkimctl(world, f"rotate --now {shell_word(entry.domain)}"), comment=otherwise)
    return chain(away, another_key(world, key, otherwise))
