"""Applying a configuration: what becomes of the object and of its fields' owners.

Owns: the decision.  A manager states all that it wants of an object.  What it states is set, what
it stated before and does not state any more is removed unless somebody else owns it, and what
another manager owns with another value is a conflict, which ``force`` decides.

Invariants: pure; without force no field of another manager changes; a manager is in no conflict
with itself, however it wrote; fields of which no owner was recorded are taken without asking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from google.protobuf.message import Message

from podraft.api.kinds import AnyKind
from podraft.api.objects.type_fields import drop_forbidden
from podraft.api.objects.well_known import APPLY_NOTES
from podraft.api.ownership import holdings as held
from podraft.api.ownership.contents import Difference, difference, fields_of
from podraft.api.ownership.field_set import EMPTY, FieldSet
from podraft.api.ownership.holdings import APPLY, COMMAND, UPDATE, Holding, Writer
from podraft.api.ownership.merge import merge, prune
from podraft.api.ownership.notes import noted
from podraft.api.ownership.scope import owned

CONFLICTS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that another manager owns with another value; ``path`` is of path elements."""

    path: tuple[str, ...]
    holding: Holding


class ConflictsError(Exception):
    """The error of a configuration that would change fields of other managers."""

    def __init__(self, conflicts: Sequence[Conflict], *, more: bool) -> None:
        super().__init__(f"{len(conflicts)} conflicts")
        self.conflicts = tuple(conflicts)
        self.more = more


@dataclass(frozen=True, slots=True)
class Application:
    """The result: the object, not yet completed and checked, and its fields' owners."""

    object: Any
    writer: Writer
    holdings: tuple[Holding, ...]


def created(kind: AnyKind, configuration: Any, writer: Writer) -> Application:
    """Return the application of a configuration to an object that does not exist."""
    fields = owned(kind, fields_of(configuration), writer.subresource)
    return Application(configuration, writer, (Holding(writer, APPLY, fields),))


def apply(
    kind: AnyKind, live: Any, configuration: Any, writer: Writer, *, force: bool = False
) -> Application:
    """Return the application of a configuration to the object that is stored.

    Raises:
        ConflictsError: It would change fields of other managers.
    """
    stated = owned(kind, fields_of(configuration), writer.subresource)
    takes_over = writer.manager == COMMAND and not writer.subresource
    known = _known(kind, live, takes_over=takes_over)
    mine = [one for one in known if one.writer.manager == writer.manager]
    others = [one for one in known if one.writer.manager != writer.manager]
    before = held.of(mine, writer, APPLY)
    earlier = before.fields if before is not None else EMPTY
    base = _copy(live)
    if takes_over:
        for note in APPLY_NOTES:
            base.metadata.annotations.pop(note, None)
    prune(base, earlier, stated, _union(others))
    merged, changes = _merged(kind, base, configuration, writer.subresource)
    others = _yielding(others, changes, force=force)
    kept = _transferred(known, mine, others, writer, earlier | stated)
    now = Holding(writer, APPLY, stated, before.seconds if before is not None else 0)
    return Application(merged, writer, tuple(held.put(kept, now)))


def _known(kind: AnyKind, live: Any, *, takes_over: bool) -> list[Holding]:
    """Return the holdings in an object.

    What notes say was applied is that of podraft's command.  What an object of which nobody is
    recorded holds otherwise stays when others cease to state it.
    """
    known = held.read(live.metadata.managed_fields)
    annotations = live.metadata.annotations
    if takes_over and any(note in annotations for note in APPLY_NOTES):
        return _with_noted(kind, known, noted(annotations, kind.message.DESCRIPTOR))
    return known or _before_all(kind, live)


def _with_noted(kind: AnyKind, known: list[Holding], fields: FieldSet) -> list[Holding]:
    writer, fields = Writer(COMMAND, kind.api_version), owned(kind, fields, "")
    before = held.of(known, writer, APPLY)
    if before is not None:
        fields |= before.fields
    known = [
        replace(one, fields=one.fields - fields) if one.operation == UPDATE else one
        for one in known
    ]
    return held.put(known, Holding(writer, APPLY, fields, before.seconds if before else 0))


def _before_all(kind: AnyKind, live: Any) -> list[Holding]:
    fields, seconds = fields_of(live), live.metadata.creation_timestamp.seconds
    found = []
    for part in ("", "status") if kind.has_status else ("",):
        writer = Writer(held.BEFORE, kind.api_version, part)
        found.append(Holding(writer, UPDATE, owned(kind, fields, part), seconds))
    return [one for one in found if one.fields]


def _merged(
    kind: AnyKind, base: Any, configuration: Any, subresource: str
) -> tuple[Any, Difference]:
    """Return ``base`` with the configuration in it, and what that changes."""
    merged = _merge_into(base, configuration)
    if kind.typed_fields and not subresource:
        # What the new type forbids goes with the old one, whoever owns it.
        drop_forbidden(kind, base, merged)
        merged = _merge_into(base, configuration)
    found = difference(base, merged)
    changes = Difference(
        owned(kind, found.written, subresource), owned(kind, found.removed, subresource)
    )
    return merged, changes


def _merge_into(base: Any, configuration: Any) -> Any:
    merged = _copy(base)
    merge(merged, configuration)
    return merged


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _yielding(others: list[Holding], changes: Difference, *, force: bool) -> list[Holding]:
    """Return what the other managers keep.

    Raises:
        ConflictsError: They would lose something, and are not forced to.
    """
    lost = [lost_by(one, changes) for one in others]
    if not force:
        conflicts = _conflicts(others, lost)
        found = [conflict for conflict, _ in zip(conflicts, range(CONFLICTS_MAX), strict=False)]
        if found:
            raise ConflictsError(found, more=next(conflicts, None) is not None)
    return [replace(one, fields=one.fields - gone) for one, gone in zip(others, lost, strict=True)]


def lost_by(holding: Holding, changes: Difference) -> FieldSet:
    """Return the fields of a holding whose values changes touch."""
    touched = holding.fields.touched_by(changes.written)
    return touched | holding.fields.touched_by(changes.removed)


def _conflicts(others: Sequence[Holding], lost: Sequence[FieldSet]) -> Iterator[Conflict]:
    for holding, fields in zip(others, lost, strict=True):
        if holding.writer.manager != held.BEFORE:
            for path in fields.paths():
                yield Conflict(path, holding)


def _union(holdings: Sequence[Holding]) -> FieldSet:
    result = EMPTY
    for one in holdings:
        result |= one.fields
    return result


def _transferred(
    known: Sequence[Holding],
    mine: Sequence[Holding],
    others: Sequence[Holding],
    writer: Writer,
    fields: FieldSet,
) -> list[Holding]:
    """Return all holdings, in their order: what the manager applies it owns in no other way."""
    left = iter(others)
    result = []
    for one in known:
        if not any(one is own for own in mine):
            result.append(next(left))
        elif one.operation == UPDATE and one.writer.subresource == writer.subresource:
            result.append(replace(one, fields=one.fields - fields))
        else:
            result.append(one)
    return result


def record(stored: Message | None, updated: Any, application: Application, seconds: int) -> None:
    """Write the owners into the completed object, in place.

    An application that changes neither the object nor an owner keeps the time of the earlier one.

    Raises:
        InvalidObjectError: They are more than an object can keep.
    """
    holdings, metadata = application.holdings, updated.metadata
    held.write(metadata, holdings)
    if stored is not None and updated == stored:
        return
    now = [
        replace(one, seconds=seconds) if one.is_of(application.writer, APPLY) else one
        for one in holdings
    ]
    held.write(metadata, now)
