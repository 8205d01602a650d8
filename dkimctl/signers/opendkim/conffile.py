"""Whose opendkim.conf is it: nobody's yet, ours, the package's own, or a person's?

Ours carries a digest of itself, so that a later edit makes it a person's. The package's own is known by the MD5 that
dpkg keeps of each configuration file.
"""

from collections.abc import Iterable, Mapping
from hashlib import md5, sha256

from dkimctl.config.settings import Settings
from dkimctl.files import read_file
from dkimctl.opendkim.conf import INCLUDE, Configuration, Setting, parse
from dkimctl.opendkim.tables import data_set
from dkimctl.owners import find_daemon
from dkimctl.signers.rendered import Notice

DPKG_STATUS = "/var/lib/dpkg/status"
_SEAL = b"# dkimctl-sha256 "
_HEADER = b"""\
# Written by `dkimctl render-config --install`. You may edit it: dkimctl then keeps
# your file and adds its settings with an Include line at the end.
"""


def sealed(body: bytes) -> bytes:
    """Return `body` with a digest, by which an edited file is recognised."""
    return _HEADER + _SEAL + sha256(body).hexdigest().encode() + b"\n\n" + body


def belongs_to_person(settings: Settings, content: bytes | None) -> bool:
    """Return whether a person has had a hand in opendkim.conf, so that it must be kept."""
    return not (content is None or _is_sealed(content) or _is_package_own(settings, content))


def is_ours(content: bytes) -> bool:
    """Return whether dkimctl wrote the file whole; a person may have edited it since."""
    return content.startswith(_HEADER)


def _is_sealed(content: bytes) -> bool:
    _, found, rest = content.partition(_SEAL)
    digest, _, body = rest.partition(b"\n\n")
    return bool(found) and digest == sha256(body).hexdigest().encode() and content == sealed(body)


def _is_package_own(settings: Settings, content: bytes) -> bool:
    status = read_file(settings.at(DPKG_STATUS)) or b""
    digest = md5(content, usedforsecurity=False).hexdigest()
    return f"\n {settings.paths.opendkim_conf} {digest}".encode() in status


def without_include(content: bytes, included: str) -> bytes:
    """Return a person's opendkim.conf without `Include included`."""
    ours = {s.line for s in parse(content, "") if s.key == INCLUDE and s.value == included}
    lines = content.split(b"\n")
    return b"\n".join(line for number, line in enumerate(lines, 1) if number not in ours)


def with_include_last(content: bytes, included: str) -> bytes:
    """A person's opendkim.conf with `Include included` as its last setting; verbatim when it is that already."""
    found = parse(content, "")
    ours = [s.line for s in found if s.key == INCLUDE and s.value == included]
    if ours and found[-1].line == ours[-1] and len(ours) == 1:
        return content
    kept = without_include(content, included)
    return kept + (b"" if not kept or kept.endswith(b"\n") else b"\n") + f"Include {included}\n".encode()


def settings_of_person(installed: Configuration, ours: str) -> dict[str, Setting]:
    """Return the settings of a person's opendkim.conf without our own file, by lower-case name."""
    return {s.key: s for s in installed.settings if s.file != ours}


def stays(name: str, theirs: Mapping[str, Setting], settings: Settings, *, same_socket: bool) -> bool:
    """Return True for a setting that a person has chosen and that does as well as ours, which would only be a default.

    `same_socket`: the daemon goes on listening where it does. How mail is signed must not change because dkimctl came.
    """
    setting = theirs.get(name.lower())
    value = setting.value.lower() if setting else ""
    match name.lower():
        case "mode":  # without it the daemon signs, and verifies what comes in
            return setting is None or "s" in value
        case "userid":  # `opendkim` is `opendkim:opendkim` where that is its group
            return setting is not None and _is_same_owner(setting.value, settings)
        case "oversignheaders":
            return "from" in value.replace(",", " ").split()
        case "umask":  # Postfix can use the socket as it is
            return bool(value) and same_socket
        case "autorestart" | "autorestartrate":
            return "autorestart" in theirs
    return False


def _is_same_owner(value: str, settings: Settings) -> bool:
    """Return whether UserID means the user and group that dkimctl would name."""
    theirs, ours = (find_daemon(owner, settings.root) for owner in (value, settings.keys.owner))
    if theirs is None or ours is None:
        return value == settings.keys.owner
    return (theirs.uid, theirs.gid) == (ours.uid, ours.gid)


def overridden_notices(
    theirs: Mapping[str, Setting], wanted: Iterable[tuple[str, str]], ours: str
) -> tuple[Notice, ...]:
    """The settings of a person's opendkim.conf that ours replace by another value."""
    changed = [
        f"{setting.name} {setting.value} (line {setting.line})"
        for name, value in wanted
        if (setting := theirs.get(name.lower())) is not None and not _equal(setting, value)
    ]
    if not changed:
        return ()
    return (
        Notice(
            f"{ours} comes last and replaces: {'; '.join(changed)}", "see the new values: dkimctl render-config --diff"
        ),
    )


def _equal(setting: Setting, value: str) -> bool:
    theirs, ours = setting.value.lower(), value.lower()
    if setting.key in ("keytable", "signingtable", "internalhosts"):
        return data_set(theirs)[1] == data_set(ours)[1]  # the same file, as another kind of table
    if setting.key in ("syslog", "syslogsuccess", "logwhy", "autorestart"):
        return theirs[:1] in "ty1"  # how the daemon reads a yes
    if setting.key == "pidfile":
        return theirs.removeprefix("/var") == ours.removeprefix("/var")  # /var/run is /run
    return theirs == ours
