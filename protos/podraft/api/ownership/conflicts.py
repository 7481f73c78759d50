"""Conflicts as violations: where they are in a configuration, and who is in the way.

Invariant: a field is a path as its author wrote it, with places in lists, so that a manifest's line
is found by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from podraft.api.ownership.applying import Conflict
from podraft.api.ownership.holdings import APPLY
from podraft.api.ownership.parts import Way, elements_of, parts_of
from podraft.api.violations import Violation, shown


def violations(stated: Any, conflicts: Iterable[Conflict]) -> list[Violation]:
    """Return the violation of each conflict of a configuration."""
    return [_violation(stated, conflict) for conflict in conflicts]


def _violation(stated: Any, conflict: Conflict) -> Violation:
    holding = conflict.holding
    how = "applied" if holding.operation == APPLY else "written"
    at = datetime.fromtimestamp(holding.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    part = f" in {holding.writer.subresource}" if holding.writer.subresource else ""
    return Violation(
        "".join(_steps(stated, conflict.path)).removeprefix("."),
        f"belongs to the manager {shown(holding.writer.manager)} ({how}{part}, last at {at}), "
        "which has another value; leave the field out, agree on the value, or force it",
    )


def _steps(stated: Any, path: Sequence[str]) -> Iterator[str]:
    """Yield the steps of a path as users write them, with places in the stated lists."""
    message: Any = stated
    elements: dict[str, Any] | None = None
    is_map = False
    for step in path:
        kind, _, name = step.partition(":")
        if kind != "f":
            places = list(elements or ())
            yield f"[{places.index(step) if step in places else name}]"
            message, elements = (elements or {}).get(step), None
            continue
        if is_map:
            yield f"[{name}]"
            continue
        yield f".{name}"
        part = parts_of(message.DESCRIPTOR).get(step) if hasattr(message, "DESCRIPTOR") else None
        if part is None:
            continue
        value = getattr(part.holder(message), part.attribute)
        is_map = part.way is Way.MAP
        if part.way in (Way.ELEMENTS, Way.SET):
            elements = elements_of(part, value)
        else:
            message = value
