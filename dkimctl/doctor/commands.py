"""The commands that mend a finding: each can be pasted into a root shell as it stands; words stand in a comment.

No command moves a line to another number unless it says so: several findings about one file can be mended one after
the other, as one run of `doctor` printed them.
"""

import os

from dkimctl.errors import DkimctlError, shell_word
from dkimctl.files import read_file
from dkimctl.host.accounts import Account
from dkimctl.host.datasets import FILES, DataSet
from dkimctl.host.world import World
from dkimctl.opendkim.tables import Row
from dkimctl.programs import has_systemd
from dkimctl.secrets import masked


def edit(world: World, path: str, line: int = 0, words: str = "") -> str:
    """Open a file at a line: for what only a person can decide, told in `words`."""
    return _told(f"editor {f'+{line} ' if line else ''}{_named(world, path)}", words)


def rewrite(world: World, path: str, line: int, text: str, words: str = "") -> str:
    """Replace a line; `text` may be several. One that holds a secret is not printed: a person edits the line."""
    if masked(text) != text:
        return edit(world, path, line, words or "it holds a secret, which is not shown")
    return _told(_sed(world, path, f"{line}c {_escaped(text)}"), words)


def silence(world: World, path: str, *lines: int, words: str = "") -> str:
    """Make lines a comment."""
    return _told(_sed(world, path, ";".join(f"{line}s/^/#/" for line in lines)), words)


def rewrite_row(world: World, table: DataSet, row: Row, text: str, words: str = "") -> str:
    """Replace a row of a table; `text` may be several. Of an inline list only a person can take out one item."""
    if table.kind in FILES:
        return rewrite(world, table.place, row.line, text, words)
    return edit_row(world, table, row, words)


def silence_row(world: World, table: DataSet, row: Row, words: str = "") -> str:
    """Make a row of a table a comment."""
    if table.kind in FILES:
        return silence(world, table.place, row.line, words=words)
    return edit_row(world, table, row, words)


def edit_row(world: World, table: DataSet, row: Row, words: str = "") -> str:
    """Open a table at a row."""
    if table.kind in FILES:
        return edit(world, table.place, row.line, words)
    return edit(world, table.setting.file, table.setting.line, words)


def without_mark(world: World, path: str) -> str:
    """Take the byte order mark off a file."""
    return _sed(world, path, r"1s/^\xef\xbb\xbf//")


def unindent(world: World, path: str, line: int) -> str:
    """Take the blanks off the beginning of a line."""
    return _sed(world, path, f"{line}s/^[[:blank:]]*//")


def move_up(world: World, path: str, line: int, above: int, text: str) -> str:
    """Move the line with this text above another one."""
    return _sed(world, path, f"{above}i {_escaped(text)}", f"{line}d")


def lead_to(world: World, path: str, old: str, new: str) -> str:
    """Name another key file in every row of a KeyTable that names `old`, and in none that names `old.bak`."""
    pattern = "".join(f"\\{c}" if c in r"\.*[]^$|" else c for c in old)
    written = "".join(f"\\{c}" if c in r"\&|" else c for c in new)
    return _sed(world, path, rf"s|:{pattern}\([[:space:]#:].*\)*$|:{written}\1|")


def append(world: World, path: str, *lines: str) -> str:
    """Add lines at the end of a file, whose last line may lack its end."""
    try:
        content = read_file(world.at(path)) or b"\n"
    except DkimctlError:
        content = b"\n"
    quoted = " ".join(shell_word(line) for line in (*(() if content.endswith(b"\n") else ("",)), *lines))
    return f"printf '%s\\n' {quoted} >> {_named(world, path)}"


def set_parameter(world: World, name: str, value: str, words: str = "") -> str:
    """Give a parameter of opendkim.conf this value: in the line that counts, else in a new one at the end.

    One that the unit's command line sets is for a person to change there.
    """
    counts = world.opendkim.find(name)
    if counts and world.opendkim.is_on_command_line(counts):
        return edit(world, counts.file, counts.line, f"{name} {value} is wanted; the command line counts")
    conf = world.opendkim.conf
    written = conf.find(name) if conf else None
    if written:
        return rewrite(world, written.file, written.line, f"{written.name} {value}", words)
    return _told(append(world, world.opendkim.conf_path, f"{name} {value}"), words)


def dkimctl(world: World, command: str, words: str = "") -> str:
    """A command of this tool, for the same tree."""
    root = "" if world.is_live else f" --root {shell_word(world.root)}"
    return _told(f"dkimctl {command}{root}", words)


def service(world: World, action: str) -> str:
    """`systemctl restart opendkim`, or what does the same without systemd; empty in a tree, where nothing runs."""
    if not world.is_live:
        return ""
    if has_systemd():
        return f"systemctl {action} opendkim"
    daemon, start = world.opendkim, f"opendkim -x {shell_word(world.opendkim.conf_path)}"
    running = f"$(cat {shell_word(daemon.get('PidFile', world.settings.paths.pid_file))})"
    # libmilter looks every five seconds whether it is to end
    ways = {"reload": f"kill -USR1 {running}", "restart": f"{{ kill {running}; sleep 6; {start}; }}"}
    return ways.get(action, start)


def chain(*commands: str, words: str = "") -> str:
    """One after the other, each only when the one before it succeeded; empty ones left out."""
    return _told(" && ".join(filter(None, commands)), words)


def owner(world: World, name: str) -> str:
    """USER:GROUP for chown: by number in a tree, because this machine may count its users otherwise."""
    user, _, group = name.partition(":")
    account, members = world.accounts.account(user), world.accounts.group(group)
    return name if world.is_live or not account or not members else f"{account.uid}:{members.gid}"


def make_directory(world: World, path: str, account: Account, group: str, mode: int) -> str:
    """Make a directory, or give one that exists its owner and mode."""
    user, _, members = owner(world, f"{account.name}:{group}").partition(":")
    return f"install -d -o {user} -g {members} -m {mode:04o} {_named(world, path)}"


def copy_key(world: World, path: str, target: str, name: str) -> str:
    """Copy a private key, readable to its owner alone from the first octet; `name`: USER:GROUP."""
    user, _, members = owner(world, name).partition(":")
    return f"install -o {user} -g {members} -m 0600 {_named(world, path)} {_named(world, target)}"


def _sed(world: World, path: str, *scripts: str) -> str:
    # sed -i would put a file in the place of a link
    follow = " --follow-symlinks" if os.path.islink(world.at(path)) else ""
    return f"sed -i{follow} {' '.join(f'-e {_quoted(s)}' for s in scripts)} {_named(world, path)}"


def _quoted(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"


def _escaped(text: str) -> str:
    """As the text of sed's c and i: a backslash and a line's end would be read as such."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _named(world: World, path: str) -> str:
    return shell_word(world.shown(path))


def _told(command: str, words: str) -> str:
    return f"{command}  # {words}" if words else command
