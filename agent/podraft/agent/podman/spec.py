"""From a container of a pod to Podman's create request: a pure function.

Owns: the labels by which an agent finds its containers again, their names, and
how Kubernetes' settings are said in libpod's words.

Invariant: name and labels follow from pod, container and attempt alone, so
that creating an attempt twice is refused by Podman itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podraft.agent.pods.core.environment import ConfigurationError, expand
from podraft.agent.pods.core.qos import oom_score_adjustment
from podraft.api import quantities
from podraft.api.core.v1 import container_pb2, pod_pb2

LABEL_NODE = "io.podraft.node"
LABEL_POD_UID = "io.podraft.pod.uid"
LABEL_POD_NAMESPACE = "io.podraft.pod.namespace"
LABEL_POD_NAME = "io.podraft.pod.name"
LABEL_POD_GRACE_S = "io.podraft.pod.grace-s"
LABEL_POD_HOST_NETWORK = "io.podraft.pod.host-network"
LABEL_CONTAINER = "io.podraft.container.name"
LABEL_ATTEMPT = "io.podraft.container.attempt"
LABEL_IMAGE = "io.podraft.container.image"
LABEL_BACKOFF_S = "io.podraft.container.backoff-s"

_PERIOD_US = 100_000
_SHARES_MIN = 2
_QUOTA_MIN_US = 1_000


@dataclass(frozen=True, slots=True)
class Mount:
    """A path of the node that a container sees."""

    source: str
    destination: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The pinned namespaces to join; an empty path means the node's own."""

    net: str
    ipc: str
    uts: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """All that one attempt at running a container is made of."""

    pod: pod_pb2.Pod
    container: container_pb2.Container
    number: int
    backoff_s: float
    node_name: str
    image_id: str
    image_user: str
    namespaces: Namespaces
    cgroup_parent: str
    environment: Mapping[str, str]
    mounts: Sequence[Mount]
    log_path: str
    hostname: str
    oom_score_least: int = -1000


def container_name(pod: pod_pb2.Pod, container: str, attempt: int) -> str:
    """Return the name that Podman knows an attempt by; readable first, unique by the uid."""
    metadata = pod.metadata
    return f"{container}_{metadata.name}_{metadata.namespace}_{metadata.uid}_{attempt}"


def labels(attempt: Attempt) -> dict[str, str]:
    """Return what an agent that starts anew must know of a container."""
    pod = attempt.pod
    grace_s = pod.spec.termination_grace_period_seconds
    if not pod.spec.HasField("termination_grace_period_seconds"):
        grace_s = 30
    return {
        LABEL_NODE: attempt.node_name,
        LABEL_POD_UID: pod.metadata.uid,
        LABEL_POD_NAMESPACE: pod.metadata.namespace,
        LABEL_POD_NAME: pod.metadata.name,
        LABEL_POD_GRACE_S: str(grace_s),
        LABEL_POD_HOST_NETWORK: str(pod.spec.host_network).lower(),
        LABEL_CONTAINER: attempt.container.name,
        LABEL_ATTEMPT: str(attempt.number),
        LABEL_IMAGE: attempt.container.image,
        LABEL_BACKOFF_S: f"{attempt.backoff_s:g}",
    }


def create_request(attempt: Attempt) -> dict[str, Any]:
    """Return the body of libpod's container create call.

    Raises:
        ConfigurationError: The image's user is not what the spec demands.
    """
    container = attempt.container
    environment = dict(attempt.environment)
    request: dict[str, Any] = {
        "name": container_name(attempt.pod, container.name, attempt.number),
        "image": attempt.image_id,
        "labels": labels(attempt),
        "env": {"HOSTNAME": attempt.hostname, **environment},
        "mounts": [_mount(mount) for mount in attempt.mounts],
        "cgroup_parent": attempt.cgroup_parent,
        "resource_limits": resource_limits(container.resources),
        "log_configuration": {"driver": "k8s-file", "path": attempt.log_path},
        "restart_policy": "no",
        # A runtime that may not set a score does not start the container at all.
        "oom_score_adj": max(oom_score_adjustment(attempt.pod.spec), attempt.oom_score_least),
        "terminal": container.tty,
        # Podman would otherwise write these files from the node's own.
        "use_image_hosts": True,
        "use_image_resolve_conf": True,
        "systemd": "false",
        "httpproxy": False,
        "selinux_opts": ["disable"],
        **_command(container, environment),
        **_namespaces(attempt.namespaces),
        **_security(attempt),
    }
    if container.working_dir:
        request["work_dir"] = container.working_dir
    return request


