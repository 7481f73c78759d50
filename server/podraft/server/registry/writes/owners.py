"""Owners of fields, as far as writes of the registry are concerned.

Owns: whose name a write is made in, and what callers are told about fields of other managers.

Invariants: an object whose owners nobody recorded costs nothing; a conflict names every field, its
manager, and since when that has it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from podraft.api.kinds import AnyKind
from podraft.api.ownership import applying, conflicts, tracking
from podraft.api.ownership.applying import Application, ConflictsError
from podraft.api.ownership.holdings import MANAGER_LENGTH_MAX, Writer
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
        found = conflicts.violations(stated, error.conflicts)
        raise from_violations(found, more=error.more, code=Code.ABORTED) from None


def made(kind: AnyKind, configuration: Any, writer: Writer) -> Application:
    """Return the application to an object that does not exist yet."""
    return applying.created(kind, folded(kind, configuration), writer)


def note_maker(kind: AnyKind, proposed: Any, created: Any, writer: Writer, now: datetime) -> None:
    """Note, in place, who made an object and owns what it stated.

    Raises:
        InvalidObjectError: That is more than an object can keep.
    """
    tracking.record_create(kind, folded(kind, proposed), created, writer, int(now.timestamp()))


def is_tracked(stored: Any) -> bool:
    """Return whether the owners of an object's fields are recorded."""
    return bool(stored.metadata.managed_fields)


def note_writer(kind: AnyKind, stored: Any, updated: Any, writer: Writer, now: datetime) -> None:
    """Note, in place, who owns what after a write."""
    tracking.record_update(kind, stored, updated, writer, int(now.timestamp()))


def note_applier(stored: Any, updated: Any, application: Application, now: datetime) -> None:
    """Note, in place, who owns what after a configuration was applied.

    Raises:
        InvalidObjectError: That is more than an object can keep.
    """
    applying.record(stored, updated, application, int(now.timestamp()))
