"""The fields that each manager has in an object, as ``metadata.managedFields`` says them.

Owns: the way from and to the metadata, and the bounds of what is kept there.

Invariants: a manager has one holding for each operation and part of the object; what is kept is
bounded in number and bytes, at the cost of what updates own, never of what a manager applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from podraft.api.ownership.field_set import EMPTY, FieldSet, decode, encode
from podraft.api.violations import InvalidObjectError

APPLY: Final = "Apply"
UPDATE: Final = "Update"
# The manager in whose name podraft's command writes.
COMMAND: Final = "podraft"
# As Kubernetes calls whoever made an object before its owners were recorded.
BEFORE: Final = "before-first-apply"
# As Kubernetes bounds and calls it: the updates of all but the latest writers become one's.
UPDATERS_MAX: Final = 10
ANCIENT: Final = "ancient-changes"
APPLIERS_MAX: Final = 32
BYTES_MAX: Final = 512 * 1024
MANAGER_LENGTH_MAX: Final = 128
_FORM: Final = "FieldsV1"


@dataclass(frozen=True, slots=True)
class Writer:
    """The author of a write: its manager, the API version, and the part that it writes."""

    manager: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """The fields of one manager; ``seconds`` is when it last wrote, since 1970."""

    writer: Writer
    operation: str
    fields: FieldSet
    seconds: int = 0

    def is_of(self, writer: Writer, operation: str) -> bool:
        """Return whether the holding is what a writer's operation adds to."""
        return (
            self.operation == operation
            and self.writer.manager == writer.manager
            and self.writer.subresource == writer.subresource
        )


def read(managed: Iterable[Any]) -> list[Holding]:
    """Return the holdings that an object's metadata says."""
    return [
        Holding(
            Writer(entry.manager, entry.api_version, entry.subresource),
            entry.operation,
            decode(entry.fields_v1.raw),
            entry.time.seconds,
        )
        for entry in managed
    ]


def write(metadata: Any, holdings: Iterable[Holding]) -> None:
    """Set the managed fields of an object's metadata.

    Raises:
        InvalidObjectError: They are more than an object can keep.
    """
    found = _bounded([holding for holding in holdings if holding.fields])
    metadata.ClearField("managed_fields")
    for holding, raw in found:
        entry = metadata.managed_fields.add(
            manager=holding.writer.manager,
            operation=holding.operation,
            api_version=holding.writer.api_version,
            fields_type=_FORM,
        )
        entry.time.seconds = holding.seconds
        entry.fields_v1.raw = raw
        if holding.writer.subresource:
            entry.subresource = holding.writer.subresource


def put(holdings: Sequence[Holding], new: Holding) -> list[Holding]:
    """Return the holdings with ``new`` in the place of the writer's earlier one."""
    result = [new if one.is_of(new.writer, new.operation) else one for one in holdings]
    return result if any(one is new for one in result) else [*result, new]


def of(holdings: Iterable[Holding], writer: Writer, operation: str) -> Holding | None:
    """Return a writer's holding by an operation; None if it has none."""
    return next((one for one in holdings if one.is_of(writer, operation)), None)


def _bounded(holdings: list[Holding]) -> list[tuple[Holding, bytes]]:
    """Return what is kept of the holdings, with the texts of their fields.

    Raises:
        InvalidObjectError: Too much was applied.
    """
    applied = [one for one in holdings if one.operation == APPLY]
    if len(applied) > APPLIERS_MAX:
        raise InvalidObjectError.of(
            "metadata.managedFields", f"at most {APPLIERS_MAX} managers can apply an object"
        )
    updated = [one for one in holdings if one.operation != APPLY]
    if len(updated) > UPDATERS_MAX:
        updated = _without_oldest(updated)
    found = [(one, encode(one.fields)) for one in (*applied, *updated)]
    while sum(len(raw) for _, raw in found) > BYTES_MAX:
        # Fields of nobody are written without a conflict, which only loses a warning.
        if found[-1][0].operation == APPLY:
            raise InvalidObjectError.of(
                "",
                f"the names of the applied fields (of a map: its keys) are more than the "
                f"{BYTES_MAX >> 10} KiB that an object can keep of who owns them: use fewer or "
                "shorter keys, or several objects",
            )
        found.remove(min(found[len(applied) :], key=lambda kept: kept[0].seconds))
    return found


def _without_oldest(updated: list[Holding]) -> list[Holding]:
    """Return the holdings with the oldest ones as one's, so that there are as many as allowed."""
    by_age = sorted(updated, key=lambda one: (one.writer.manager != ANCIENT, one.seconds))
    old, latest = by_age[: -UPDATERS_MAX + 1], by_age[-UPDATERS_MAX + 1 :]
    fields = EMPTY
    for one in old:
        fields |= one.fields
    last = old[-1]
    ancient = Writer(ANCIENT, last.writer.api_version)
    return [replace(last, writer=ancient, fields=fields), *latest]
