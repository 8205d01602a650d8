"""Checks of the private keys: can the daemon read each one, does it accept the file, and can it sign with it?"""

import errno
import os
from collections.abc import Iterator
from itertools import islice
from typing import assert_never

from dkimctl.catalogue import private_keys as c
from dkimctl.doctor.base import Diagnosis, Repair, diagnosis, with_repair, with_severity
from dkimctl.doctor.commands import chain, comment_out, set_parameter
from dkimctl.doctor.key_repairs import another_key, decrypt, make_again, relocate_key, whole_path
from dkimctl.doctor.knownbad import Comparison, SharedFiles
from dkimctl.errors import DkimctlError, Unavailable, shell_word
from dkimctl.files import read_regular
from dkimctl.findings import Severity
from dkimctl.host.accounts import Account, may_become
from dkimctl.host.datasets import DataSetState
from dkimctl.host.file_access import failure_text, open_results
from dkimctl.host.keyfiles import Fault, UsedKey, distinct_keys, key_demands, read_key
from dkimctl.host.keysafety import Danger, Unsafe, Walk
from dkimctl.host.world import World
from dkimctl.keys.pair import MOST_BITS, USUAL_BITS, Algorithm
from dkimctl.keys.public import PublicKey
from dkimctl.names import counted
from dkimctl.opendkim.fitness import KeyDemands, Unfit, unfit

_ENTRIES = {
    Danger.FILE_OWNER: c.FILE_OWNER,
    Danger.FILE_GROUP: c.FILE_GROUP,
    Danger.FILE_OTHERS: c.FILE_OTHERS,
    Danger.DIRECTORY_OTHERS: c.DIRECTORY_OTHERS,
    Danger.DIRECTORY_GROUP: c.DIRECTORY_GROUP,
    Danger.DIRECTORY_OWNER: c.DIRECTORY_OWNER,
}
_BATCH = 10_000
"""Keys checked by one process that runs as the daemon's user."""
_KEY_DIRECTORIES = ("/etc/dkimkeys", "/etc/opendkim", "/etc/mail/dkim-keys")
"""Directories that hold only keys, so that their owner and mode may be set."""


def check_keys(world: World) -> Iterator[Diagnosis]:
    """Check the private keys that opendkim is configured to use."""
    table = world.data_sets.get("KeyTable")
    if table and table.state is DataSetState.ELSEWHERE:
        yield diagnosis(c.DATABASE, table.place, f"KeyTable {table.kind}: ({table.setting.file})")
    safety = world.opendkim.find("RequireSafeKeys")
    if safety and not world.opendkim.flag("RequireSafeKeys", True):
        seen = f"RequireSafeKeys {safety.value} ({safety.file} line {safety.line})"
        fix = comment_out(world, safety.file, safety.line, comment="the default is yes: first fix the unsafe keys")
        yield diagnosis(c.SAFETY_OFF, "RequireSafeKeys", seen, fix)
    account = world.account
    if account is None:
        return
    shared = SharedFiles()
    used = distinct_keys(world, shared.add)
    reported: set[tuple[Danger, str]] = set()
    comparison = Comparison()
    count = 0
    while batch := list(islice(used, _BATCH)):
        yield from _paths(world, batch)
        files = [key for key in batch if _is_file(key)]
        count += len(files)
        yield from _files(world, account, files, reported, comparison)
    yield from shared.found(world)
    if count and not may_become(account):
        keys = counted(count, "key")
        yield diagnosis(c.NOT_TRIED, account.name, f"{keys}, as uid {os.geteuid()} instead of {account.name}")


def _is_file(key: UsedKey) -> bool:
    return key.path.startswith("/")


def _paths(world: World, used: list[UsedKey]) -> Iterator[Diagnosis]:
    for key in used:
        if not _is_file(key) and not key.path.startswith("MII"):
            seen = f"{key.where}: {key.path[:40]}"
            yield diagnosis(c.NOT_A_PATH, key.where, seen, whole_path(world, key))


