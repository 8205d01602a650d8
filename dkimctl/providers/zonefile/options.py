"""The `[providers.zonefile]` table: the directory of included files, and the command that reloads the name server."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dkimctl.config.settings import Option, Settings
from dkimctl.errors import ConfigError, Unavailable, shell_word
from dkimctl.programs import run_program
from dkimctl.programs.search import changeable_source
from dkimctl.providers.base import unknown_keys

RELOADING = "reload the name server (rndc reload, knotc zone-reload, nsd-control reload)"
OPTIONS = ("directory", "reload")


@dataclass(frozen=True, slots=True)
class ZoneFileOptions:
    """The options of the zone file provider."""

    directory: Path | None = None
    """The directory for relative names of included files; None: the zone file's own directory."""
    reload: tuple[str, ...] = ()
    """A program and its arguments, with `{zone}` and `{path}` as placeholders; empty: a person reloads."""
    locate: Callable[[str], Path] = Path
    """Maps a system path to its place below `--root`."""


def options_from(options: Mapping[str, Option], settings: Settings) -> ZoneFileOptions:
    """Read the table. Raises ConfigError with every mistake."""
    problems = unknown_keys("zonefile", options, OPTIONS)
    directory, command = options.get("directory", ""), options.get("reload", ())
    if not isinstance(directory, str) or (directory and not directory.startswith("/")):
        problems.append(f"[providers.zonefile] directory: must be an absolute path, not {directory!r}")
    if not isinstance(command, tuple) or ("reload" in options and not command):
        problems.append(
            f'[providers.zonefile] reload: must be a list, such as ["rndc", "reload", "{{zone}}"], not {command!r}'
        )
    if command and (node := changeable_source(settings.source)):
        problems.append(f"[providers.zonefile] reload: not run as root from a file that others can change ({node})")
    if problems:
        raise ConfigError(
            "[providers.zonefile] has mistakes",
            hint=f"correct it: editor {shell_word(settings.source)}",
            problems=problems,
        )
    assert isinstance(command, tuple)
    return ZoneFileOptions(settings.at(str(directory)) if directory else None, command, settings.at)


def reload(command: Sequence[str], zone: str, path: Path) -> None:
    """Run the reload command without a shell. Raises Unavailable when it fails."""
    program, *arguments = (word.replace("{zone}", zone).replace("{path}", str(path)) for word in command)
    ended = run_program(program, *arguments)
    if ended.code:
        said = (ended.err.strip() or ended.out.strip() or f"exit {ended.code}").splitlines()[-1]
        raise Unavailable(
            f"the name server was not reloaded: {program}: {said}",
            hint=f"try it by hand: {' '.join(map(shell_word, (program, *arguments)))}",
        )
