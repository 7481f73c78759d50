"""Creates and updates of every kind: copy, keep, default, check.

Owns: the order of the steps, and the table that says for each kind which
functions take them.

Invariant: the caller's messages are never changed; what is returned is valid.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from google.protobuf.message import Message

from podraft.api import kinds, names, spelling, type_fields
from podraft.api.kinds import AnyKind, Kind, Object
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds import (
    cluster,
    config,
    pods,
    records,
    services,
    statuses,
    workloads,
)
from podraft.server.kinds.metadata import (
    NameCheck,
    check_finalizers_while_deleting,
    check_metadata,
    keep_immutable,
    next_generation,
    set_at_creation,
)
from podraft.server.kinds.report import Report

ObjectT = TypeVar("ObjectT", bound=Message)

# What a store is meant for; larger things belong into images and volumes.
MAX_OBJECT_BYTES = 1536 * 1024

STATUS = "status"


# Kinds whose specs users write with quantities and the like.
_SPELT = frozenset((kinds.POD, kinds.REPLICA_SET, kinds.DEPLOYMENT, kinds.SERVICE))


def _nothing(*_: Any) -> None:
    """Take no step: the kind has nothing to do here."""


@dataclass(frozen=True, slots=True)
class Rules(Generic[ObjectT]):
    """The steps of one kind; those that change a message get admission's own copy.

    ``begin``: set what the server says of a new, valid object.  ``keep``: restore from the
    stored object what an update does not mention.  ``leave``: remove what a whole update took
    over from the stored object although its new type forbids it.  ``default``, ``check``: fill
    in, then judge.  ``check_change``: judge the difference.  ``check_status``: judge a status
    update.
    """

    default: Callable[[ObjectT], None]
    check: Callable[[ObjectT, Report], None]
    check_name: NameCheck = names.dns_subdomain
    begin: Callable[[ObjectT], None] = _nothing
    keep: Callable[[ObjectT, ObjectT], None] = _nothing
    leave: Callable[[ObjectT, ObjectT], None] = _nothing
    check_change: Callable[[ObjectT, ObjectT, Report], None] = _nothing
    check_status: Callable[[ObjectT, Report], None] = _nothing
    status_at_creation: bool = False


_RULES: dict[AnyKind, Rules[Any]] = {
    kinds.NAMESPACE: Rules(
        default=cluster.default_namespace,
        check=cluster.check_namespace,
        check_name=names.dns_label,
        begin=cluster.begin_namespace,
        keep=cluster.keep_finalizers,
        check_change=cluster.check_namespace_change,
        check_status=statuses.check_namespace_status,
    ),
    # An agent registers its node together with what it says of it.
    kinds.NODE: Rules(
        default=cluster.default_node,
        check=cluster.check_node,
        keep=cluster.keep_pod_network,
        check_change=cluster.check_node_change,
        check_status=statuses.check_node_status,
        status_at_creation=True,
    ),
    kinds.POD: Rules(
        default=pods.default_pod,
        check=pods.check_pod,
        begin=pods.begin,
        keep=pods.keep,
        check_change=pods.check_change,
        check_status=statuses.check_pod_status,
    ),
    kinds.REPLICA_SET: Rules(
        default=workloads.default_replica_set,
        check=workloads.check_replica_set,
        check_change=workloads.check_change,
        check_status=statuses.check_replica_set_status,
    ),
    kinds.DEPLOYMENT: Rules(
        default=workloads.default_deployment,
        check=workloads.check_deployment,
        leave=workloads.leave_with_strategy,
        check_change=workloads.check_change,
        check_status=statuses.check_deployment_status,
    ),
    kinds.SERVICE: Rules(
        default=services.default_service,
        check=services.check_service,
        check_name=names.dns_label_1035,
        keep=services.keep_allocated,
        leave=services.leave_with_type,
        check_change=services.check_change,
    ),
    kinds.CONFIG_MAP: Rules(
        default=config.default_config_map,
        check=config.check_config_map,
        check_change=config.check_config_map_change,
    ),
    kinds.SECRET: Rules(
        default=config.default_secret,
        check=config.check_secret,
        check_change=config.check_secret_change,
    ),
    kinds.ENDPOINT_SLICE: Rules(
        default=records.default_endpoint_slice,
        check=records.check_endpoint_slice,
        check_change=records.check_endpoint_slice_change,
    ),
    kinds.LEASE: Rules(default=records.default_lease, check=records.check_lease),
    kinds.EVENT: Rules(default=records.default_event, check=records.check_event),
}


def prepare_create(
    kind: Kind[ObjectT], proposed: ObjectT, *, now: datetime, uid: str, name_suffix: str
) -> ObjectT:
    """Return the object to store for a proposed new one.

    ``name_suffix`` is five random characters, used when the object has a
    ``generateName`` and no name.

    Raises:
        InvalidObjectError: With all that is wrong.
    """
    rules = _RULES[kind]
    result = kind.message()
    result.CopyFrom(proposed)
    metadata = cast("Object", result).metadata
    set_at_creation(metadata, kind, now, uid, name_suffix)
    if kind.has_status and not rules.status_at_creation:
        result.ClearField("status")
    rules.default(result)
    report = Report()
    _check(kind, result, report)
    report.raise_if_any()
    rules.begin(result)
    _check_size(result)
    return result


def prepare_update(
    kind: Kind[ObjectT],
    stored: ObjectT,
    proposed: ObjectT,
    *,
    subresource: str = "",
    patch: Mapping[str, Any] | None = None,
) -> ObjectT:
    """Return the object to store for an update of ``stored``; equal to it if nothing changes.

    With ``patch``, ``proposed`` is ``stored`` changed by it: what it says is known then.

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
    rules = _RULES[kind]
    result = kind.message()
    result.CopyFrom(proposed)
    metadata, before = cast("Object", result).metadata, cast("Object", stored).metadata
    keep_immutable(metadata, before)
    if kind.has_status:
        _copy_field(stored, result, "status")
    if patch is None:
        rules.leave(stored, result)
    else:
        type_fields.drop_unsaid(result, patch)
    rules.keep(stored, result)
    rules.default(result)
    if kind in _SPELT and result.spec != stored.spec:  # type: ignore[attr-defined]  # those kinds have one
        spelling.keep_spelling(stored.spec, result.spec)  # type: ignore[attr-defined]  # as above
    report = Report()
    _check(kind, result, report)
    if report.violations:
        _forgive(report, lambda known: _check(kind, stored, known))
    check_finalizers_while_deleting(before, metadata, report)
    rules.check_change(stored, result, report)
    report.raise_if_any()
    if kind.has_status and getattr(result, "spec") != getattr(stored, "spec"):  # noqa: B009 - every such kind has one
        metadata.generation = next_generation(before.generation)
    _check_size(result)
    return result


