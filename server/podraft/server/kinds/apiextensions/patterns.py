"""Regular expressions of schemas, which others write and others' texts meet.

Owns: compiling and matching them in time that is linear in the text (RE2, as in Kubernetes), which
Python's own module does not promise.
"""

from __future__ import annotations

from typing import Final

from cel_expr_python import cel

_PATTERN_MAX: Final = 4096
_STRING: Final = cel.Type.STRING
_MATCHES: Final = cel.NewEnv(variables={"text": _STRING, "pattern": _STRING}).compile(
    "text.matches(pattern)"
)


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with a pattern; None if it can be used."""
    if len(pattern) > _PATTERN_MAX:
        return f"must be at most {_PATTERN_MAX} characters, is {len(pattern)}"
    try:
        matches(pattern, "")
    except ValueError as error:
        return str(error)
    return None


def matches(pattern: str, text: str) -> bool:
    """Return whether a text contains a match.

    Raises:
        ValueError: The pattern is none.
    """
    found = _MATCHES.eval(data={"text": text, "pattern": pattern})
    if found.type() != cel.Type.BOOL:
        raise ValueError(str(found.value()).rpartition("expression: ")[2].partition(" [")[0])
    return bool(found.value())
