"""What the paths of a template find in a JSON value.

Pure.  Invariants: the value is not changed; one evaluation takes at most `STEPS_MAX` steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from podraft.cli.output.jsonpath.syntax import (
    Descent,
    Field,
    Filter,
    JsonPathError,
    Literal,
    Path,
    Range,
    Slice,
    Step,
    Template,
    Union,
    Wildcard,
)

STEPS_MAX: Final = 5_000_000
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge,
}  # fmt: skip


def found_by(template: Template, value: Any, *, allow_missing: bool = True) -> list[Any]:
    """Return everything that the paths of a template find in one value, in their order.

    Raises:
        JsonPathError: The template does not fit the value.
    """
    results = Evaluation(allow_missing=allow_missing).results(template, value)
    return [one for found in results if not isinstance(found, str) for one in found]


class Evaluation:
    """The evaluation of templates with one common bound of work."""

    def __init__(self, *, allow_missing: bool = True) -> None:
        self._allow_missing = allow_missing
        self._left = STEPS_MAX

    def results(self, template: Template, value: Any) -> Iterator[str | list[Any]]:
        """Yield each text of a template, and the list of what each path finds.

        Raises (from the iterator):
            JsonPathError: The template does not fit the value.
        """
        for part in template:
            if isinstance(part, str):
                yield part
            elif isinstance(part, Range):
                for one in self.find(part.over, [value]):
                    yield from self.results(part.body, one)
            else:
                yield self.find(part, [value])

    def find(self, path: Path, values: list[Any]) -> list[Any]:
        """Return what a path finds, starting from each of ``values``.

        Raises:
            JsonPathError: The path does not fit the values.
        """
        for step in path:
            values = self._step(step, values)
            self._left -= 1 + len(values)
            if self._left < 0:
                raise JsonPathError(f"the template takes more than {STEPS_MAX} steps")
        return values

    def _step(self, step: Step, values: list[Any]) -> list[Any]:
        match step:
            case Literal():
                return [step.value]
            case Field():
                return self._field(step.name, values)
            case Wildcard():
                return [child for value in values for child in _children(value)]
            case Slice():
                return [one for value in values for one in _sliced(step, value)]
            case Descent():
                return self._descend(values)
            case Union():
                return [one for path in step.paths for one in self.find(path, list(values))]
            case Filter():
                return [one for value in values for one in self._filtered(step, value)]

    def _field(self, name: str, values: list[Any]) -> list[Any]:
        if not name:
            return values
        found = [v[name] for v in values if isinstance(v, dict) and name in v]
        if values and not found and not self._allow_missing:
            raise JsonPathError(f"{name} is not found")
        return found

    def _descend(self, values: Sequence[Any]) -> list[Any]:
        """Return the values that have something in them, each followed by those below it."""
        found: list[Any] = []
        ahead = list(reversed(values))
        while ahead:
            value = ahead.pop()
            children = _children(value)
            if children:
                found.append(value)
                ahead += reversed(children)
            self._left -= 1
            if self._left < 0:
                raise JsonPathError(f"the template takes more than {STEPS_MAX} steps")
        return found

    def _filtered(self, step: Filter, value: Any) -> Iterator[Any]:
        if not isinstance(value, list):
            raise JsonPathError(f"a filter needs a list, there is {_named(value)}")
        for element in value:
            if not step.operator:
                if self._exists(step.left, element):
                    yield element
                continue
            left = self.find(step.left, [element])
            right = self.find(step.right, [element])
            if len(left) > 1 or len(right) > 1:
                raise JsonPathError("a filter compares one value with one, not lists")
            if left and right and _holds(left[0], step.operator, right[0]):
                yield element

    def _exists(self, path: Path, element: Any) -> bool:
        try:
            return bool(self.find(path, [element]))
        except JsonPathError:
            if self._left < 0:
                raise
            return False


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _sliced(step: Slice, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise JsonPathError(f"an index needs a list, there is {_named(value)}")
    length = len(value)
    if step.step is not None and step.step <= 0:
        raise JsonPathError(f"a slice's step must be > 0, got {step.step}")
    if step.single:
        index = step.start or 0
        if not -length <= index < length:
            raise JsonPathError(f"the index {index} is beyond a list of {length}")
        return [value[index]]
    start = _place(step.start, 0, length)
    end = _place(step.end, length, length)
    if start == end:
        return []
    if not 0 <= start < length or not 0 <= end <= length or start > end:
        raise JsonPathError(f"the slice {start}:{end} is beyond a list of {length}")
    return value[start : end : step.step or 1]


def _place(index: int | None, default: int, length: int) -> int:
    if index is None:
        return default
    return index + length if index < 0 else index


def _holds(left: Any, operator: str, right: Any) -> bool:
    """Return whether a comparison holds; only values of one type can be compared."""
    ordered = operator not in ("==", "!=")
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (left, right))
    texts = isinstance(left, str) and isinstance(right, str)
    booleans = isinstance(left, bool) and isinstance(right, bool)
    if not (numbers or texts or (booleans and not ordered)):
        raise JsonPathError(f"cannot compare {_named(left)} {operator} {_named(right)}")
    return _COMPARE[operator](left, right)


def _named(value: Any) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return f"the number {value}"
        case str():
            return f'the text "{value[:40]}"'
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "nothing"
