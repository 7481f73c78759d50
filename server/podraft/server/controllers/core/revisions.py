"""The revisions of a workload's template, kept as ControllerRevisions.

Owns: which revision a template is, its name, number and form, and which old ones are forgotten.

Invariants: two revisions of one workload never have the same hash; the revision of the current
template has the highest number.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from podraft.api import codec
from podraft.api.apps.v1 import controller_revision_pb2
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import CONTROLLER_REVISION, AnyKind
from podraft.api.objects import owners
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.well_known import REVISION_HASH_LABEL
from podraft.api.violations import InvalidObjectError
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.indexes import BY_OWNER
from podraft.server.controllers.core.plan import Snapshot
from podraft.server.controllers.core.templates import HASH_LENGTH, comparable, template_hash

Revision = controller_revision_pb2.ControllerRevision


@dataclass(frozen=True, slots=True)
class Revised:
    """The current template's revision and hash, the write that it needs, the collisions so far."""

    name: str
    hash: str
    write: commit_pb2.Write | None
    collisions: int


def revised(
    snapshot: Snapshot,
    kind: AnyKind,
    owner: Any,
    collisions: int,
    *,
    name_max: int = 253,
) -> Revised:
    """Return the revision of a workload's template, made or renumbered if need be.

    One that a workload left behind which was deleted without what it owned is taken over.
    """
    template: pod_pb2.PodTemplateSpec = owner.spec.template
    known = owned(snapshot, kind, owner)
    wanted = comparable(template)
    latest = max((one.revision for one in known), default=0)
    for one in known:
        kept = template_of(one)
        if kept is not None and comparable(kept) == wanted:
            renumbered = None
            if one.revision < latest:
                renumbered = objects.copied(one)
                renumbered.revision = latest + 1
            write = None if renumbered is None else writes.update(renumbered)
            return Revised(one.metadata.name, hash_of(one), write, collisions)
    while True:
        name_hash = template_hash(template, collisions)
        name = f"{owner.metadata.name[: name_max - HASH_LENGTH - 1]}-{name_hash}"
        found = snapshot.get(CONTROLLER_REVISION, name, owner.metadata.namespace)
        if found is None:
            made = _made(kind, owner, name, name_hash, latest + 1)
            return Revised(name, name_hash, writes.create(made), collisions)
        if _is_left_behind(found, name_hash, wanted):
            taken = objects.copied(found)
            taken.revision = latest + 1
            taken.metadata.owner_references.append(owners.controller_reference(kind, owner))
            return Revised(name, name_hash, writes.update(taken), collisions)
        collisions += 1


def _is_left_behind(found: Revision, name_hash: str, wanted: pod_pb2.PodTemplateSpec) -> bool:
    if is_deleting(found.metadata) or owners.controller_of(found.metadata) is not None:
        return False
    kept = template_of(found)
    return hash_of(found) == name_hash and kept is not None and comparable(kept) == wanted


def owned(snapshot: Snapshot, kind: AnyKind, owner: Any) -> list[Revision]:
    """Return the revisions of a workload, the lowest number first."""
    own = owners.key_of(kind, owner)
    found = [
        one
        for one in snapshot.by_index(CONTROLLER_REVISION, BY_OWNER, own.text)
        if own.controls(one.metadata) and not is_deleting(one.metadata)
    ]
    return sorted(found, key=lambda one: (one.revision, one.metadata.name))


def hash_of(revision: Revision) -> str:
    """Return the hash that the pods of a revision carry."""
    return revision.metadata.labels.get(REVISION_HASH_LABEL, "")


def template_of(revision: Revision) -> pod_pb2.PodTemplateSpec | None:
    """Return the template that a revision keeps; None if it keeps none."""
    try:
        data = json.loads(revision.data.raw)
        said = {key: value for key, value in data["spec"]["template"].items() if key != "$patch"}
        parsed: pod_pb2.PodTemplateSpec = codec.parse(pod_pb2.PodTemplateSpec, said)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidObjectError):
        return None  # It is damaged, or somebody else's.
    return parsed


def forgotten(
    known: Sequence[Revision], limit: int, current: str, in_use: Collection[str]
) -> list[commit_pb2.Write]:
    """Return the deletions of the oldest revisions that no pod has, beyond those that are kept."""
    idle = [one for one in known if hash_of(one) != current and hash_of(one) not in in_use]
    excess = idle[: max(0, len(idle) - limit)]
    return [
        writes.delete(
            CONTROLLER_REVISION, one.metadata.name, one.metadata.namespace, uid=one.metadata.uid
        )
        for one in excess
    ]


def _made(kind: AnyKind, owner: Any, name: str, name_hash: str, number: int) -> Revision:
    template = {**codec.to_json(owner.spec.template), "$patch": "replace"}
    made = Revision(revision=number)
    made.data.raw = json.dumps({"spec": {"template": template}}, separators=(",", ":")).encode()
    metadata = made.metadata
    metadata.name, metadata.namespace = name, owner.metadata.namespace
    metadata.labels.update(owner.spec.template.metadata.labels)
    metadata.labels[REVISION_HASH_LABEL] = name_hash
    metadata.owner_references.append(owners.controller_reference(kind, owner))
    return made
