"""Parts of a manifest that its author did not mean: bookkeeping, and fields at their defaults.

Objects exported from a cluster (`kubectl get -o yaml`) carry both.  Pure.  Two rules:

* A field of a pod, service or node on which podraft does not act is left out if it is empty or if
  its value asks for what podraft does anyway, as the contract has it; so are a few others.
* What a server writes (status, uid, managed fields, the address it chose for a Service,
  the token volume it added to a Pod) belongs to the cluster the object came from.

Invariant: everything that a user can have meant stays, and is then read or refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from podraft.api import support
from podraft.api.core.v1 import container_pb2, node_pb2, pod_pb2, service_pb2, volume_pb2
from podraft.api.objects import well_known

_BOOKKEEPING = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
# Controllers and `apply` write these; copied, they would be false for this cluster's object.
_NOTES = (
    well_known.REVISION,
    well_known.REVISION_HISTORY,
    *well_known.APPLY_NOTES,
)
_Unsaid: TypeAlias = Mapping[str, tuple[Any, ...]]


def _unsaid(message: type[Message], **more: tuple[Any, ...]) -> _Unsaid:
    """Return the fields on which podraft does not act, with the values that need no effect.

    ``more`` are fields on which it acts, with the values that ask for nothing.  For each of them,
    and of the others, null and empty values (``affinity: {}``) do so as well.
    """
    descriptor = cast("Descriptor", message.DESCRIPTOR)
    without_effect = {
        field.json_name: tuple(_as_json(field, text) for text in support.satisfied_by(field))
        for field in descriptor.fields
        if support.reason_of(field)
    }
    return {**without_effect, **more}


def _as_json(field: FieldDescriptor, text: str) -> Any:
    """Return the value that the contract writes as `text`."""
    if field.is_repeated:
        return [text]
    return text if field.type == FieldDescriptor.TYPE_STRING else json.loads(text)


_POD = _unsaid(
    pod_pb2.PodSpec,
    affinity=(),
    os=({"name": "linux"},),
    priority=(0,),
    priorityClassName=(),
)
_POD_SECURITY = _unsaid(pod_pb2.PodSecurityContext, appArmorProfile=(), seccompProfile=())
_CONTAINER = _unsaid(container_pb2.Container)
_SECURITY = _unsaid(container_pb2.SecurityContext, appArmorProfile=(), seccompProfile=())
_CONTAINER_PORT = _unsaid(container_pb2.ContainerPort)
_LIFECYCLE = _unsaid(container_pb2.Lifecycle)
_RESOURCES = _unsaid(container_pb2.ResourceRequirements)
_MOUNT = _unsaid(volume_pb2.VolumeMount)
_SERVICE = _unsaid(service_pb2.ServiceSpec)
_SERVICE_PORT = _unsaid(service_pb2.ServicePort)
_NODE = _unsaid(node_pb2.NodeSpec)
_TOKEN_VOLUME = "kube-api-access-"


def without_unsaid(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object as its author meant it; `value` is not changed."""
    result = dict(value)
    metadata, spec = value.get("metadata"), value.get("spec")
    exported = isinstance(metadata, Mapping) and bool(metadata.get("uid"))
    result.pop("status", None)
    if isinstance(metadata, Mapping):
        result["metadata"] = _metadata(metadata)
    if not isinstance(spec, Mapping):
        return result
    match value.get("kind"):
        case "Pod":
            result["spec"] = _pod_spec(spec)
        case "Deployment" | "ReplicaSet":
            template = spec.get("template")
            if isinstance(template, Mapping):
                result["spec"] = {**spec, "template": _template(template)}
        case "Service":
            result["spec"] = _service_spec(spec, exported=exported)
        case "Node":
            result["spec"] = _said(spec, _NODE)
    return result


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    result = _drop(metadata, *_BOOKKEEPING)
    annotations = result.get("annotations")
    if isinstance(annotations, Mapping):
        kept = _drop(annotations, *_NOTES)
        result["annotations"] = kept
        if annotations and not kept:
            del result["annotations"]
    return result


def _template(template: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(template)
    metadata, spec = template.get("metadata"), template.get("spec")
    if isinstance(metadata, Mapping):
        result["metadata"] = _drop(metadata, *_BOOKKEEPING)
    if isinstance(spec, Mapping):
        result["spec"] = _pod_spec(spec)
    return result


def _pod_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    result = _said(spec, _POD)
    _change(result, "securityContext", lambda one: _said(one, _POD_SECURITY))
    volumes = result.get("volumes")
    if isinstance(volumes, list):
        result["volumes"] = [one for one in volumes if not _is_token(one)]
    _change_each(result, "containers", _container)
    _change_each(result, "initContainers", _container)
    return result


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    result = _said(container, _CONTAINER)
    _change(result, "securityContext", lambda one: _said(one, _SECURITY))
    _change(result, "lifecycle", lambda one: _said(one, _LIFECYCLE))
    _change(result, "resources", lambda one: _said(one, _RESOURCES))
    _change_each(result, "ports", lambda one: _said(one, _CONTAINER_PORT))
    mounts = result.get("volumeMounts")
    if isinstance(mounts, list):
        result["volumeMounts"] = [one for one in mounts if not _is_token(one)]
    _change_each(result, "volumeMounts", lambda one: _said(one, _MOUNT))
    return result


def _service_spec(spec: Mapping[str, Any], *, exported: bool) -> dict[str, Any]:
    result = _said(spec, _SERVICE)
    _change_each(result, "ports", lambda one: _said(one, _SERVICE_PORT))
    if exported and result.get("clusterIP") != "None":
        return _drop(result, "clusterIP", "clusterIPs")
    return result


# ---- Parts of an object, where they are of the type that they should be ------------------------


def _change(
    parent: dict[str, Any], name: str, change: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> None:
    value = parent.get(name)
    if isinstance(value, Mapping):
        parent[name] = change(value)


def _change_each(
    parent: dict[str, Any], name: str, change: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> None:
    values = parent.get(name)
    if isinstance(values, list):
        parent[name] = [change(one) if isinstance(one, Mapping) else one for one in values]


def _is_token(element: object) -> bool:
    return isinstance(element, Mapping) and str(element.get("name")).startswith(_TOKEN_VOLUME)


def _drop(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name not in names}


def _said(value: Mapping[str, Any], unsaid: _Unsaid) -> dict[str, Any]:
    """Return a mapping without the fields that ask for what podraft does anyway."""
    return {
        name: item
        for name, item in value.items()
        if name not in unsaid
        or not (_is_empty(item) or any(_same(item, other) for other in unsaid[name]))
    }


def _is_empty(value: Any) -> bool:
    """Return whether a value is empty, or a mapping that holds only empty values."""
    if isinstance(value, Mapping):
        return all(_is_empty(item) for item in value.values())
    return value is None or value == "" or value == []


def _same(one: Any, other: Any) -> bool:
    # `False == 0` and `True == 1` in Python, but a number's field expects no boolean.
    return type(one) is type(other) and bool(one == other)
