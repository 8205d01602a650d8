"""Shell commands that fix a finding: each can be pasted into a root shell; advice follows as a shell comment.

Commands keep line numbers unless their docstring says otherwise: the fixes of several findings about one file, as
printed by one run of `doctor`, can be pasted one after the other.
"""

import os
import re

from dkimctl.errors import DkimctlError, shell_word
from dkimctl.files import read_file
from dkimctl.host.accounts import Account
from dkimctl.host.datasets import FILES, DataSet
from dkimctl.host.world import World
from dkimctl.opendkim.tables import Row
from dkimctl.programs import has_systemd
from dkimctl.secrets import masked

_SED = re.compile(r"sed -i(?: --follow-symlinks)? ((?:-e '(?:[^']|'\\'')*' )+)('[^']*'|\S+)")
_LINE_SCRIPT = re.compile(r"(?:-e '|;)(\d+)([cds])")


def edit(world: World, path: str, line: int = 0, comment: str = "") -> str:
    """Open a file at a line, for a change that cannot be made automatically; `comment` describes it."""
    return _with_comment(f"editor {f'+{line} ' if line else ''}{_quoted_path(world, path)}", comment)


def rewrite(world: World, path: str, line: int, text: str, comment: str = "") -> str:
    """Replace a line; `text` may be several. A line with a secret is not printed, but opened in an editor."""
    if masked(text) != text:
        return edit(world, path, line, comment or "it holds a secret, which is not shown")
    if _is_command_line(path):
        return edit(world, path, line, comment)
    return _with_comment(_sed(world, path, f"{line}c {_escaped(text)}"), comment)


def comment_out(world: World, path: str, *lines: int, comment: str = "") -> str:
    """Comment out lines; of a unit, without which nothing would start, the line is opened in an editor."""
    if _is_command_line(path):
        return edit(world, path, lines[0], comment or "remove the option")
    return _with_comment(_sed(world, path, ";".join(f"{line}s/^/#/" for line in lines)), comment)


def _is_command_line(path: str) -> bool:
    """Return True for a unit, a drop-in, or what /proc shows of a running daemon: no settings are written there."""
    return path.endswith(".service") or ".service.d/" in path or path.startswith("/proc/")


def rewrite_row(world: World, table: DataSet, row: Row, text: str, comment: str = "") -> str:
    """Replace a row of a table; `text` may be several. An item of an inline list has to be edited by hand."""
    if table.kind in FILES:
        return rewrite(world, table.place, row.line, text, comment)
    return edit_row(world, table, row, comment)


def comment_out_row(world: World, table: DataSet, row: Row, comment: str = "") -> str:
    """Comment out a row of a table."""
    if table.kind in FILES:
        return comment_out(world, table.place, row.line, comment=comment)
    return edit_row(world, table, row, comment)


def edit_row(world: World, table: DataSet, row: Row, comment: str = "") -> str:
    """Open a table at a row."""
    if table.kind in FILES:
        return edit(world, table.place, row.line, comment)
    return edit(world, table.setting.file, table.setting.line, comment)


def remove_bom(world: World, path: str) -> str:
    """Remove the byte order mark of a file."""
    return _sed(world, path, r"1s/^\xef\xbb\xbf//")


def unindent(world: World, path: str, line: int) -> str:
    """Remove the blanks at the beginning of a line."""
    return _sed(world, path, f"{line}s/^[[:blank:]]*//")


def move_up(world: World, path: str, line: int, above: int, text: str) -> str:
    """Move the line with this text above another one."""
    return _sed(world, path, f"{above}i {_escaped(text)}", f"{line}d")


def repoint_keys(world: World, path: str, old: str, new: str) -> str:
    """Repoint every row of a KeyTable from key file `old` to `new`; rows with `old.bak` stay."""
    pattern = "".join(f"\\{c}" if c in r"\.*[]^$|" else c for c in old)
    written = "".join(f"\\{c}" if c in r"\&|" else c for c in new)
    return _sed(world, path, rf"s|:{pattern}\([[:space:]#:].*\)*$|:{written}\1|")


