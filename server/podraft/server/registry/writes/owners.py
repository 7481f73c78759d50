"""Owners of fields, as far as writes of the registry are concerned.

Owns: whose name a write is made in, and what callers are told about fields of other managers.

Invariants: an object whose owners nobody recorded costs nothing; a conflict names every field, its
manager, and since when that has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from podraft.api.kinds import AnyKind
from podraft.api.ownership import applying, tracking
from podraft.api.ownership.applying import Application, Conflict, ConflictsError
from podraft.api.ownership.holdings import APPLY, MANAGER_LENGTH_MAX, Writer
from podraft.api.ownership.parts import Way, elements_of, parts_of
from podraft.api.violations import Violation, shown
from podraft.server.kinds.rooms import rules_of
from podraft.server.registry.errors import Code, from_violations, invalid

_FIELD: Final = "options.fieldManager"


def check_manager(manager: str) -> None:
    """Check the name in which a call writes.

    Raises:
        RefusedError: It is too long, or not printable.
    """
    if len(manager) > MANAGER_LENGTH_MAX:
        raise invalid(_FIELD, f"must have at most {MANAGER_LENGTH_MAX} characters")
    if not manager.isprintable():
        raise invalid(_FIELD, "must consist of printable characters")


def writer_of(kind: AnyKind, manager: str, author: bytes, subresource: str = "") -> Writer:
    """Return the author of a write, whose manager is the caller's name if it names none."""
    name = manager or author.decode(errors="replace")[:MANAGER_LENGTH_MAX]
    return Writer(name, kind.api_version, subresource)


def check_configuration(configuration: Any, manager: str) -> None:
    """Check that a configuration can be applied in somebody's name.

    Raises:
        RefusedError: It names no manager, or states who owns what.
    """
    if not manager:
        raise invalid(_FIELD, "is required: in whose name the configuration is applied")
    if configuration.metadata.managed_fields:
        raise invalid("metadata.managedFields", "must be absent: the server keeps them")


def folded(kind: AnyKind, stated: Any) -> Any:
    """Return an object as it is stored, where some of its fields are for writing only."""
    copy = kind.message()
    copy.CopyFrom(stated)
    rules_of(kind).fold(copy)
    return copy


def applied(
    kind: AnyKind, stored: Any, configuration: Any, writer: Writer, *, force: bool
) -> Application:
    """Return what becomes of the stored object.

    Raises:
        RefusedError: Fields of other managers would change.
    """
    stated = folded(kind, configuration)
    try:
        return applying.apply(kind, stored, stated, writer, force=force)
    except ConflictsError as error:
        violations = [_violation(stated, conflict) for conflict in error.conflicts]
        raise from_violations(violations, more=error.more, code=Code.ABORTED) from None


def made(kind: AnyKind, configuration: Any, writer: Writer) -> Application:
    """Return the application to an object that does not exist yet."""
    return applying.created(kind, folded(kind, configuration), writer)


def note_maker(kind: AnyKind, proposed: Any, created: Any, writer: Writer, now: datetime) -> None:
    """Note, in place, who made an object and owns what it stated.

    Raises:
        InvalidObjectError: That is more than an object can keep.
    """
    tracking.record_create(kind, folded(kind, proposed), created, writer, int(now.timestamp()))


def is_tracked(stored: Any, manager: str) -> bool:
    """Return whether a write of an object is to be recorded."""
    return bool(stored.metadata.managed_fields or manager)


def note_writer(kind: AnyKind, stored: Any, updated: Any, writer: Writer, now: datetime) -> None:
    """Note, in place, who owns what after a write."""
    tracking.record_update(kind, stored, updated, writer, int(now.timestamp()))


def note_applier(stored: Any, updated: Any, application: Application, now: datetime) -> None:
    """Note, in place, who owns what after a configuration was applied.

    Raises:
        InvalidObjectError: That is more than an object can keep.
    """
    applying.record(stored, updated, application, int(now.timestamp()))


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
