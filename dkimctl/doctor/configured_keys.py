"""Checks of the private keys that a signer other than opendkim has in its effective configuration, such as rspamd's."""

import base64
import binascii
import errno
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from dkimctl.catalogue import private_keys as c
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import chain
from dkimctl.errors import DkimctlError, shell_word
from dkimctl.files import read_regular
from dkimctl.host.accounts import may_become
from dkimctl.host.file_access import failure_text, open_results
from dkimctl.host.keyfiles import Fault, read_key
from dkimctl.host.othersigners import signers_instead
from dkimctl.host.world import World
from dkimctl.keys.pair import USUAL_BITS, Algorithm
from dkimctl.keys.public import PublicKey
from dkimctl.signers.base import ConfiguredKey, Signer
from dkimctl.signers.registry import signer_named, signer_of
from dkimctl.verify.report import Target

_UNSIGNED = "The mail goes out unsigned; only the signer's own log says so."
_LEAST_BITS = 1024  # verifiers refuse smaller keys (RFC 8301 §3.2)
_SEED_SIZES = (32, 64)  # octets of an Ed25519 seed, alone or with its public half


def check_configured_keys(world: World) -> Iterator[Diagnosis]:
    """Check each key file of the signer: can it be opened, and can it sign with it?"""
    keys = {key.path: key for key in _keys(world)}
    results = _opened(world, list(keys.values()))
    for (path, key), result in zip(keys.items(), results, strict=True):
        if result:
            yield _unopened(key, result)
        else:
            yield from _content(world, key, path)


def configured_targets(world: World) -> Iterator[Target]:
    """Yield the key records to look up, each with its public key where the file has one in PEM form."""
    for key in _keys(world):
        held = _held(world, key.path)
        public = held if isinstance(held, PublicKey) else None
        target = Target(key.selector.lower(), key.domain, public, subdomains=False)
        with suppress(DkimctlError):
            if target.owner.isascii():
                yield target


def _keys(world: World) -> Iterator[ConfiguredKey]:
    for signer in _signers(world):
        yield from signer.configured_keys(world.settings)


def _signers(world: World) -> tuple[Signer, ...]:
    signer = signer_of(world.settings)
    if not world.is_live:
        return ()
    if not signer.explains:
        return (signer,)
    programs = {other.program for other in signers_instead(world) if other.is_supported}
    return tuple(signer_named(program) for program in sorted(programs))


def _opened(world: World, keys: list[ConfiguredKey]) -> list[int]:
    """Return the result of opening each file as the signer's user; 0 where that cannot be tried."""
    account = world.accounts.account(keys[0].user) if keys else None
    if account is None or not may_become(account):
        return [0] * len(keys)
    return open_results(account, world.root, [key.path for key in keys])


def _unopened(key: ConfiguredKey, result: int) -> Diagnosis:
    path, seen = shell_word(key.path), f"{key.path} ({key.source}): {failure_text(result)}"
    if result == errno.ENOENT:
        names = f"-b {USUAL_BITS} -d {shell_word(key.domain)} -s {shell_word(key.selector)}"
        made = chain(
            f"rspamadm dkim_keygen {names} -k {path}",
            f"chown {shell_word(key.user)}: {path}",
            comment="publish the record that it prints",
        )
        return diagnosis(replace(c.MISSING, meaning=_UNSIGNED), key.path, seen, made)
    entry = c.UNREADABLE if result == errno.EACCES else c.NOT_A_FILE
    fix = f"namei -l {path}  # {shell_word(key.user)} must be able to read it"
    return diagnosis(replace(entry, meaning=_UNSIGNED), key.path, seen, fix)


def _held(world: World, path: str) -> PublicKey | Fault | None:
    """Return the key, why it is none, or None for an Ed25519 seed or a file that cannot be read."""
    try:
        content = read_regular(world.at(path))
    except DkimctlError:
        return None
    held = read_key(content or b"", path)
    with suppress(binascii.Error):
        if held is Fault.NOT_A_KEY and len(base64.b64decode((content or b"").strip(), validate=True)) in _SEED_SIZES:
            return None
    return held


def _content(world: World, key: ConfiguredKey, path: str) -> Iterator[Diagnosis]:
    held = _held(world, path)
    if isinstance(held, Fault):
        entry = c.ENCRYPTED if held is Fault.ENCRYPTED else c.NOT_A_KEY
        yield diagnosis(replace(entry, meaning=_UNSIGNED), path, f"{path} ({key.source}): {held}")
    elif held is not None and held.algorithm != Algorithm.RSA:
        seen = f"{path} ({key.source}): an {held.algorithm} key as PEM; rspamd reads the base64 of its seed"
        fix = f"openssl pkey -in {shell_word(path)} -outform DER | tail -c 32 | base64  # what the file must hold"
        yield diagnosis(replace(c.NOT_A_KEY, meaning=_UNSIGNED), path, seen, fix)
    elif held is not None and held.bits < USUAL_BITS:
        entry = c.SHORT
        if held.bits < _LEAST_BITS:
            entry = replace(c.TOO_SMALL, title="the key is too small", meaning="Verifiers refuse it (RFC 8301 §3.2).")
        yield diagnosis(entry, path, f"{path} ({key.source}): {held.bits} bits", c.SHORT.fix)
