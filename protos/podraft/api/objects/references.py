"""The ConfigMaps and Secrets that a pod names, which its node reads, watches and may see.

Invariant: the agent, which reads them, and the rights of its node use the same answer: all that a
pod names anywhere in its spec, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from podraft.api.core.v1 import pod_pb2


class Reference(NamedTuple):
    """A reference by a pod to an object in its namespace."""

    kind: Literal["ConfigMap", "Secret"]
    name: str


def references(spec: pod_pb2.PodSpec) -> frozenset[Reference]:
    """Return all ConfigMaps and Secrets that the volumes and environment of a pod name."""
    return frozenset((*_of_environment(spec), *_of_volumes(spec)))


def _of_environment(spec: pod_pb2.PodSpec) -> Iterator[Reference]:
    for container in (*spec.init_containers, *spec.containers):
        for source in container.env_from:
            if source.HasField("config_map_ref"):
                yield Reference("ConfigMap", source.config_map_ref.local_object_reference.name)
            if source.HasField("secret_ref"):
                yield Reference("Secret", source.secret_ref.local_object_reference.name)
        for variable in container.env:
            value = variable.value_from
            if value.HasField("config_map_key_ref"):
                yield Reference("ConfigMap", value.config_map_key_ref.local_object_reference.name)
            if value.HasField("secret_key_ref"):
                yield Reference("Secret", value.secret_key_ref.local_object_reference.name)


def _of_volumes(spec: pod_pb2.PodSpec) -> Iterator[Reference]:
    for volume in spec.volumes:
        source = volume.volume_source
        if source.HasField("config_map"):
            yield Reference("ConfigMap", source.config_map.local_object_reference.name)
        if source.HasField("secret"):
            yield Reference("Secret", source.secret.secret_name)
