"""JSON patches (RFC 6902): operations on a JSON object, one after the other.

Owns: reading operations and their pointers, and carrying them out on a copy.

Invariants: the document is never changed; all operations take effect, or the error names the one
that cannot; what operations copy is bounded, or a few of them could double a value beyond any size.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from podraft.api.codec.merge_patches import same_value
from podraft.api.codec.values import described
from podraft.api.violations import InvalidObjectError, shown

OPERATIONS_MAX: Final = 10_000
# Of text and values that operations copy within the document.
COPIED_MAX: Final = 4 * 1024 * 1024
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_BAD_ESCAPE = re.compile(r"~(?![01])")
_FIELD: Final = "jsonPatch"
_VALUE_COST: Final = 16


def json_patch(document: Mapping[str, Any], operations: Any) -> dict[str, Any]:
    """Return an object with the operations of a JSON patch carried out.

    Raises:
        InvalidObjectError: An operation is malformed, or impossible.

    """
    if not isinstance(operations, list):
        raise InvalidObjectError.of(_FIELD, f"expected list, got {described(operations)}")
    if len(operations) > OPERATIONS_MAX:
        raise InvalidObjectError.of(_FIELD, f"has more than {OPERATIONS_MAX} operations")
    patching = _Patching(copy.deepcopy(dict(document)))
    for index, operation in enumerate(operations):
        patching.at = f"{_FIELD}[{index}]"
        patching.carry_out(operation)
    if not isinstance(patching.document, dict):
        raise InvalidObjectError.of(_FIELD, f"makes of the object a {described(patching.document)}")
    return patching.document


class _Patching:
    """A document while operations are carried out on it; ``at`` is the operation in messages."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.at = ""
        self._copied = 0
        self._methods: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "add": lambda one: self._add(self._path(one, "path"), self._value(one)),
            "remove": lambda one: self._remove(self._path(one, "path"), "path"),
            "replace": self._replace,
            "move": self._move,
            "copy": self._copy,
            "test": self._test,
        }

    def carry_out(self, operation: Any) -> None:
        """Carry out one operation.

        Raises:
            InvalidObjectError: It is malformed, or impossible.
        """
        if not isinstance(operation, Mapping):
            self._fail("", f"expected object, got {described(operation)}")
        name = operation.get("op")
        method = self._methods.get(name) if isinstance(name, str) else None
        if method is None:
            self._fail("op", f"expected one of {', '.join(self._methods)}, got {described(name)}")
        method(operation)

    def _replace(self, operation: Mapping[str, Any]) -> None:
        path, value = self._path(operation, "path"), self._value(operation)
        if not path:
            self.document = value
            return
        holder, key = self._existing(path, "path")
        holder[key] = value

    def _move(self, operation: Mapping[str, Any]) -> None:
        source, path = self._path(operation, "from"), self._path(operation, "path")
        if path[: len(source)] == source and len(path) > len(source):
            self._fail("path", "lies within what is moved")
        value = self._get(source, "from")
        if source != path:
            self._remove(source, "from")
            self._add(path, value)

    def _copy(self, operation: Mapping[str, Any]) -> None:
        value = self._get(self._path(operation, "from"), "from")
        self._charge(value)
        self._add(self._path(operation, "path"), copy.deepcopy(value))

    def _test(self, operation: Mapping[str, Any]) -> None:
        found = self._get(self._path(operation, "path"), "path")
        if not same_value(found, self._value(operation)):
            self._fail("value", "is not what the object has there")

    def _charge(self, value: Any) -> None:
        pending = [value]
        while pending:
            one = pending.pop()
            self._copied += _VALUE_COST + (len(one) if isinstance(one, str) else 0)
            if isinstance(one, dict):
                pending += one.values()
                self._copied += sum(map(len, one))
            elif isinstance(one, list):
                pending += one
            if self._copied > COPIED_MAX:
                self._fail("", f"copies more than {COPIED_MAX} bytes, with those before it")

    def _add(self, path: tuple[str, ...], value: Any) -> None:
        if not path:
            self.document = value
            return
        holder, key = self._get(path[:-1], "path"), path[-1]
        if isinstance(holder, dict):
            holder[key] = value
        elif isinstance(holder, list):
            index = len(holder) if key == "-" else self._index(key, "path")
            if index > len(holder):
                self._fail("path", f"there are {len(holder)} elements, none before {index}")
            holder.insert(index, value)
        else:
            self._fail("path", f"leads into a {described(holder)}")

    def _remove(self, path: tuple[str, ...], member: str) -> None:
        if not path:
            self._fail(member, "is the whole object")
        holder, key = self._existing(path, member)
        del holder[key]

    def _get(self, path: tuple[str, ...], member: str) -> Any:
        if not path:
            return self.document
        holder, key = self._existing(path, member)
        return holder[key]

    def _existing(self, path: tuple[str, ...], member: str) -> tuple[Any, Any]:
        """Return what holds the value at a path, and its key or index there."""
        holder = self.document
        for step in path[:-1]:
            key = self._key(holder, step, member)
            holder = holder[key]
        return holder, self._key(holder, path[-1], member)

    def _key(self, holder: Any, step: str, member: str) -> Any:
        if isinstance(holder, dict):
            if step not in holder:
                self._fail(member, f"there is no {shown(step)}")
            return step
        if isinstance(holder, list):
            index = self._index(step, member)
            if index >= len(holder):
                self._fail(member, f"there are {len(holder)} elements, none at {index}")
            return index
        return self._fail(member, f"leads into a {described(holder)}")

    def _index(self, step: str, member: str) -> int:
        if not _INDEX.fullmatch(step):
            self._fail(member, f"expected the place of an element, got {shown(step)}")
        return int(step)

    def _path(self, operation: Mapping[str, Any], member: str) -> tuple[str, ...]:
        """Return the steps of a JSON pointer (RFC 6901)."""
        pointer = operation.get(member)
        if not isinstance(pointer, str):
            self._fail(
                member, f"expected a JSON pointer such as /spec/replicas, got {described(pointer)}"
            )
        if not pointer:
            return ()
        if not pointer.startswith("/"):
            self._fail(member, f"a JSON pointer begins with /, got {shown(pointer)}")
        if _BAD_ESCAPE.search(pointer):
            self._fail(member, f"a ~ stands for itself as ~0, in {shown(pointer)}")
        steps = pointer[1:].split("/")
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)

    def _value(self, operation: Mapping[str, Any]) -> Any:
        if "value" not in operation:
            self._fail("value", "is required")
        return operation["value"]

    def _fail(self, member: str, problem: str) -> NoReturn:
        raise InvalidObjectError.of(f"{self.at}.{member}" if member else self.at, problem)
