"""Each command that is shown can be pasted into root's shell: every value in it is quoted, or cannot need it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import REPOSITORY

PROGRAMS = (
    *("apt", "apt-get", "cat", "chgrp", "chmod", "chown", "cp", "dig", "echo", "editor", "find", "getfacl"),
    *("grep", "install", "journalctl", "kill", "knotc", "ln", "ls", "mkdir", "mv", "namei", "openssl"),
    *("postconf", "postfix", "postmap", "rm", "rndc", "rspamadm", "sed", "setfacl", "ss", "stat", "systemctl"),
    *("timedatectl", "touch", "usermod", "xargs"),
)
_OURS = (
    "adopt|delete|demo|doctor|genkey|hold|init|inspect|ovh|publish|record|render-config|resume|revoke|rotate|sandbox|"
    "selftest|setup|status|verify-dns|why"
)
_ONE = rf"(?:{'|'.join(map(re.escape, PROGRAMS))}|opendkim(?= -)|dkimctl (?:{_OURS})) "
_COMMAND = re.compile(rf"(?:^|[:;|&(] ?|\$\()\s*(?:sudo )?{_ONE}[^,;)]*$")
NEEDS_NONE = {
    "a number": ("f'+{line} ' if line else ''", "status.st_ino", "pid", "self.mode", "mode"),
    "a word of ours": ("VERSION", "DOMAIN", "POSTFIX_FILE", "action", "error.code", "follow", "way.postconf"),
    "the name of a daemon, a service or a package": ("name", "signer.name", "signer", "daemon", "service.start"),
    "a script of ours, in quotes of the shell": ("' '.join((f'-e {_quoted(s)}' for s in scripts))",),
    "made of quoted words": (
        "places",
        "running",
        "command",
        "root",
        "again",
        "zones",
        "file",
        "later",
        "word or daemon",
    ),
    "words of a log line that opendkim writes, chosen by us": ("word",),
}
"""Why an expression in a command is not quoted → which ones."""
_FREE = {expression for expressions in NEEDS_NONE.values() for expression in expressions}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Every file of the program."""
    for path in sorted((REPOSITORY / "dkimctl").rglob("*.py")):
        yield path.relative_to(REPOSITORY), ast.parse(path.read_text())


@cache
def quoting_functions() -> frozenset[str]:
    """The names of functions that quote what they return."""
    functions = (n for _, module in modules() for n in ast.walk(module) if isinstance(n, ast.FunctionDef))
    return frozenset(function.name for function in functions if any(map(_is_the_function, ast.walk(function))))


def _is_the_function(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "shell_word"


def is_quoted(value: ast.expr, assigned: dict[str, ast.expr]) -> bool:
    """Return True for `shell_word(…)`, for a function that quotes, and for a name that was given the result of one."""
    text = ast.unparse(value)
    called = {n.func for n in ast.walk(value) if isinstance(n, ast.Call)}
    names = {c.id if isinstance(c, ast.Name) else c.attr for c in called if isinstance(c, ast.Name | ast.Attribute)}
    if "shell_word" in text or names & quoting_functions() or text in _FREE or isinstance(value, ast.Constant):
        return True
    return isinstance(value, ast.Name) and value.id in assigned and is_quoted(assigned[value.id], {})


def unquoted(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and expression of each value that is unquoted in a command; the message of an error is no command."""
    assigned: dict[str, ast.expr] = {}
    messages: set[int] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                assigned.update({n.id: node.value for n in names if isinstance(n, ast.Name)})
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).rpartition(".")[2][:1].isupper():
            messages.add(id(node.args[0]))
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr) and id(node) not in messages:
            yield from ((node.lineno, found) for found in _in_command(node, assigned))


def _in_command(node: ast.JoinedStr, assigned: dict[str, ast.expr]) -> Iterator[str]:
    before = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            before += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            if _COMMAND.search(before) and not is_quoted(part.value, assigned):
                yield ast.unparse(part.value)
            before += "x"


def test_every_value_in_a_command_is_quoted() -> None:
    """Every value in a command that is shown is quoted by shell_word, or listed with why it need not be."""
    found = {f"{path}:{line}: {text}" for path, module in modules() for line, text in unquoted(module)}
    assert found == set()


def test_the_rule_finds_what_it_is_for() -> None:
    """A path that is pasted as it is, directly or by a name, is found; a quoted one and a message are not."""
    careless = 'x = path\nhint(f"see: ls -l {path}")\nhint(f"chown -h {owner} {shell_word(path)}")\nf"rm {x}"'
    assert sorted(text for _, text in unquoted(ast.parse(careless))) == ["owner", "path", "x"]
    careful = 'x = shell_word(path)\nhint(f"rm {x}")\nRefused(f"{x}: dkimctl knows no {path}")'
    assert list(unquoted(ast.parse(careful))) == []