def append(world: World, path: str, *lines: str) -> str:
    """Append lines to a file whose last line may lack its newline."""
    try:
        content = read_file(world.at(path)) or b"\n"
    except DkimctlError:
        content = b"\n"
    quoted = " ".join(shell_word(line) for line in (*(() if content.endswith(b"\n") else ("",)), *lines))
    return f"printf '%s\\n' {quoted} >> {_quoted_path(world, path)}"


def set_parameter(world: World, name: str, value: str, comment: str = "") -> str:
    """Set a parameter of opendkim.conf: in the line in effect, else in a new one at the end.

    A parameter on the unit's command line has to be edited there.
    """
    counts = world.opendkim.find(name)
    if counts and world.opendkim.is_on_command_line(counts):
        return edit(
            world, counts.file, counts.line, f"{name} {value} is needed; the command line overrides opendkim.conf"
        )
    conf = world.opendkim.conf
    written = conf.find(name) if conf else None
    if written:
        return rewrite(world, written.file, written.line, f"{written.name} {value}", comment)
    return _with_comment(append(world, world.opendkim.conf_path, f"{name} {value}"), comment)


def dkimctl(world: World, command: str, comment: str = "") -> str:
    """Return a command of dkimctl, for the same tree."""
    root = "" if world.is_live else f" --root {shell_word(world.root)}"
    return _with_comment(f"dkimctl {command}{root}", comment)


def service(world: World, action: str) -> str:
    """`systemctl restart opendkim`, or its equivalent without systemd; empty for a tree, where nothing runs."""
    if not world.is_live:
        return ""
    if has_systemd():
        return f"systemctl {action} opendkim"
    daemon, start = world.opendkim, f"opendkim -x {shell_word(world.opendkim.conf_path)}"
    running = f"$(cat {shell_word(daemon.get('PidFile', world.settings.paths.pid_file))})"
    # libmilter checks every five seconds whether it should exit
    commands_by_action = {"reload": f"kill -USR1 {running}", "restart": f"{{ kill {running}; sleep 6; {start}; }}"}
    return commands_by_action.get(action, start)


def chain(*commands: str, comment: str = "") -> str:
    """Join commands with `&&`, without the empty ones."""
    return _with_comment(" && ".join(filter(None, commands)), comment)


def owner(world: World, name: str) -> str:
    """Return USER:GROUP for chown: numeric for a tree, because this machine may number its users differently."""
    user, _, group = name.partition(":")
    account, members = world.accounts.account(user), world.accounts.group(group)
    return name if world.is_live or not account or not members else f"{account.uid}:{members.gid}"


def make_directory(world: World, path: str, account: Account, group: str, mode: int) -> str:
    """Create a directory, or set the owner and mode of an existing one."""
    user, _, members = owner(world, f"{account.name}:{group}").partition(":")
    return f"install -d -o {shell_word(user)} -g {shell_word(members)} -m {mode:04o} {_quoted_path(world, path)}"


def copy_key(world: World, path: str, target: str, name: str) -> str:
    """Copy a private key, readable only by its owner from the first octet; `name`: USER:GROUP."""
    user, _, members = owner(world, name).partition(":")
    places = f"{_quoted_path(world, path)} {_quoted_path(world, target)}"
    return f"install -o {shell_word(user)} -g {shell_word(members)} -m 0600 {places}"


def changed_lines(fix: str) -> dict[tuple[str, int], bool]:
    """Map (path, line) of each line that a command changes to whether it replaces the whole line."""
    return {
        (path, int(line)): action in "cd"
        for scripts, path in _SED.findall(fix)
        for line, action in _LINE_SCRIPT.findall(scripts)
    }


def _sed(world: World, path: str, *scripts: str) -> str:
    # sed -i would replace a link with a file
    follow = " --follow-symlinks" if os.path.islink(world.at(path)) else ""
    return f"sed -i{follow} {' '.join(f'-e {_quoted(s)}' for s in scripts)} {_quoted_path(world, path)}"


def _quoted(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"


def _escaped(text: str) -> str:
    """Escape backslashes and newlines in the text of sed's c and i commands."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted_path(world: World, path: str) -> str:
    return shell_word(world.shown(path))


def _with_comment(command: str, comment: str) -> str:
    return f"{command}  # {comment}" if comment else command