def _files(
    world: World,
    account: Account,
    used: list[UsedKey],
    reported: set[tuple[Danger, str]],
    comparison: Comparison,
) -> Iterator[Diagnosis]:
    can_try = may_become(account)
    results: list[int] = []
    try:
        results = open_results(account, world.root, [key.path for key in used]) if can_try else []
    except Unavailable as error:
        can_try = False
        yield diagnosis(c.NOT_TRIED, account.name, error.message)
    walk = Walk(account, world.accounts, world.root)
    demands = key_demands(world)
    for position, key in enumerate(used):
        result = results[position] if can_try else 0
        if result:
            yield _unopened(world, account, key, result)
            if result != errno.EACCES:
                continue
        yield from _safety(world, walk, key, reported)
        yield from _content(world, key, demands, comparison)


def _unopened(world: World, account: Account, key: UsedKey, result: int) -> Diagnosis:
    shown = world.shown(key.path)
    seen = f"{key.where}: {key.path}: {failure_text(result)}"
    if result == errno.ENOENT:
        return diagnosis(c.MISSING, key.path, seen, make_again(world, key))
    if result == errno.EACCES:
        return _denied(world, account, key, seen)
    fix = f"namei -l {shell_word(shown)}  # this must be a key file"
    return diagnosis(c.NOT_A_FILE, key.path, seen, make_again(world, key) if os.path.lexists(shown) else fix)


def _denied(world: World, account: Account, key: UsedKey, seen: str) -> Diagnosis:
    """Report a key that the daemon may not open: because of the file itself, or of a directory above."""
    shown = world.shown(key.path)
    group = world.accounts.group_name(account.gid)
    try:
        status = os.stat(shown)
    except OSError:
        return diagnosis(
            c.UNREADABLE, key.path, seen, f"namei -l {shell_word(shown)}  # shows the owner and mode of each directory"
        )
    blocked = _blocked_directory(world, account, key.path)
    if blocked:
        repair = Repair(blocked, owner=f"{account.name}:{group}", mode=0o700)
        seen = f"{seen}; {account.name} may not enter {blocked}"
        if _is_key_directory(world, blocked):
            return with_repair(world, c.UNREADABLE, seen, repair)
        return diagnosis(c.UNREADABLE, key.path, seen, relocate_key(world, account, key))
    mode = 0o600 if status.st_mode & 0o177 or not status.st_mode & 0o400 else None
    owner = f"{account.name}:{group}" if status.st_uid != account.uid else ""
    return with_repair(world, c.UNREADABLE, seen, Repair(key.path, owner=owner, mode=mode))


def _blocked_directory(world: World, account: Account, path: str) -> str | None:
    """Return the first directory above `path` that the user may not search, by its mode."""
    parts = path.split("/")[1:-1]
    for count in range(len(parts) + 1):
        place = "/" + "/".join(parts[:count])
        try:
            status = os.stat(world.shown(place))
        except OSError:
            return None
        if not account.may(0o1, status.st_mode, status.st_uid, status.st_gid):
            return place
    return None


def _is_key_directory(world: World, path: str) -> bool:
    places = (*_KEY_DIRECTORIES, world.settings.paths.keys, world.settings.paths.opendkim_directory)
    return any(path == place or path.startswith(place + "/") for place in places)


def _safety(world: World, walk: Walk, key: UsedKey, reported: set[tuple[Danger, str]]) -> Iterator[Diagnosis]:
    try:
        unsafe = walk.judge(key.path)
    except OSError:
        return  # reported before: it could not be opened, or not tried
    if unsafe is None or (unsafe.danger, unsafe.node) in reported:
        return
    reported.add((unsafe.danger, unsafe.node))
    found = _unsafe(world, walk.account, key, unsafe)
    is_required = world.opendkim.flag("RequireSafeKeys", True)
    yield found if is_required else with_severity(found, Severity.WARNING)


