"""From the old configuration to the new one: dry run, install, and every daemon told. The last step of `render`."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import Unavailable, disk_errors
from dkimctl.host import daemon
from dkimctl.host.daemon import Step, TakenUp
from dkimctl.opendkim import conf
from dkimctl.render.base import Rendering
from dkimctl.render.install import Installed, install

_MOST_DRY_RUNS = 10


@dataclass(frozen=True, slots=True)
class Switched:
    """What was done."""

    installed: Installed
    dry_run: str
    """What the dry run showed, or why there was none."""
    daemon: TakenUp | None
    """None in a staging tree, where no daemon belongs to the files."""
    postfix: TakenUp | None
    """None when main.cf did not change."""


def switch_to(rendering: Rendering, settings: Settings, *, clock: Clock) -> Switched:
    """Install the rendering and have opendkim and Postfix take it up. A second run changes nothing.

    Raises what `render.install.install` raises, Refused when the dry run fails, and Unavailable when a daemon could not
    be told: the files are in place then.
    """
    is_here = settings.root == Path("/")
    said: list[str] = []

    def before_switch(staged: Mapping[str, Path]) -> None:
        said.append(_dry_run(rendering, settings, staged))

    before = conf.read(settings.paths.opendkim_conf, settings.at)
    installed = install(rendering, settings, now=clock.now(), before_switch=before_switch)
    after = conf.read(settings.paths.opendkim_conf, settings.at)
    return Switched(
        installed=installed,
        dry_run=said[0] if said else "",
        daemon=_opendkim(before, after, installed, settings) if is_here else None,
        postfix=_postfix(settings) if is_here and installed.changed.postfix else None,
    )


def _dry_run(rendering: Rendering, settings: Settings, staged: Mapping[str, Path]) -> str:
    if settings.root != Path("/"):
        return "no dry run below --root"
    if daemon.find_program("opendkim") is None:
        return "no dry run: opendkim is not installed yet"
    user = settings.keys.owner.partition(":")[0] if os.geteuid() == 0 else None
    domains = [key.domain for key in rendering.keys[:_MOST_DRY_RUNS]]
    daemon.dry_run(_dry_configuration(rendering, settings, staged), domains, user)
    return f"dry run: opendkim signs for {', '.join(domains)}"


def _dry_configuration(rendering: Rendering, settings: Settings, staged: Mapping[str, Path]) -> bytes:
    """The new configuration in one file, then its tables where they are staged: the last setting wins."""
    path = settings.paths.opendkim_conf
    with disk_errors(f"read {staged[path]}"):
        content = staged[path].read_bytes()
    parsed = conf.parse(content, path)
    lines = [_including(setting, staged) for setting in parsed]
    known = conf.expand(b"".join(lines), path)
    for name in ("KeyTable", "SigningTable", "InternalHosts"):
        kind, _, table = (known.get(name) or "").partition(":")
        if table in staged:
            lines.append(conf.setting_line(name, f"{kind}:{staged[table]}"))
    return b"".join(lines)


def _including(setting: conf.Setting, staged: Mapping[str, Path]) -> bytes:
    """The setting as a line; for an `Include` of a staged file the lines of that file."""
    if setting.key == conf.INCLUDE and setting.value in staged:
        return staged[setting.value].read_bytes() + b"\n"
    return f"{setting.name} {setting.value}\n".encode("utf-8", "surrogateescape")


def _opendkim(
    before: conf.Configuration | None, after: conf.Configuration | None, installed: Installed, settings: Settings
) -> TakenUp:
    old_pid_file = (before.get("PidFile") if before else None) or settings.paths.pid_file
    pid = daemon.find_running(Path(old_pid_file)) or daemon.find_running(Path(settings.paths.pid_file))
    step = daemon.step_needed(before, after)
    if step is Step.RELOAD and not (installed.changed.files or installed.changed.directories):
        step = Step.NONE
    return daemon.take_up(step, settings, pid)


def _postfix(settings: Settings) -> TakenUp:
    """Reload Postfix where it runs; otherwise the settings count from its next start."""
    directory = settings.at(settings.paths.postfix_directory)
    program = daemon.find_program("postfix") or "postfix"
    if subprocess.run([program, "-c", directory, "status"], capture_output=True, timeout=60).returncode != 0:
        return TakenUp(
            Step.START, False, "Postfix does not run: its settings count when it starts", "start it: postfix start"
        )
    if subprocess.run([program, "-c", directory, "reload"], capture_output=True, timeout=60).returncode != 0:
        raise Unavailable("postfix reload failed", hint=f"see why: postfix -c {directory} check")
    return TakenUp(Step.RELOAD, True, "Postfix was reloaded")
