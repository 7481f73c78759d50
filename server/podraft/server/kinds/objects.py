"""Creates and updates of every kind: copy, keep, default, check.

Owns: the order of the steps that every kind's room (`rules`) takes part in.

Invariant: the caller's messages are never changed; the returned object is valid.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast

from google.protobuf.message import Message

from podraft.api.codec import spelling
from podraft.api.codec.forms import raw_faults
from podraft.api.kinds import Kind, KnownKinds, Object
from podraft.api.objects import type_fields
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.hooks import ObjectT
from podraft.server.kinds.metadata import (
    check_finalizers_while_deleting,
    check_metadata,
    keep_immutable,
    next_generation,
    set_at_creation,
)
from podraft.server.kinds.report import Report
from podraft.server.kinds.rooms import rules_of
from podraft.server.kinds.rules import Rules

OBJECT_BYTES_MAX = 1536 * 1024

STATUS = "status"


def prepare_create(
    kind: Kind[ObjectT],
    proposed: ObjectT,
    *,
    known: KnownKinds,
    now: datetime,
    uid: str,
    name_suffix: str,
) -> ObjectT:
    """Return the object to store for a proposed new one.

    ``known`` are the kinds that owners may be of.
    ``name_suffix`` is five random characters, used when the object has a
    ``generateName`` and no name.

    Raises:
        InvalidObjectError: With all that is wrong.
    """
    rules = rules_of(kind)
    result = kind.message()
    result.CopyFrom(proposed)
    metadata = cast("Object", result).metadata
    set_at_creation(metadata, kind, now, uid, name_suffix)
    if kind.has_status and not rules.status_at_creation:
        result.ClearField("status")
    rules.fold(result)
    rules.default(result)
    report = Report()
    _check(kind, known, rules, result, report)
    report.raise_if_any()
    rules.begin(result)
    return result


def prepare_update(
    kind: Kind[ObjectT],
    stored: ObjectT,
    proposed: ObjectT,
    *,
    known: KnownKinds,
    subresource: str = "",
    patch: Mapping[str, Any] | None = None,
) -> ObjectT:
    """Return the object to store for an update of ``stored``; equal to it if nothing changes.

    ``known`` are the kinds that owners may be of.
    With ``patch``, ``proposed`` is ``stored`` changed by it, so all that it says was meant.

    The main resource keeps the stored status, ``status`` keeps all but the
    status.  Whether ``proposed`` was made from ``stored`` (uid, resourceVersion)
    is the caller's question.  The result carries the stored resourceVersion.

    Raises:
        InvalidObjectError: With all that is wrong.
    """
    if subresource == STATUS:
        return _prepare_status(kind, stored, proposed)
    if subresource:
        raise InvalidObjectError.of("subresource", f'expected "" or "status", got "{subresource}"')
    rules = rules_of(kind)
    result = kind.message()
    result.CopyFrom(proposed)
    metadata, before = cast("Object", result).metadata, cast("Object", stored).metadata
    keep_immutable(metadata, before)
    if kind.has_status:
        _copy_field(stored, result, "status")
    if patch is None:
        rules.leave(stored, result)
    else:
        type_fields.drop_unsaid(kind, result, patch)
    rules.keep(stored, result)
    rules.fold(result)
    rules.default(result)
    if rules.keeps_spelling and result.spec != stored.spec:  # type: ignore[attr-defined]  # those kinds have one
        spelling.keep_spelling(stored.spec, result.spec)  # type: ignore[attr-defined]  # as above
    report = Report()
    _check(kind, known, rules, result, report)
    if report.violations:
        _forgive(report, lambda faults: _check(kind, known, rules, stored, faults))
    check_finalizers_while_deleting(before, metadata, report)
    whole = _defaulted(kind, rules, stored, result)
    rules.check_change(whole, result, report)
    report.raise_if_any()
    if kind.has_generations and getattr(result, "spec") != getattr(whole, "spec"):  # noqa: B009 - such kinds have one
        metadata.generation = next_generation(before.generation)
    return result


def _defaulted(
    kind: Kind[ObjectT], rules: Rules[ObjectT], stored: ObjectT, result: ObjectT
) -> ObjectT:
    """Return the stored object with today's defaults.

    What an older server stored lacks the defaults that have come since: they are no change that
    somebody asked for.
    """
    if getattr(stored, "spec", None) == getattr(result, "spec", None):
        return stored
    whole = kind.message()
    whole.CopyFrom(stored)
    rules.default(whole)
    return whole


def _check(
    kind: Kind[ObjectT], known: KnownKinds, rules: Rules[ObjectT], obj: ObjectT, report: Report
) -> None:
    check_metadata(cast("Object", obj).metadata, kind, known, rules.check_name, report)
    for fault in raw_faults(obj):
        report.add(fault.field, fault.description)
    rules.check(obj, report)


def _forgive(report: Report, check_stored: Callable[[Report], None]) -> None:
    """Drop the faults that the stored object also has: they are older than the rule.

    Otherwise nobody could label such an object, repair a part of it or take a finalizer away.
    """
    known = Report()
    with contextlib.suppress(InvalidObjectError):  # There were too many faults to go on.
        check_stored(known)
    report.violations = [v for v in report.violations if v not in known.violations]


def _prepare_status(kind: Kind[ObjectT], stored: ObjectT, proposed: ObjectT) -> ObjectT:
    if not kind.has_status:
        raise InvalidObjectError.of("subresource", f"{kind.resource} have no status")
    result = kind.message()
    result.CopyFrom(stored)
    _copy_field(proposed, result, "status")
    report, rules = Report(), rules_of(kind)
    rules.default_status(result)
    for fault in raw_faults(result):
        report.add(fault.field, fault.description)
    check_status = rules.check_status
    check_status(result, report)
    if report.violations:
        _forgive(report, lambda faults: check_status(stored, faults))
    rules.check_status_change(stored, result, report)
    report.raise_if_any()
    return result


def _copy_field(source: Message, target: Message, field: str) -> None:
    if source.HasField(field):
        getattr(target, field).CopyFrom(getattr(source, field))
    else:
        target.ClearField(field)