def _check(kind: Kind[ObjectT], obj: ObjectT, report: Report) -> None:
    rules = _RULES[kind]
    check_metadata(cast("Object", obj).metadata, kind, rules.check_name, report)
    rules.check(obj, report)


def _forgive(report: Report, check_stored: Callable[[Report], None]) -> None:
    """Drop the faults that the stored object has, too: they are older than the rule.

    Otherwise nobody could label such an object, mend a part of it or take a finalizer away.
    """
    known = Report()
    with contextlib.suppress(InvalidObjectError):  # So many that the check was ended.
        check_stored(known)
    report.violations = [v for v in report.violations if v not in known.violations]


def _prepare_status(kind: Kind[ObjectT], stored: ObjectT, proposed: ObjectT) -> ObjectT:
    if not kind.has_status:
        raise InvalidObjectError.of("subresource", f"{kind.resource} have no status")
    result = kind.message()
    result.CopyFrom(stored)
    _copy_field(proposed, result, "status")
    report = Report()
    check_status = _RULES[kind].check_status
    check_status(result, report)
    if report.violations:
        _forgive(report, lambda known: check_status(stored, known))
    report.raise_if_any()
    _check_size(result)
    return result


def _copy_field(source: Message, target: Message, field: str) -> None:
    if source.HasField(field):
        getattr(target, field).CopyFrom(getattr(source, field))
    else:
        target.ClearField(field)


def _check_size(result: Message) -> None:
    size = result.ByteSize()
    if size > MAX_OBJECT_BYTES:
        raise InvalidObjectError.of(
            "", f"the object is {size} bytes, more than the limit of {MAX_OBJECT_BYTES}"
        )
