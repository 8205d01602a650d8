"""The units: a service with the fewest rights with which a rotation works, its timer, and a mail when it fails."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from dkimctl.config.settings import Settings

SERVICE = "dkimctl-rotate.service"
TIMER = "dkimctl-rotate.timer"
FAILED = "dkimctl-rotate-failed.service"
_HEADER = "# Written by `dkimctl init`. To change something: systemctl edit {}\n"
_SERVICE = """\
[Unit]
Description=Replace the DKIM keys that are due
Documentation=man:dkimctl(1)
Wants=network-online.target
After=network-online.target nss-lookup.target opendkim.service postfix.service
OnFailure={failed}

[Service]
Type=oneshot
ExecStart={command}
TimeoutStartSec=6h
UMask=0077

{sandbox}"""
_SANDBOX = """\
# where it writes: its own places, the daemon's files, main.cf (by postconf), and zone files named in dkimctl.toml
ProtectSystem=strict
StateDirectory=dkimctl
RuntimeDirectory=dkimctl
RuntimeDirectoryMode=0711
RuntimeDirectoryPreserve=yes
{writable}
ProtectHome=read-only
PrivateTmp=yes
Environment=TMPDIR=/var/lib/dkimctl

# files of the daemon's user (CHOWN, DAC_OVERRIDE, FOWNER), tries as that user (SETGID, SETUID), signals (KILL), and
# which process holds which connection (SYS_PTRACE)
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL CAP_SETGID CAP_SETUID CAP_SYS_PTRACE
NoNewPrivileges=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
"""
_TIMER = """\
[Unit]
Description=Look every {often} whether a DKIM key is due
Documentation=man:dkimctl(1)

[Timer]
OnCalendar={calendar}
RandomizedDelaySec={delay}
FixedRandomDelay=yes
Persistent=yes

[Install]
WantedBy=timers.target
"""
_FAILED = """\
[Unit]
Description=Tell root that the rotation of DKIM keys failed
Documentation=man:dkimctl(1)

[Service]
Type=oneshot
ExecStart=/bin/sh -c '{{ echo "Subject: dkimctl rotate failed on $(uname -n)"; echo; \\
  journalctl --unit={service} --lines=50 --no-pager --output=cat; }} | sendmail root'
"""


def service(settings: Settings, command: Sequence[str]) -> str:
    """Return the service. `command`: program and arguments, such as `/usr/bin/dkimctl rotate`."""
    text = _SERVICE.format(
        failed=FAILED,
        command=command_line(command),
        sandbox=sandbox(settings),
    )
    return header(SERVICE) + text


def header(unit: str) -> str:
    """Return the first line of a unit."""
    return _HEADER.format(unit)


def packaged(text: str) -> str:
    """Return the text of a unit as the Debian package has it, which nobody's `init` wrote."""
    return text.replace("# Written by `dkimctl init`. To", "# To", 1)


def command_line(command: Sequence[str]) -> str:
    """Return a command as ExecStart= wants it."""
    return " ".join(map(_quoted, command))


def sandbox(settings: Settings) -> str:
    """Return the lines that leave a service the rights that a rotation or a sync needs."""
    return _SANDBOX.format(writable="\n".join(f"ReadWritePaths=-{_quoted(place)}" for place in _writable(settings)))


def timer(settings: Settings) -> str:
    """Return the timer: each day within the first three quarters of the hours in which a switch may happen.

    In a fleet every ten minutes: a step of one domain waits for relays, and each domain knows when it is due.
    """
    if settings.fleet:
        return header(TIMER) + _TIMER.format(often="ten minutes", calendar="*:0/10", delay="1min")
    start, end = settings.lifecycle.hours
    length = (end - start) % 86400 or 86400
    clock = f"*-*-* {start // 3600:02}:{start % 3600 // 60:02}:00 UTC"
    return header(TIMER) + _TIMER.format(often="day", calendar=clock, delay=f"{length * 3 // 4 // 60}min")


def failed() -> str:
    """Return the service that runs when the other one has failed."""
    return header(FAILED) + _FAILED.format(service=SERVICE)


def _writable(settings: Settings) -> Iterator[str]:
    """Yield the places that a rotation may write; one that is not there is passed over."""
    paths = settings.paths
    yield from (paths.opendkim_directory, paths.keys, "/etc/rspamd", "/etc/dkimpy-milter")
    yield from (paths.postfix_directory, "/var/spool/postfix", "/var/lib/postfix", paths.backups)
    providers = (settings.provider, *(domain.provider for domain in settings.domains.values()))
    zone_files = (name.partition(":")[2] for name in providers if name and name.startswith("zonefile:"))
    rules = (settings.lifecycle, *(domain.lifecycle for domain in settings.domains.values()))
    yield from sorted({each.publish_retired for each in rules if each and each.publish_retired})
    yield from sorted({str(PurePosixPath(path).parent) for path in zone_files if path.startswith("/")})


def _quoted(word: str) -> str:
    """Return a word as unit files want it (systemd.syntax(7), systemd.service(5))."""
    word = word.replace("%", "%%").replace("$", "$$").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{word}"' if any(c in word for c in " \t'\";\\") else word
