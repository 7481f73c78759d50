"""The grammar of selectors' text: terms between commas, and the comparison in each term.

Owns: cutting text into terms and terms into operands, and the bounds on both; `labels` and
`fields` decide what operands may be.

Invariant: time is linear in the length of any text: each character is examined a fixed number
of times, and nothing is tried twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from podraft.api.violations import InvalidObjectError

# A selector beyond these bounds is a mistake, and matching it against every object is not free.
SELECTOR_LENGTH_MAX = 16 * 1024
REQUIREMENTS_MAX = 256

# The form of an operand: one repeat and nothing else, so that matching cannot backtrack.
_OPERAND = re.compile(r"[^\s,=!()]+")


def check_length(text: str, field: str) -> None:
    """Check that a selector's text is not too long.

    Raises:
        InvalidObjectError: The text is too long.
    """
    if len(text) > SELECTOR_LENGTH_MAX:
        raise InvalidObjectError.of(field, f"must be at most {SELECTOR_LENGTH_MAX} characters")


def too_many(field: str) -> InvalidObjectError:
    """Return the error for a selector with too many requirements."""
    return InvalidObjectError.of(field, f"must have at most {REQUIREMENTS_MAX} requirements")


def is_operand(text: str) -> bool:
    """Return whether ``text`` can be a key or value: not empty, no blanks, none of ``,=!()``."""
    return _OPERAND.fullmatch(text) is not None


def terms(text: str) -> Iterator[str]:
    """Yield the terms between the commas of ``text``; commas in parentheses do not divide."""
    within: list[str] = []
    for part in text.split(","):
        if within or "(" in part:
            within.append(part)
            if ")" not in part:
                continue
            part, within = ",".join(within), []
        yield part.strip()
    if within:
        yield ",".join(within).strip()


def comparison(term: str) -> tuple[str, bool, str] | None:
    """Return the operands of ``a=b``, ``a==b`` or ``a!=b``, and whether they must be equal.

    Return None for any other term.
    """
    left, sign, right = term.partition("=")
    if not sign:
        return None
    equal = not left.endswith("!")
    if not equal:
        left = left[:-1]
    elif right.startswith("="):
        right = right[1:]
    return left.strip(), equal, right.strip()


def membership(term: str) -> tuple[str, bool, list[str]] | None:
    """Return the key and values of ``a in (b,c)`` or ``a notin (b,c)``, and whether it is ``in``.

    Return None for any other term.
    """
    head, opening, rest = term.partition("(")
    words = head.split()
    values = rest[:-1]
    if not opening or not rest.endswith(")") or "(" in values or ")" in values:
        return None
    if len(words) != 2 or words[1] not in ("in", "notin"):
        return None
    return words[0], words[1] == "in", [value.strip() for value in values.split(",")]
