"""Judgement of key files: would the daemon sign with each, and of what kind is it?"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from dkimctl.errors import DkimctlError, shell_word
from dkimctl.files import read_regular
from dkimctl.host.accounts import may_become
from dkimctl.host.file_access import failure_text, open_results
from dkimctl.host.keyfiles import Fault, key_demands, read_key
from dkimctl.host.keysafety import Walk
from dkimctl.host.world import World
from dkimctl.keys.knownbad import weakness
from dkimctl.opendkim.fitness import Unfit, unfit


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgement of a key file. Nothing of the private key is kept."""

    algorithm: str = ""
    bits: int = 0
    why: str = ""
    """Why it is not taken over; empty when it is."""
    hint: str = ""
    weakness: str = ""
    """Why others can sign with it as well; empty when nothing is known."""
    is_unknown: bool = False
    """True when it could not be looked at."""


def judge_keys(world: World, paths: Sequence[str]) -> dict[str, Judged]:
    """Return the judgement of each path. The keys are tried as the daemon's user where this process may."""
    account = world.account
    if account is None:
        why = Judged(why=f"UserID names no user of this host: {world.opendkim.user}", hint="see: dkimctl doctor")
        return dict.fromkeys(paths, why)
    tries = may_become(account)
    opened = open_results(account, world.root, paths) if tries and paths else [0] * len(paths)
    walk = Walk(account, world.accounts, world.root)
    return {path: _judge(world, walk, path, result) for path, result in zip(paths, opened, strict=True)}


def _judge(world: World, walk: Walk, path: str, opened: int) -> Judged:
    try:
        content = read_regular(world.at(path))
    except DkimctlError as error:
        return Judged(why=error.message, hint=error.hint, is_unknown=True)
    if content is None:
        return Judged(why=f"there is no file {path}", hint="restore it from a backup")
    if opened:
        why = f"{walk.account.name} cannot open {path}: {failure_text(opened)}"
        return Judged(why=why, hint="dkimctl doctor --fix repairs it")
    unsafe = _unsafe(world, walk, path)
    if unsafe:
        return Judged(why=f"the daemon calls {path} not secure: {unsafe}", hint="dkimctl doctor --fix repairs it")
    return _fit(world, path, content)


def _unsafe(world: World, walk: Walk, path: str) -> str:
    """Return why the daemon refuses the path; below --root an ordinary user's own tree is not held against it."""
    if not world.opendkim.flag("RequireSafeKeys", True) or not (world.is_live or may_become(walk.account)):
        return ""
    try:
        found = walk.judge(path)
    except OSError as error:
        return os.strerror(error.errno or 0).lower()
    return found.text if found else ""


def _fit(world: World, path: str, content: bytes) -> Judged:
    held = read_key(content, path)
    if isinstance(held, Fault):
        return Judged(why=f"{path}: {held}")
    if not content.lstrip().startswith(b"-----BEGIN"):
        return Judged(
            why=f"{path} holds bare base64", hint=f"write it as PEM: openssl pkey -inform DER … -out {shell_word(path)}"
        )
    demands = key_demands(world)
    problem = unfit(held.algorithm, held.bits, demands)
    if problem in (Unfit.OTHER_ALGORITHM, Unfit.INVALID_SIGNATURE):
        return Judged(why=f"{path} holds an {held.algorithm} key, and SignatureAlgorithm is {demands.algorithm}")
    if problem in (Unfit.REFUSED_SIZE, Unfit.WEAK):
        who = "opendkim demands" if problem is Unfit.REFUSED_SIZE else "verifiers demand"
        return Judged(
            why=f"{path} has {held.bits} bits, and {who} {demands.accepted_bits}",
            hint="make a new key: dkimctl genkey",
        )
    return Judged(held.algorithm, held.bits, weakness=weakness(held))
