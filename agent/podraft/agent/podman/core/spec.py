"""Translation of a pod's container into Podman's create request: a pure function.

Owns: the labels by which an agent finds its containers again, their names, and the translation
of Kubernetes' settings into libpod's words.

Invariant: name and labels follow from pod, container and attempt alone, so that Podman itself
refuses to create an attempt twice; every text in a request is valid in a process or a path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podraft.agent.podman.core.expansion import ProcessStrings, encoded, expand
from podraft.agent.podman.core.qos import oom_score_adjustment
from podraft.agent.podman.core.security import security
from podraft.api import quantities
from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.api.objects.deletion import spec_grace_s
from podraft.api.violations import shown

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
    """A path of the node that a container sees; ``own`` if the agent made it for the pod."""

    source: str
    destination: str
    read_only: bool = False
    own: bool = True


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The pinned namespaces to join; an empty path means the node's own."""

    net: str
    ipc: str
    uts: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """Everything that one attempt at running a container is made of."""

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
    """Return the name by which Podman knows an attempt: readable first, unique by the uid."""
    metadata = pod.metadata
    return f"{container}_{metadata.name}_{metadata.namespace}_{metadata.uid}_{attempt}"


def labels(attempt: Attempt) -> dict[str, str]:
    """Return the labels that tell a restarted agent what it must know about a container."""
    pod = attempt.pod
    return {
        LABEL_NODE: attempt.node_name,
        LABEL_POD_UID: pod.metadata.uid,
        LABEL_POD_NAMESPACE: pod.metadata.namespace,
        LABEL_POD_NAME: pod.metadata.name,
        LABEL_POD_GRACE_S: str(spec_grace_s(pod.spec)),
        LABEL_POD_HOST_NETWORK: str(pod.spec.host_network).lower(),
        LABEL_CONTAINER: attempt.container.name,
        LABEL_ATTEMPT: str(attempt.number),
        LABEL_IMAGE: attempt.container.image,
        LABEL_BACKOFF_S: f"{attempt.backoff_s:g}",
    }


def create_request(attempt: Attempt) -> dict[str, Any]:
    """Return the body of libpod's container create call.

    Raises:
        ConfigurationError: The image's user violates the spec, or a text is not valid
            in a process or a path.
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
        **_command(container, environment),
        **_namespaces(attempt.namespaces),
        **security(
            container.security_context,
            attempt.pod,
            attempt.image_user,
            host_ipc=not attempt.namespaces.ipc,
        ),
    }
    if container.working_dir:
        request["work_dir"] = container.working_dir
        # Other runtimes create a working directory that the image lacks, and images rely on it.
        request["create_working_dir"] = True
    _check_texts(request, "")
    return request


def _check_texts(value: Any, where: str) -> None:
    """Raise an error for texts that Podman would cut short or replace on the way to the kernel."""
    match value:
        case str():
            encoded(value, where)
        case Mapping():
            for name, inner in value.items():
                encoded(name, f"a name in {where}")
                _check_texts(inner, f"{where}[{shown(name)}]" if where else name)
        case Sequence():
            for index, inner in enumerate(value):
                _check_texts(inner, f"{where}[{index}]")


def resource_limits(resources: container_pb2.ResourceRequirements) -> dict[str, Any]:
    """Return the cgroup settings: requests become shares, limits become quotas."""
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
    """Return the entrypoint and command of a create request.

    A container's command replaces the image's entrypoint and arguments, its args only the latter.
    """
    strings = ProcessStrings()
    for name, value in environment.items():
        strings.add(f"{name}={value}", f"environment variable {shown(name)}")
    request: dict[str, list[str]] = {}
    for field, key, words in (
        ("command", "entrypoint", container.command),
        ("args", "command", container.args),
    ):
        expanded = []
        for index, word in enumerate(words):
            what = f"{field}[{index}]"
            expanded.append(expand(word, environment, what))
            strings.add(expanded[-1], what)
        if expanded:
            request[key] = expanded
    return request


def _namespaces(pinned: Namespaces) -> dict[str, dict[str, str]]:
    paths = {"netns": pinned.net, "ipcns": pinned.ipc, "utsns": pinned.uts}
    return {
        name: {"nsmode": "path", "value": path} if path else {"nsmode": "host"}
        for name, path in paths.items()
    }


def _mount(mount: Mount) -> dict[str, Any]:
    options = ["rbind", "ro" if mount.read_only else "rw", "rprivate"]
    if mount.own:
        # Where there is SELinux, containers may use files that bear their label; the node's own
        # files (hostPath) keep theirs.
        options.append("z")
    return {
        "type": "bind",
        "source": mount.source,
        "destination": mount.destination,
        "options": options,
    }
