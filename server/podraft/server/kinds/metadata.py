"""Object metadata: the fields that the server sets, those that may change, and their rules.

Owns: names made of ``generateName``, identity and timestamps at creation, the
fields that updates keep, and the rules of labels, annotations, owners and finalizers.
"""

from __future__ import annotations

from datetime import datetime

from podraft.api import names, times
from podraft.api.kinds import AnyKind, KnownKinds
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.violations import shown
from podraft.server.kinds.report import Report, check_labels
from podraft.server.kinds.rules import NameCheck

_STANDARD_FINALIZERS = frozenset(
    (
        well_known.FOREGROUND_FINALIZER,
        well_known.ORPHAN_FINALIZER,
        well_known.CLEANUP_FINALIZER,
        well_known.NAMESPACE_FINALIZER,
    )
)

ANNOTATION_BYTES_MAX = 256 * 1024
# The random suffix takes five characters of a label's 63.
GENERATED_BASE_MAX = 58
OWNERS_MAX = 64
FINALIZERS_MAX = 64
_GENERATION_MAX = 2**63 - 1


def next_generation(generation: int) -> int:
    """Return the number of the spec's next version; the largest one stays."""
    return min(generation + 1, _GENERATION_MAX)


def set_at_creation(
    metadata: meta_pb2.ObjectMeta, kind: AnyKind, now: datetime, uid: str, name_suffix: str
) -> None:
    """Give a new object its identity, and drop whatever the user said of these fields."""
    if not metadata.name and metadata.generate_name:
        metadata.name = metadata.generate_name[:GENERATED_BASE_MAX] + name_suffix
    metadata.uid = uid
    metadata.creation_timestamp.CopyFrom(times.time_of(now))
    metadata.ClearField("resource_version")
    metadata.ClearField("deletion_timestamp")
    metadata.ClearField("deletion_grace_period_seconds")
    metadata.ClearField("managed_fields")
    if kind.has_generations:
        metadata.generation = 1
    else:
        metadata.ClearField("generation")


_KEPT = (
    "name",
    "generate_name",
    "namespace",
    "uid",
    "resource_version",
    "generation",
    "deletion_grace_period_seconds",
)
_KEPT_TIMES = ("creation_timestamp", "deletion_timestamp")


def keep_immutable(metadata: meta_pb2.ObjectMeta, stored: meta_pb2.ObjectMeta) -> None:
    """Restore what an update cannot change: identity, revision, times, generation, owners."""
    for field in _KEPT:
        if stored.HasField(field):
            setattr(metadata, field, getattr(stored, field))
        else:
            metadata.ClearField(field)
    for field in _KEPT_TIMES:
        if stored.HasField(field):
            getattr(metadata, field).CopyFrom(getattr(stored, field))
        else:
            metadata.ClearField(field)
    if metadata.managed_fields or stored.managed_fields:
        metadata.ClearField("managed_fields")
        metadata.managed_fields.MergeFrom(stored.managed_fields)


def check_metadata(
    metadata: meta_pb2.ObjectMeta,
    kind: AnyKind,
    known: KnownKinds,
    check_name: NameCheck,
    report: Report,
) -> None:
    """Check the metadata of an object, new or changed."""
    name = metadata.name
    if not name:
        report.add("metadata.name", "is required (or metadata.generateName)")
    elif (problem := check_name(name)) is not None:
        report.add("metadata.name", f"{shown(name)} {problem}")
    namespace = metadata.namespace
    if kind.namespaced:
        if not namespace:
            report.required("metadata.namespace")
        elif (problem := names.dns_label(namespace)) is not None:
            report.add("metadata.namespace", f"{shown(namespace)} {problem}")
    elif namespace:
        report.add("metadata.namespace", f"must be empty: {kind.resource} are in no namespace")
    check_template_metadata(metadata, "metadata", report)
    if metadata.owner_references:
        _check_owners(metadata, kind, known, report)
    if metadata.finalizers:
        _check_finalizers(metadata, report)


def check_template_metadata(metadata: meta_pb2.ObjectMeta, field: str, report: Report) -> None:
    """Check labels and annotations, the only parts of a pod template's metadata that are used."""
    if metadata.labels:
        check_labels(metadata.labels, f"{field}.labels", report)
    if metadata.annotations:
        _check_annotations(metadata, f"{field}.annotations", report)


def _check_annotations(metadata: meta_pb2.ObjectMeta, field: str, report: Report) -> None:
    size = 0
    for key, value in metadata.annotations.items():
        size += len(key) + (len(value) if value.isascii() else len(value.encode()))
        if (problem := names.qualified(key.lower())) is not None:
            report.add(field, f"key {shown(key)} {problem}")
    if size > ANNOTATION_BYTES_MAX:
        report.add(field, f"must be at most {ANNOTATION_BYTES_MAX} bytes in sum, are {size}")


def _check_owners(
    metadata: meta_pb2.ObjectMeta, kind: AnyKind, known: KnownKinds, report: Report
) -> None:
    field = "metadata.ownerReferences"
    if len(metadata.owner_references) > OWNERS_MAX:
        report.add(field, f"must be at most {OWNERS_MAX}, are {len(metadata.owner_references)}")
        return
    controllers = 0
    for index, owner in enumerate(metadata.owner_references):
        controllers += owner.controller
        for name, value in (
            ("apiVersion", owner.api_version),
            ("kind", owner.kind),
            ("name", owner.name),
            ("uid", owner.uid),
        ):
            if not value:
                report.required(f"{field}[{index}].{name}")
        if owner.uid == metadata.uid:
            report.add(f"{field}[{index}].uid", "an object cannot own itself")
        named = known.by_manifest(owner.api_version, owner.kind)
        if named is not None and named.namespaced and not kind.namespaced:
            report.add(
                f"{field}[{index}].kind",
                f"{shown(owner.kind)} is in a namespace, {kind.resource} are in none: "
                "such an owner could never be found",
            )
    if controllers > 1:
        report.add(field, f"only one owner can be the controller, {controllers} say they are")


def _check_finalizers(metadata: meta_pb2.ObjectMeta, report: Report) -> None:
    field = "metadata.finalizers"
    if len(metadata.finalizers) > FINALIZERS_MAX:
        report.add(field, f"must be at most {FINALIZERS_MAX}, are {len(metadata.finalizers)}")
        return
    for index, finalizer in enumerate(metadata.finalizers):
        if finalizer in _STANDARD_FINALIZERS:
            continue
        problem = names.qualified(finalizer)
        if problem is None and "/" not in finalizer:
            problem = "must have a domain, such as example.com/name"
        if problem is not None:
            report.add(f"{field}[{index}]", f"{shown(finalizer)} {problem}")


def check_finalizers_while_deleting(
    stored: meta_pb2.ObjectMeta, proposed: meta_pb2.ObjectMeta, report: Report
) -> None:
    """Check that an object which is being deleted gets no new finalizer."""
    if not is_deleting(stored):
        return
    added = set(proposed.finalizers).difference(stored.finalizers)
    for finalizer in sorted(added):
        report.add(
            "metadata.finalizers",
            f"{shown(finalizer)} cannot be added: the object is being deleted",
        )