def resource_limits(resources: container_pb2.ResourceRequirements) -> dict[str, Any]:
    """Return the cgroup settings: requests are shares, limits are quotas."""
    limits, requests = resources.limits, resources.requests
    cpu: dict[str, int] = {}
    request = requests.get("cpu", limits.get("cpu"))
    if request is not None:
        cpu["shares"] = max(quantities.milli(request) * 1024 // 1000, _SHARES_MIN)
    if "cpu" in limits:
        quota_us = quantities.milli(limits["cpu"]) * _PERIOD_US // 1000
        cpu["quota"], cpu["period"] = max(quota_us, _QUOTA_MIN_US), _PERIOD_US
    result: dict[str, Any] = {"cpu": cpu} if cpu else {}
    if "memory" in limits:
        result["memory"] = {"limit": quantities.whole(limits["memory"])}
    return result


def _command(
    container: container_pb2.Container, environment: Mapping[str, str]
) -> dict[str, list[str]]:
    """A command replaces the image's entrypoint and its arguments, args only the arguments."""
    request: dict[str, list[str]] = {}
    if container.command:
        request["entrypoint"] = [expand(word, environment) for word in container.command]
    if container.args:
        request["command"] = [expand(word, environment) for word in container.args]
    return request


def _namespaces(pinned: Namespaces) -> dict[str, dict[str, str]]:
    paths = {"netns": pinned.net, "ipcns": pinned.ipc, "utsns": pinned.uts}
    return {
        name: {"nsmode": "path", "value": path} if path else {"nsmode": "host"}
        for name, path in paths.items()
    }


def _mount(mount: Mount) -> dict[str, Any]:
    mode = "ro" if mount.read_only else "rw"
    return {
        "type": "bind",
        "source": mount.source,
        "destination": mount.destination,
        "options": ["rbind", mode, "rprivate"],
    }


def _security(attempt: Attempt) -> dict[str, Any]:
    context = attempt.container.security_context
    pod_context = attempt.pod.spec.security_context
    request: dict[str, Any] = {}
    user = _user(context, pod_context, attempt.image_user)
    if user:
        request["user"] = user
    groups = [str(group) for group in pod_context.supplemental_groups]
    if pod_context.HasField("fs_group"):
        groups.append(str(pod_context.fs_group))
    if groups:
        request["groups"] = groups
    if context.capabilities.add:
        request["cap_add"] = [_capability(name) for name in context.capabilities.add]
    if context.capabilities.drop:
        request["cap_drop"] = [_capability(name) for name in context.capabilities.drop]
    if context.HasField("allow_privilege_escalation") and not context.allow_privilege_escalation:
        request["no_new_privileges"] = True
    if context.privileged:
        request["privileged"] = True
    if context.read_only_root_filesystem:
        request["read_only_filesystem"] = True
    return request


def _user(
    context: container_pb2.SecurityContext,
    pod_context: pod_pb2.PodSecurityContext,
    image_user: str,
) -> str:
    """Return ``user[:group]``; a container's own setting comes before the pod's."""
    user = image_user.partition(":")[0]
    for source in (context, pod_context):
        if source.HasField("run_as_user"):
            user = str(source.run_as_user)
            break
    group = ""
    for source in (context, pod_context):
        if source.HasField("run_as_group"):
            group = str(source.run_as_group)
            break
    own = context.HasField("run_as_non_root")
    non_root = context.run_as_non_root if own else pod_context.run_as_non_root
    if non_root and user in ("", "0", "root"):
        raise ConfigurationError("container has runAsNonRoot and would run as root (user 0)")
    if non_root and not user.isdigit():
        raise ConfigurationError(
            f'container has runAsNonRoot and image has non-numeric user "{user}", '
            "cannot verify that it is not root: set runAsUser"
        )
    if group:
        return f"{user or '0'}:{group}"
    if context.HasField("run_as_user") or pod_context.HasField("run_as_user"):
        return user
    return ""


def _capability(name: str) -> str:
    upper = name.upper()
    return upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}"
