"""Whom a container runs as and what it may do, in libpod's words: pure functions.

Owns: user and groups, ``runAsNonRoot``, capabilities, privilege escalation and SELinux
labels; seccomp and the paths hidden from containers are Podman's defaults, which are on.

Invariant: with ``runAsNonRoot``, nothing starts that might run as user 0; a container gets a
capability in `_WITHHELD` only if it asks for it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from podraft.agent.podman.core.errors import ConfigurationError
from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.api.violations import shown

# Capabilities that some Podmans give by default, as Docker does, and images do not need: to make
# devices, to forge packets (`ping` works without), to write to the node's audit log.
_WITHHELD = ("CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW")
_NUMBER = re.compile(r"[0-9]{1,10}")
_ID_MAX = 2**31 - 1
_CATEGORIES = 1024


def security(
    context: container_pb2.SecurityContext, pod: pod_pb2.Pod, image_user: str, *, host_ipc: bool
) -> dict[str, Any]:
    """Return the part of a create request that says whom a container runs as and what it may do.

    Raises:
        ConfigurationError: The image's user violates the spec.
    """
    pod_context = pod.spec.security_context
    request: dict[str, Any] = {}
    user = _user(context, pod_context, image_user)
    if user:
        request["user"] = user
    groups = [str(group) for group in pod_context.supplemental_groups]
    if pod_context.HasField("fs_group"):
        groups.append(str(pod_context.fs_group))
    if groups:
        request["groups"] = groups
    if context.HasField("allow_privilege_escalation") and not context.allow_privilege_escalation:
        request["no_new_privileges"] = True
    if context.read_only_root_filesystem:
        request["read_only_filesystem"] = True
    if context.privileged:
        request["privileged"] = True
    return (
        request
        | _capabilities(context)
        | _selinux(pod.metadata.uid, confined=not (context.privileged or host_ipc))
    )


def _capabilities(context: container_pb2.SecurityContext) -> dict[str, list[str]]:
    added = [_capability(name) for name in context.capabilities.add]
    dropped = [_capability(name) for name in context.capabilities.drop]
    if not context.privileged and "ALL" not in (*added, *dropped):
        dropped += [name for name in _WITHHELD if name not in (*added, *dropped)]
    request: dict[str, list[str]] = {}
    if added:
        request["cap_add"] = added
    if dropped:
        request["cap_drop"] = dropped
    return request


def _capability(name: str) -> str:
    upper = name.upper()
    return upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}"


def _selinux(pod_uid: str, *, confined: bool) -> dict[str, Sequence[str]]:
    """Return an SELinux level that a pod's containers share, and hardly any other pod's have.

    Where there is no SELinux, the level has no effect.
    """
    if not confined:
        return {"selinux_opts": ["disable"]}
    number = int.from_bytes(hashlib.sha256(pod_uid.encode()).digest()[:8], "big")
    low, high = number % (_CATEGORIES - 1), number // _CATEGORIES % (_CATEGORIES - 1)
    low, high = min(low, high), max(low, high) + 1  # Two different categories, in order.
    return {"selinux_opts": [f"level:s0:c{low},c{high}"]}


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
    if context.run_as_non_root if own else pod_context.run_as_non_root:
        _refuse_root(user)
    if group:
        return f"{user or '0'}:{group}"
    if context.HasField("run_as_user") or pod_context.HasField("run_as_user"):
        return user
    return ""


def _refuse_root(user: str) -> None:
    """Raise an error for user 0, however it is written, and for a name: its number is unknown."""
    if user in ("", "root") or (_NUMBER.fullmatch(user) and int(user) == 0):
        raise ConfigurationError("container has runAsNonRoot and would run as root (user 0)")
    if not _NUMBER.fullmatch(user):
        raise ConfigurationError(
            f"container has runAsNonRoot and image has non-numeric user {shown(user)}, "
            "cannot verify that it is not root: set runAsUser"
        )
    if int(user) > _ID_MAX:
        raise ConfigurationError(
            f"container has runAsNonRoot and user {user}, which is above {_ID_MAX}"
        )
