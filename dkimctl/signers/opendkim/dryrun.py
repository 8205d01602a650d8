"""Would the real opendkim sign with the new files? Asked before they are put in place, in its test mode `-t`.

The test mode needs no running daemon and no socket, and finds what `opendkim -n` lets pass: a key that the daemon's
user cannot read or calls insecure, a table line that makes it crash, a configuration that does not fit together.
"""

import os
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import Refused
from dkimctl.files import Owner, caller, read_named, scratch_directory, write_file
from dkimctl.opendkim import conf
from dkimctl.opendkim.tables import data_set
from dkimctl.owners import find_owner
from dkimctl.programs import Ended, Identity, find_program, run_program
from dkimctl.signers.base import Name
from dkimctl.signers.dryrun import sample
from dkimctl.signers.rendered import Rendering

_MESSAGE = b"From: dkimctl@%s\r\nTo: postmaster@example.com\r\nSubject: dry run\r\n\r\nhello\r\n"


def dry_run(rendering: Rendering, settings: Settings, staged: Mapping[str, Path], installed: Container[Name]) -> str:
    """Sign a message for each of a few domains with the staged files, as the daemon's user.

    `staged`: system path → where its new content can be read. `installed`: the keys that sign already. Returns what
    was tried, or why nothing was. Raises Refused when a message would not be signed.
    """
    if find_program("opendkim") is None:
        return "no dry run: opendkim is not installed yet"
    if not rendering.keys:
        return "no dry run: no domain is left to sign for"
    user = settings.keys.owner.partition(":")[0] if os.geteuid() == 0 else None
    domains = [key.domain for key in sample(rendering.keys, installed)]
    _sign(_configuration(settings, staged), domains, user, shown=settings.paths.opendkim_conf)
    return f"dry run: opendkim signs for {', '.join(domains)}"


def _configuration(settings: Settings, staged: Mapping[str, Path]) -> bytes:
    """Return the new configuration in one file, then its tables where they are staged: the last setting wins.

    Lines keep their numbers, up to an `Include` of ours, so that an error of the daemon names the right one.
    """
    path = settings.paths.opendkim_conf
    lines = _read(staged[path]).split(b"\n")
    for setting in conf.parse(b"\n".join(lines), path):
        if setting.key == conf.INCLUDE and setting.value in staged:
            lines[setting.line - 1] = _read(staged[setting.value])
    content = b"\n".join(lines) + b"\n"
    known = conf.expand(content, path)
    for name in ("KeyTable", "SigningTable"):
        kind, table = data_set(known.get(name) or "")
        if table in staged:
            content += conf.setting_line(name, f"{kind}:{staged[table]}")
    # the test mode shows the daemon a client at 127.0.0.1, which the admin need not trust
    # and signs only when it does not verify as well
    return content + conf.setting_line("InternalHosts", "csl:127.0.0.1") + conf.setting_line("Mode", "s")


def _read(path: Path) -> bytes:
    return read_named(str(path))


def _sign(configuration: bytes, domains: Sequence[str], user: str | None, *, shown: str) -> None:
    reader = find_owner(user) if user else caller()
    with scratch_directory("dry-run", mode=0o750, reader=reader) as directory:
        file = directory / "opendkim.conf"
        messages = {directory / f"{domain}.eml": _MESSAGE % domain.encode() for domain in domains}
        for path, content in {file: configuration, **messages}.items():
            write_file(path, content, mode=0o640, owner=Owner(os.geteuid(), reader.gid, reader.label))
        become = Identity.named(user) if user else None
        ended = run_program("opendkim", "-v", "-x", str(file), "-t", ",".join(map(str, messages)), user=become)
    _judge(ended, domains, lambda text: text.replace(str(file), shown))


def _judge(ended: Ended, domains: Sequence[str], rename: Callable[[str], str]) -> None:
    signed = ended.out.count("DKIM-Signature:")
    if ended.code == 0 and signed == len(domains):
        return
    why = f"it was ended by signal {-ended.code}" if ended.code < 0 else rename(_last_word(ended))
    first = domains[min(signed, len(domains) - 1)]
    raise Refused(
        f"nothing was installed: in a dry run opendkim did not sign mail from {first} ({why})",
        hint="can its user read the key, and can nobody else write there? namei -l shows the whole path",
    )


def _last_word(ended: Ended) -> str:
    """Return its last line without the message's name; the milter's routine answers are no reason."""
    lines = [line for line in ended.err.splitlines() if "SMFIS_CONTINUE" not in line]
    return lines[-1].removeprefix("opendkim: ").rpartition(".eml: ")[2] if lines else f"exit {ended.code}"
