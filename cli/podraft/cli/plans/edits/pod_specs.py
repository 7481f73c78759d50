"""The pods that an object makes, or is: where their specification stands, and its containers.

Pure.  Invariant: a new kind needs no entry here: the places are found by the objects' shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from podraft.api import kinds
from podraft.api.core.v1 import pod_pb2
from podraft.cli.errors import CliError


def pod_spec(kind: kinds.AnyKind, value: dict[str, Any], verb: str) -> dict[str, Any]:
    """Return the specification of an object's pods, within the object's JSON.

    Raises:
        CliError: The object makes no pods.
    """
    spec = value.get("spec", {})
    if _is_a_pod(kind):
        return _mapping(spec)
    inner = spec.get("jobTemplate", {}).get("spec", spec)
    template = inner.get("template", {})
    if "spec" not in template:
        raise CliError(f"{verb} works on what makes pods, not on a {kind.name}")
    return _mapping(template["spec"])


def containers(spec: dict[str, Any], pattern: str) -> Iterator[dict[str, Any]]:
    """Yield the containers whose names match a pattern: ``*``, ``web``, ``web-*``."""
    for field in ("initContainers", "containers"):
        for container in spec.get(field, ()):
            if fnmatchcase(container.get("name", ""), pattern):
                yield container


def chosen_containers(spec: dict[str, Any], pattern: str, verb: str) -> list[dict[str, Any]]:
    """Return the containers whose names match.

    Raises:
        CliError: None does.
    """
    found = list(containers(spec, pattern))
    if not found:
        names = ", ".join(str(one.get("name")) for one in containers(spec, "*"))
        raise CliError(f'{verb}: no container is called "{pattern}"; there are {names}')
    return found


def _is_a_pod(kind: kinds.AnyKind) -> bool:
    stated = kind.message.DESCRIPTOR.fields_by_name.get("spec")
    return stated is not None and stated.message_type is pod_pb2.PodSpec.DESCRIPTOR


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
