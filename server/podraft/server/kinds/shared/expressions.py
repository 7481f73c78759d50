"""Expressions in CEL, the language of policies and of custom kinds' rules.

Owns: whether a text is an expression at all.  Which names and functions there are, and of which
types, is not asked here: that depends on the objects that the expression will see.

Invariant: an expression costs linear time, and the parser bounds its depth.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional

from podraft.server.kinds.report import Report

EXPRESSION_MAX: Final = 32 * 1024
_NAMED: Final = "<input>:"
# With `a.?b`, as in Kubernetes.
_ENVIRONMENT: Final = cel.NewEnv(extensions=[ext_optional.ExtOptional()])


def check_expression(
    field: str, expression: str, report: Report, longest: int = EXPRESSION_MAX
) -> None:
    """Check that a text is an expression of at most ``longest`` characters."""
    if not expression.strip():
        report.required(field)
    elif len(expression) > longest:
        report.add(field, f"must be at most {longest} characters, is {len(expression)}")
    elif (problem := _problem(expression)) is not None:
        report.add(field, f"is no CEL expression: {problem}")


@lru_cache(maxsize=512)
def _problem(expression: str) -> str | None:
    """Return what is wrong with an expression, and where; None if it can be parsed."""
    try:
        _ENVIRONMENT.compile(expression, disable_check=True)
    except RuntimeError as error:
        return _first_line(str(error))
    return None


def _first_line(text: str) -> str:
    """Return the first of the parser's complaints: ``line:column: complaint``."""
    line = text.partition("\n")[0]
    _, found, place = line.partition(_NAMED)
    return (place if found else line).removesuffix(" [INVALID_ARGUMENT]")
