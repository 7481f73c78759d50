"""The mutants of one module: each is its source with one small mistake.

Owns: which mistakes are made, and how a mutant is named.  A name tells function, mistake and text,
and not the line, so that it stays the same while other code around it changes.  Calls of ``ensure``
are left alone: they fail only where something else is wrong already.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
}
_TEXT_MAX: Final = 60

Change = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake.  ``name``: ``module:function:mistake:text``, with ``#n`` behind equal ones.

    ``function`` is the first line of the innermost function around it; 0: it is in none.
    """

    module: str
    name: str
    line: int
    function: int


class _Collector(ast.NodeVisitor):
    """Finds every place for a mistake; each change edits the tree in place."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int, int, Change]] = []
        self._scope: list[str] = []
        self._function = 0

    def _offer(self, node: ast.expr | ast.stmt, mistake: str, change: Change) -> None:
        if self._scope:
            text = " ".join(ast.unparse(node).split())[:_TEXT_MAX]
            name = f"{'.'.join(self._scope)}:{mistake}:{text}"
            self.found.append((name, node.lineno, self._function, change))

    # Where we are.

    def _enter(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._scope.append(node.name)
        self._visit_body(node, "body")
        self._scope.pop()

    def _enter_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        around = self._function
        self._function = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        self._enter(node)
        self._function = around

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._enter_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._enter_function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._enter(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        # Types are no code.
        if node.value is not None:
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        return

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Name):
            if function.id == "ensure":
                return
            other = {"min": "max", "max": "min", "all": "any", "any": "all"}.get(function.id)
            if other is not None:
                self._offer(node, other, lambda: setattr(function, "id", other))
        self.generic_visit(node)

    # Statements.

    def generic_visit(self, node: ast.AST) -> None:
        for name in ("body", "orelse", "finalbody"):
            if isinstance(getattr(node, name, None), list):
                self._visit_body(node, name)
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.stmt):
                self.visit(child)

    def _visit_body(self, node: ast.AST, name: str) -> None:
        statements: list[ast.stmt] = getattr(node, name)
        for position, statement in enumerate(statements):
            if _is_removable(statement):
                self._offer(statement, "removed", _removal(statements, position))
            if isinstance(statement, ast.If | ast.While):
                self._offer_conditions(statement)
            self.visit(statement)

    def _offer_conditions(self, statement: ast.If | ast.While) -> None:
        for value in (False,) if isinstance(statement, ast.While) else (True, False):
            constant = ast.copy_location(ast.Constant(value), statement.test)
            change = _assignment(statement, "test", constant)
            self._offer(statement.test, f"always {value}", change)

    # Expressions.

    def visit_Compare(self, node: ast.Compare) -> None:
        for position, operator in enumerate(node.ops):
            other = _COMPARISONS[type(operator)]
            self._offer(node, other.__name__, _replacement(node.ops, position, other()))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self._offer(node, type(other).__name__, _assignment(node, "op", other))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._offer(node, "no not", _assignment(node, "op", ast.UAdd()))
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        other = _ARITHMETIC.get(type(node.op))
        if other is not None and not _is_text(node.left) and not _is_text(node.right):
            self._offer(node, other.__name__, _assignment(node, "op", other()))
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        # Messages are for people; other tests read them.
        return

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._offer(node, "negated", _assignment(node, "value", not value))
        elif isinstance(value, int):
            self._offer(node, "plus 1", _assignment(node, "value", value + 1))


def _is_removable(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        call = statement.value
        return isinstance(call, ast.Call) and getattr(call.func, "id", "") != "ensure"
    if isinstance(statement, ast.Assign):
        # Without its assignment a local name is unknown: any test would tell.
        return all(
            isinstance(target, ast.Attribute | ast.Subscript) for target in statement.targets
        )
    return isinstance(statement, ast.AugAssign | ast.Delete | ast.Continue | ast.Break)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _removal(statements: list[ast.stmt], position: int) -> Change:
    nothing = ast.copy_location(ast.Pass(), statements[position])
    return lambda: statements.__setitem__(position, nothing)


def _replacement(operators: list[ast.cmpop], position: int, other: ast.cmpop) -> Change:
    return lambda: operators.__setitem__(position, other)


def _assignment(node: ast.AST, name: str, value: object) -> Change:
    return lambda: setattr(node, name, value)


def _found(module: str, tree: ast.Module) -> Iterator[tuple[Mutant, Change]]:
    collector = _Collector()
    collector.visit(tree)
    seen: Counter[str] = Counter()
    for text, line, function, change in collector.found:
        seen[text] += 1
        suffix = f"#{seen[text]}" if seen[text] > 1 else ""
        yield Mutant(module, f"{module}:{text}{suffix}", line, function), change


def mutants(module: str, source: str) -> list[Mutant]:
    """Return every mutant of ``module``, in the order of its lines."""
    return [mutant for mutant, _ in _found(module, ast.parse(source))]


def mutated(module: str, source: str, name: str) -> ast.Module:
    """Return the tree of ``module`` with the mistake ``name``.

    Raises:
        KeyError: There is no such mutant.
    """
    tree = ast.parse(source)
    for mutant, change in _found(module, tree):
        if mutant.name == name:
            change()
            return ast.fix_missing_locations(tree)
    raise KeyError(name)
