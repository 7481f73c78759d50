"""What a manifest says without meaning it: a server's bookkeeping, and fields at their defaults.

Objects exported from a cluster (`kubectl get -o yaml`) carry both.  Pure.  Two rules:

* A field that podraft does not have, at the value Kubernetes gives it when it is left
  out, is left out: the two manifests mean the same.
* What a server writes (status, uid, managed fields, the address it chose for a Service,
  the token volume it added to a Pod) belongs to the cluster the object came from.

Invariant: what a user can have meant stays, and is then read or refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podraft.api.names import APPLY_NOTES

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
# Controllers and `apply` write these; taken over, they would tell lies of this cluster's object.
_NOTES = (
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    *APPLY_NOTES,
)
_POD_DEFAULTS: Mapping[str, Any] = {
    "dnsPolicy": "ClusterFirst",
    "preemptionPolicy": "PreemptLowerPriority",
    "priority": 0,
    "serviceAccount": "default",
    "serviceAccountName": "default",
}
_CONTAINER_DEFAULTS: Mapping[str, Any] = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_SERVICE_DEFAULTS: Mapping[str, Any] = {
    "externalTrafficPolicy": "Cluster",
    "internalTrafficPolicy": "Cluster",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "sessionAffinity": "None",
}
_TOKEN_VOLUME = "kube-api-access-"


def without_unsaid(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object as its author meant it; `value` stays as it is."""
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
    result = _drop_equal(spec, _POD_DEFAULTS)
    volumes = result.get("volumes")
    if isinstance(volumes, list):
        result["volumes"] = [one for one in volumes if not _is_token(one, "name")]
    for name in ("containers", "initContainers"):
        containers = result.get(name)
        if isinstance(containers, list):
            result[name] = [
                _container(one) if isinstance(one, Mapping) else one for one in containers
            ]
    return result


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    result = _drop_equal(container, _CONTAINER_DEFAULTS)
    mounts = result.get("volumeMounts")
    if isinstance(mounts, list):
        result["volumeMounts"] = [one for one in mounts if not _is_token(one, "name")]
    return result


def _service_spec(spec: Mapping[str, Any], *, exported: bool) -> dict[str, Any]:
    result = _drop_equal(spec, _SERVICE_DEFAULTS)
    if exported and result.get("clusterIP") != "None":
        return _drop(result, "clusterIP", "clusterIPs")
    return result


def _is_token(element: object, key: str) -> bool:
    return isinstance(element, Mapping) and str(element.get(key)).startswith(_TOKEN_VOLUME)


def _drop(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name not in names}


def _drop_equal(value: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    # `False == 0` and `True == 1` to Python, but a boolean is not what a number's field expects.
    return {
        name: item
        for name, item in value.items()
        if not (name in defaults and type(item) is type(defaults[name]) and item == defaults[name])
    }