def _unsafe(world: World, account: Account, key: UsedKey, unsafe: Unsafe) -> Diagnosis:
    entry = _ENTRIES[unsafe.danger]
    seen = f"{unsafe.node} is {unsafe.mode:04o} {unsafe.owner} ({key.where}); opendkim: {unsafe.text}"
    owner = f"{account.name}:{world.accounts.group_name(account.gid)}"
    match unsafe.danger:
        case Danger.FILE_OWNER:
            repair = Repair(unsafe.node, owner=owner, mode=0o600)
        case Danger.FILE_GROUP | Danger.FILE_OTHERS:
            repair = Repair(unsafe.node, owner=owner if unsafe.owner != owner else "", mode=0o600)
        case Danger.DIRECTORY_OTHERS | Danger.DIRECTORY_GROUP:
            repair = Repair(unsafe.node, mode=unsafe.mode & ~0o022)
        case Danger.DIRECTORY_OWNER:
            repair = Repair(unsafe.node, owner=owner)
        case _:
            assert_never(unsafe.danger)
    if _is_key_directory(world, unsafe.node) or unsafe.node == key.path:
        return with_repair(world, entry, seen, repair)
    # all users need the mode of a directory such as /tmp, and a home directory must keep its owner
    if unsafe.mode & 0o1000 or unsafe.danger is Danger.DIRECTORY_OWNER:
        return diagnosis(entry, unsafe.node, seen, relocate_key(world, account, key))
    return diagnosis(entry, unsafe.node, seen, chain(*repair.commands(world)))


def _content(world: World, key: UsedKey, demands: KeyDemands, comparison: Comparison) -> Iterator[Diagnosis]:
    try:
        content = read_regular(world.at(key.path))
    except DkimctlError:
        content = None
    if content is None:
        return  # reported before: it could not be opened, or not tried
    held = read_key(content, key.path)
    if isinstance(held, Fault):
        entry = c.ENCRYPTED if held is Fault.ENCRYPTED else c.NOT_A_KEY
        fix = decrypt(world, key) if held is Fault.ENCRYPTED else make_again(world, key)
        yield diagnosis(entry, key.path, f"{key.path}: {held}", fix)
        return
    yield from _fitness(world, key, held, demands)
    yield from comparison.look(world, key, held)


def _fitness(world: World, key: UsedKey, public: PublicKey, demands: KeyDemands) -> Iterator[Diagnosis]:
    """Check the size and the algorithm of a key."""
    wanted = key.algorithm or demands.algorithm
    seen = f"{key.path}: {public.algorithm}, {public.bits} bits"
    problem = unfit(public.algorithm, public.bits, demands, own_algorithm=key.algorithm)
    if problem is Unfit.INVALID_SIGNATURE:
        fix = set_parameter(world, "SignatureAlgorithm", "rsa-sha256")
        yield diagnosis(c.INVALID_SIGNATURES, key.path, f"{seen}; SignatureAlgorithm {wanted}", fix)
    if problem is Unfit.OTHER_ALGORITHM:
        fix = another_key(world, key, f"one opendkim signs with {wanted} only")
        yield diagnosis(c.OTHER_ALGORITHM, key.path, f"{seen}; SignatureAlgorithm {wanted}", fix)
    if public.algorithm != Algorithm.RSA:
        return
    if problem in (Unfit.REFUSED_SIZE, Unfit.WEAK):
        entry, seen = c.TOO_SMALL, f"{seen}; MinimumKeyBits {demands.minimum_bits}"
    elif public.bits < USUAL_BITS:
        entry = c.SHORT
    elif public.bits > MOST_BITS:
        entry = c.LONG
    else:
        return
    yield diagnosis(entry, key.path, seen, another_key(world, key, f"it has {USUAL_BITS} bits and another selector"))
