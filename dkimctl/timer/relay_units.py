"""The units of a fleet's relay: a sync every minute, one that follows the database instead, and one before a start.

Where that one forbids the start ([fleet] max_stale), another tries again until the fleet answers.
"""

from collections.abc import Sequence

from dkimctl.config.settings import Settings
from dkimctl.fleet.identity import IDENTITY
from dkimctl.timer.units import command_line, header, sandbox

SYNC = "dkimctl-sync.service"
TIMER = "dkimctl-sync.timer"
WATCH = "dkimctl-sync-watch.service"
BEFORE_START = "dkimctl-before-start.service"
START_AGAIN = "dkimctl-start-again.service"
_UNIT = f"""\
Documentation=man:dkimctl(1)
ConditionPathExists={IDENTITY}
Wants=network-online.target
After=network-online.target nss-lookup.target"""
_SYNC = """\
[Unit]
Description=Fetch the DKIM keys that changed in the fleet
{unit} {signer}.service

[Service]
Type=oneshot
ExecStart={command}
TimeoutStartSec=6h
UMask=0077

{sandbox}"""
_TIMER = """\
[Unit]
Description=Ask the fleet every minute for DKIM keys that changed
Documentation=man:dkimctl(1)

[Timer]
OnBootSec=30s
OnUnitInactiveSec=60s
RandomizedDelaySec=10s
AccuracySec=5s

[Install]
WantedBy=timers.target
"""
_WATCH = """\
[Unit]
Description=Follow the DKIM keys of the fleet
{unit} {signer}.service

[Service]
ExecStart={command} --watch
Restart=on-failure
RestartSec=60s
SuccessExitStatus=130
UMask=0077

{sandbox}
[Install]
WantedBy=multi-user.target
"""
_BEFORE_START = """\
[Unit]
Description=Ask the fleet briefly, before the signer starts, whether a DKIM key was revoked
{unit}
Before={signer}.service
OnFailure={again}

[Service]
Type=oneshot
ExecStart={command} --before-start
TimeoutStartSec=2min
UMask=0077

{sandbox}
# with [fleet] max_stale the signer does not start with keys that are older; without, it starts with those that are here
[Install]
{needed}By={signer}.service
"""
_START_AGAIN = """\
[Unit]
Description=Start the signer once it may start with the DKIM keys that are here
Documentation=man:dkimctl(1)
ConditionPathExists={identity}
StartLimitIntervalSec=0

# max_stale kept it from starting: it is tried again until the fleet answers; to end that, stop this unit
[Service]
Type=oneshot
ExecStart=/usr/bin/systemctl start {signer}.service
Restart=on-failure
RestartSec=30s
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_UNIX
"""


def relay_units(settings: Settings, command: Sequence[str]) -> dict[str, str]:
    """Return the text of each unit by its name. `command`: program and arguments, `/usr/bin/dkimctl fleet sync`."""
    parts = {
        "unit": _UNIT,
        "signer": settings.signing.signer,
        "command": command_line(command),
        "sandbox": sandbox(settings),
        "needed": "Required" if settings.fleet.max_stale else "Wanted",
        "again": START_AGAIN,
        "identity": IDENTITY,
    }
    texts = {SYNC: _SYNC, TIMER: _TIMER, WATCH: _WATCH, BEFORE_START: _BEFORE_START, START_AGAIN: _START_AGAIN}
    return {name: header(name) + text.format(**parts) for name, text in texts.items()}
