"""Mutants of the core, made from its syntax trees: each has one thing wrong that a core could have wrong.

The files of the core are joined to one module, so that what is wrong in one of them is so for all.
"""

import ast
import copy
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from dkimctl.lifecycle import fitness, plan, planning, retiring, succession, watching
from dkimctl.lifecycle.policy import Policy
from tests.lifecycle_model import Decide

CORE = (planning, fitness, watching, succession, retiring, plan)
"""Each file after those from which it imports."""
EARLIER = {
    "confirmed": "seen",
    "seen": "written",
    "last_seen": "written",
    "gone": "revoked",
    "absent": "removed",
    "since": "tried",
    "proven": "tried",
    "left": "tried",
}
"""Each fact that was read back, and the one that is noted when it is attempted."""
SWAPPED = {"all": "any", "any": "all", "max": "min", "min": "max"}


class Mutant(NamedTuple):
    """A core with one thing wrong."""

    name: str
    """The line of the source and what became of it."""
    decide: Decide


def mutants() -> Iterator[Mutant]:
    """Yield every mutant, in the order of the source."""
    trees = {file: ast.parse(Path(file.__file__ or "").read_text()) for file in CORE}
    for file, tree in trees.items():
        for node in list(ast.walk(tree)):
            for what, change in list(_changes(node)):
                line = ast.unparse(node).splitlines()[0][:70]
                place = f"{file.__name__.rpartition('.')[2]} {getattr(node, 'lineno', 0)}"
                _replace(tree, node, change)
                yield Mutant(f"{place}: {line} → {what}", _compiled(_joined(trees.values())))
                _replace(tree, change, node)


def _joined(trees: Iterable[ast.Module]) -> ast.Module:
    """Return the files of the core as one module: none imports from another then."""
    own = {file.__name__ for file in CORE}
    body = [
        line for tree in trees for line in tree.body if not (isinstance(line, ast.ImportFrom) and line.module in own)
    ]
    return ast.Module(body, [])


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.If(test=test) | ast.IfExp(test=test):
            yield "never", _with(node, test=ast.Constant(False))
            yield "always", _with(node, test=ast.Constant(True))
            yield "negated", _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.BoolOp(values=values) if len(values) > 1:
            for index, value in enumerate(values):
                rest = values[:index] + values[index + 1 :]
                yield f"without `{ast.unparse(value)[:50]}`", _with(node, values=rest) if rest[1:] else rest[0]
        case ast.Call(func=ast.Name(id=name)) if name in SWAPPED:
            yield SWAPPED[name], _with(node, func=ast.Name(SWAPPED[name], ast.Load()))
        case ast.Attribute(value=ast.Attribute(attr="policy") | ast.Name(id="policy"), attr=name) if name in _TIMES:
            yield "0", ast.Constant(0)
        case ast.Attribute(attr=name) if name in EARLIER and isinstance(node.ctx, ast.Load):
            yield f"the attempt's ({EARLIER[name]})", _with(node, attr=EARLIER[name])
        case _:
            return


_TIMES = {name for name, kind in Policy.__annotations__.items() if kind is int or kind == "int"}


def _with(node: ast.AST, **changes: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def _replace(tree: ast.AST, target: ast.AST, change: ast.AST) -> None:
    class Replacing(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return change if node is target else super().generic_visit(node)

    Replacing().visit(tree)
    ast.fix_missing_locations(tree)


def _compiled(tree: ast.Module) -> Decide:
    module = ModuleType("dkimctl.lifecycle.plan_mutant")
    sys.modules[module.__name__] = module  # dataclasses look there
    exec(compile(tree, plan.__file__, "exec"), module.__dict__)
    module.__dict__["Do"] = plan.Do  # so that actions of a mutant are those of the core
    decide: Decide = module.plan
    return decide
