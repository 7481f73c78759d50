"""No expression on input can go back and forth: matching takes a time that is linear in the text.

An expression is slow if two parts of it can take the same characters, and a failure makes the
matcher divide them in every possible way.  So between two repeats without a bound must stand
something that neither of them matches; the same holds for a repeat inside of another one, which
follows itself.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

# The standard library's own parser of expressions; it has no public name.
sre_parse: Any = importlib.import_module("re._parser")

ROOT = Path(__file__).parents[2]
PARTS = ("protos", "client", "server", "agent", "cli")
FUNCTIONS = ("compile", "match", "fullmatch", "search", "sub", "split", "findall", "finditer")
USES = {f"re.{name}" for name in FUNCTIONS}
# A repeat of more than so many counts as one without a bound.
BOUNDED_MAX = 64
CHARACTERS = frozenset(range(256))
Characters: TypeAlias = frozenset[int]


def clashes(pattern: re.Pattern[Any]) -> bool:
    """Say whether two repeats of ``pattern`` can take the same characters."""
    try:
        _scan(list(sre_parse.parse(pattern.pattern, pattern.flags)), (), pattern.flags)
    except _ClashError:
        return True
    return False


class _ClashError(Exception):
    pass


# What repeats before this point can still take here.
Open: TypeAlias = tuple[Characters, ...]


def _scan(items: list[Any], before: Open, flags: int) -> Open:
    for operator, argument in items:
        before = _step(str(operator), argument, before, flags)
    return before


def _step(operator: str, argument: Any, before: Open, flags: int) -> Open:
    match operator:
        case "MAX_REPEAT" | "MIN_REPEAT":
            return _repeat(argument, before, flags)
        case "POSSESSIVE_REPEAT" | "ATOMIC_GROUP" | "AT" | "ASSERT" | "ASSERT_NOT":
            return before
        case "SUBPATTERN":
            return _scan(list(argument[3]), before, flags)
        case "BRANCH":
            return tuple(
                {each for item in argument[1] for each in _scan(list(item), before, flags)}
            )
        case "GROUPREF" | "GROUPREF_EXISTS":
            return before
        case _:
            taken = _characters(operator, argument, flags)
            # What must stand here, and no repeat before can take, ends them.
            return tuple(each for each in before if each & taken)


def _repeat(argument: Any, before: Open, flags: int) -> Open:
    low, high, body = argument
    items = list(body)
    if high <= BOUNDED_MAX:
        after = _scan(items, before, flags)
        return after if low else tuple({*before, *after})
    if len(items) == 1 and str(items[0][0]) in _SINGLE:
        taken = _characters(str(items[0][0]), items[0][1], flags)
        if any(each & taken for each in before):
            raise _ClashError
        return (taken,) if low else (*before, taken)
    once = _scan(items, before, flags)
    twice = _scan(items, once, flags)
    return tuple({*(() if low else before), *once, *twice})


_SINGLE = {"LITERAL", "NOT_LITERAL", "ANY", "IN"}
_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


def _characters(operator: str, argument: Any, flags: int) -> Characters:
    """Return what an item takes, among the first 256 characters: enough to tell sets apart."""
    match operator:
        case "LITERAL":
            found = frozenset((min(argument, 255),))
        case "NOT_LITERAL":
            found = CHARACTERS - {argument}
        case "ANY":
            found = CHARACTERS if flags & re.DOTALL else CHARACTERS - {ord("\n")}
        case "IN":
            found = _set(argument)
        case _:
            raise AssertionError(f"unknown item {operator}")
    if flags & re.IGNORECASE:
        found |= {ord(c) for n in found for c in (chr(n).lower(), chr(n).upper()) if ord(c) < 256}
    return found


def _set(items: list[Any]) -> Characters:
    found: set[int] = set()
    negated = False
    for operator, argument in items:
        match str(operator):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found.add(min(argument, 255))
            case "RANGE":
                found.update(range(min(argument[0], 255), min(argument[1], 255) + 1))
            case "CATEGORY":
                one = re.compile(_CATEGORIES[str(argument)])
                found.update(n for n in CHARACTERS if one.match(chr(n)))
            case other:
                raise AssertionError(f"unknown item {other} of a set")
    return CHARACTERS - found if negated else frozenset(found)


def patterns() -> Iterator[Any]:
    """Every use of an expression in the product: where, what it says, its flags."""
    for part in PARTS:
        for path in sorted((ROOT / part / "podraft").rglob("*.py")):
            if "_pb2" in path.name:
                continue
            where = path.relative_to(ROOT)
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in USES:
                    yield pytest.param(where, node, id=f"{where}:{node.lineno}")


@pytest.mark.parametrize(("where", "use"), list(patterns()))
def test_an_expression_never_tries_the_same_characters_twice(where: Path, use: ast.Call) -> None:
    module = importlib.import_module(".".join(where.with_suffix("").parts[1:]))
    names = {**vars(re), **vars(module), "re": re}
    said = [*use.args[:1], *use.args[1:][: ast.unparse(use.func) == "re.compile"]]
    # What is put together must be known here: of constants of its module.
    pattern, *flags = (eval(ast.unparse(part), names) for part in said)
    assert not clashes(re.compile(pattern, *flags)), pattern


@pytest.mark.parametrize(
    ("pattern", "slow"),
    [
        (r"\s*([^=]*?)\s*", True),
        (r"\s*a?\s*", True),
        (r"(a+)+", True),
        (r"(a|b*)*c", True),
        (r"(\w+\s*)+", True),
        (r"x.*y[^,]*z", True),
        (r"[a-z]*[0-9a-f]+", True),
        (r"(?:[ab]*a)*", True),
        (r"a*b*c*", False),
        (r"\s*[^\s=]+\s*=", False),
        (r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", False),
        (r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", False),
        (r"[a-z]{1,9}[a-z]{1,9}", False),
        (r"(?:[ \t]|#[^\n]*\n)*", False),
    ],
)
def test_the_rule_knows_slow_expressions(pattern: str, slow: bool) -> None:
    assert clashes(re.compile(pattern)) is slow
