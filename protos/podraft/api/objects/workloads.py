"""The defaults of fields that a workload leaves out, and the revision that it is at.

Owns: the defaults of replicas, history and deadline; how a revision is read from its annotation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.objects.well_known import REVISION

DEFAULT_REPLICAS: Final = 1
DEFAULT_HISTORY_LIMIT: Final = 10
DEFAULT_PROGRESS_DEADLINE_S: Final = 600


class Replicated(Protocol):
    """A spec that says how many pods there should be."""

    replicas: int

    def HasField(self, field_name: str) -> bool:  # noqa: D102, N802 - protobuf's name
        ...


def replicas(spec: Replicated) -> int:
    """Return how many pods are wanted."""
    return spec.replicas if spec.HasField("replicas") else DEFAULT_REPLICAS


def history_limit(spec: deployment_pb2.DeploymentSpec) -> int:
    """Return how many replica sets of former templates are kept."""
    said = spec.HasField("revision_history_limit")
    return spec.revision_history_limit if said else DEFAULT_HISTORY_LIMIT


def progress_deadline_s(spec: deployment_pb2.DeploymentSpec) -> int:
    """Return how many seconds a rollout may make no progress before it counts as failed."""
    said = spec.HasField("progress_deadline_seconds")
    return spec.progress_deadline_seconds if said else DEFAULT_PROGRESS_DEADLINE_S


def revision_of(obj: deployment_pb2.Deployment | replica_set_pb2.ReplicaSet) -> int:
    """Return the revision at which an object is, or last was, current; 0 if it names none."""
    return number(obj.metadata.annotations, REVISION) or 0


def number(annotations: Mapping[str, str], key: str) -> int | None:
    """Return the number in an annotation; None if it is absent or not a number."""
    text = annotations.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
