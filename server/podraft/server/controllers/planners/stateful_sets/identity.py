"""What tells the pods of a StatefulSet apart: their numbers, and what follows from these.

Owns: the names, labels and host names of the pods.

Invariant: a number has one name, so that there are never two pods of one number.
"""

from __future__ import annotations

from podraft.api.apps.v1 import stateful_set_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import STATEFUL_SET
from podraft.api.objects import owners
from podraft.api.objects.well_known import (
    POD_INDEX_LABEL,
    REVISION_HASH_LABEL,
    STATEFUL_POD_LABEL,
)

_DIGITS_MAX = 10


def name_of(stateful_set: stateful_set_pb2.StatefulSet, number: int) -> str:
    """Return the name of the pod of a number."""
    return f"{stateful_set.metadata.name}-{number}"


def number_of(stateful_set: stateful_set_pb2.StatefulSet, pod: pod_pb2.Pod) -> int | None:
    """Return a pod's number; None if its name is not one of the set's."""
    parent, _, digits = pod.metadata.name.rpartition("-")
    if parent != stateful_set.metadata.name or len(digits) > _DIGITS_MAX:
        return None
    if not (digits.isascii() and digits.isdecimal()) or digits != str(int(digits)):
        return None
    return int(digits)


def labels_of(stateful_set: stateful_set_pb2.StatefulSet, number: int) -> dict[str, str]:
    """Return the labels that say which of the pods one is."""
    return {STATEFUL_POD_LABEL: name_of(stateful_set, number), POD_INDEX_LABEL: str(number)}


def revision_of(pod: pod_pb2.Pod) -> str:
    """Return the name of the revision from which a pod was made."""
    return pod.metadata.labels.get(REVISION_HASH_LABEL, "")


def made(
    stateful_set: stateful_set_pb2.StatefulSet,
    number: int,
    template: pod_pb2.PodTemplateSpec,
    revision: str,
) -> pod_pb2.Pod:
    """Return the new pod of a number."""
    pod = pod_pb2.Pod(spec=template.spec)
    metadata = pod.metadata
    metadata.name = name_of(stateful_set, number)
    metadata.namespace = stateful_set.metadata.namespace
    metadata.labels.update(template.metadata.labels)
    metadata.labels.update(labels_of(stateful_set, number))
    metadata.labels[REVISION_HASH_LABEL] = revision
    metadata.annotations.update(template.metadata.annotations)
    metadata.finalizers.extend(template.metadata.finalizers)
    metadata.owner_references.append(owners.controller_reference(STATEFUL_SET, stateful_set))
    pod.spec.hostname = metadata.name
    if stateful_set.spec.service_name:
        pod.spec.subdomain = stateful_set.spec.service_name
    return pod
