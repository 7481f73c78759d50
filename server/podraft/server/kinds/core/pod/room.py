"""Pods: what replicas share is worked out once, and a pod that may run has time to stop.

Owns: the status that a pod starts with, and how long its deletion may take.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from podraft.api.core.v1.pod_pb2 import Pod, PodSpec
from podraft.api.meta.v1.requests_pb2 import DeleteOptions
from podraft.api.objects.amounts import qos_class
from podraft.api.objects.deletion import spec_grace_s
from podraft.api.objects.pods import is_finished
from podraft.server.kinds.core.pod.addresses import PLACE
from podraft.server.kinds.core.pod.changes import check_change, keep
from podraft.server.kinds.core.pod.spec import (
    REMEMBERED,
    REMEMBERED_BYTES,
    check_spec,
    default_spec,
    derive_spec,
)
from podraft.server.kinds.core.pod.status import check_status
from podraft.server.kinds.hooks import Companion
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.scheduling.pod_priority import CLASS


def _default(pod: Pod) -> None:
    """Fill in the fields that a pod leaves out."""
    encoded = pod.spec.SerializeToString()
    if len(encoded) <= REMEMBERED_BYTES:
        pod.spec.CopyFrom(_whole(encoded))
    else:
        default_spec(pod.spec)
        derive_spec(pod.spec)


@lru_cache(maxsize=REMEMBERED)
def _whole(encoded: bytes) -> PodSpec:
    """Return the whole spec of a pod; it is shared, so it must not be changed."""
    spec = PodSpec.FromString(encoded)
    default_spec(spec)
    derive_spec(spec)
    return spec


def _check(pod: Pod, report: Report) -> None:
    """Check a pod."""
    check_spec(pod.spec, "spec", report)


def _begin(pod: Pod) -> None:
    """Give a new, valid pod its initial status.

    It gets no tolerations: a pod stays on a lost node only as long as its spec says.
    """
    pod.status.phase = "Pending"
    encoded = pod.spec.SerializeToString()
    short = len(encoded) <= REMEMBERED_BYTES
    pod.status.qos_class = _qos_class(encoded) if short else qos_class(pod.spec)


@lru_cache(maxsize=REMEMBERED)
def _qos_class(encoded: bytes) -> str:
    return qos_class(PodSpec.FromString(encoded))


def _grace_s(pod: Pod, options: DeleteOptions, marked: bool) -> int:
    """Return the seconds that the pod may take to go; 0 unless it may run."""
    if not pod.spec.node_name or is_finished(pod):
        return 0
    if options.HasField("grace_period_seconds"):
        return options.grace_period_seconds
    if marked:
        return pod.metadata.deletion_grace_period_seconds
    return spec_grace_s(pod.spec)


def scheduling_record_key(namespace: str, name: str) -> bytes:
    """Return the key of the record that says why a pod is where it is, or is not placed."""
    return f"_scheduling/{namespace}/{name}".encode()


RULES: Final[Rules[Pod]] = Rules(
    keep=keep,
    default=_default,
    check=_check,
    check_change=check_change,
    begin=_begin,
    check_status=check_status,
    keeps_spelling=True,
    grace_s=_grace_s,
    sources=CLASS,
    neighbours=PLACE,
    companions=(Companion(scheduling_record_key),),
)
