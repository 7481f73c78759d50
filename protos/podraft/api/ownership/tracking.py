"""Owners of fields after other writes than applying: creating, updating, patching.

Owns: who owns what after a write.  Owners are recorded from the first apply on, or from the making
of an object by a manager that names itself; an object that nobody applies costs nothing.

Invariant: pure; a field that a write changes is its writer's alone, unless the same manager had
applied it; one that a write removes is nobody's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from podraft.api.kinds import AnyKind
from podraft.api.ownership import holdings as held
from podraft.api.ownership.applying import lost_by
from podraft.api.ownership.contents import Difference, difference, fields_of
from podraft.api.ownership.field_set import EMPTY
from podraft.api.ownership.holdings import APPLY, UPDATE, Holding, Writer
from podraft.api.ownership.scope import owned


def record_create(kind: AnyKind, proposed: Any, created: Any, writer: Writer, seconds: int) -> None:
    """Note, in place, that the maker of an object owns all that it stated.

    Raises:
        InvalidObjectError: That is more than an object can keep.
    """
    fields = owned(kind, fields_of(proposed), "")
    held.write(created.metadata, [Holding(writer, UPDATE, fields, seconds)])


def record_update(kind: AnyKind, stored: Any, updated: Any, writer: Writer, seconds: int) -> None:
    """Note, in place, who owns what after a write of ``stored`` or of a part of it."""
    found = difference(stored, updated)
    changes = Difference(
        owned(kind, found.written, writer.subresource),
        owned(kind, found.removed, writer.subresource),
    )
    if not changes:
        return
    known = held.read(stored.metadata.managed_fields)
    mine = held.of(known, writer, UPDATE)
    left = [one if one is mine else _left(one, changes, writer) for one in known]
    before = mine.fields if mine is not None else EMPTY
    fields = (before - before.touched_by(changes.removed)) | changes.written
    held.write(updated.metadata, held.put(left, Holding(writer, UPDATE, fields, seconds)))


def _left(holding: Holding, changes: Difference, writer: Writer) -> Holding:
    """Return what a holding keeps; what a manager applied stays its own when it writes it."""
    if holding.operation == APPLY and holding.writer.manager == writer.manager:
        gone = holding.fields.touched_by(changes.removed)
    else:
        gone = lost_by(holding, changes)
    return replace(holding, fields=holding.fields - gone) if gone else holding
