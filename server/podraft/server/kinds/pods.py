"""Pods and pod templates: defaults, rules, and the few fields that may change.

Owns: everything of a pod's spec above its containers and volumes, and the
status that it starts with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from podraft.api import names
from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.api.objects.qos import qos_class
from podraft.api.violations import InvalidObjectError, shown
from podraft.server.kinds.containers import (
    MAX_ID,
    check_container,
    default_container,
    derive_container,
)
from podraft.server.kinds.deletion import DEFAULT_GRACE_S, MAX_GRACE_S
from podraft.server.kinds.metadata import check_template_metadata
from podraft.server.kinds.report import Report, check_labels
from podraft.server.kinds.volumes import check_volumes, default_volume

DEFAULT_SCHEDULER = "default-scheduler"
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
MAX_CONTAINERS = 64
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
# Replicas have equal specs, whose defaults and faults follow from nothing but their bytes: so much
# is remembered, of specs that are no longer than usual.
_REMEMBERED: Final = 256
_REMEMBERED_BYTES: Final = 4096


def default_spec(spec: pod_pb2.PodSpec) -> None:
    """Fill in what the spec of a pod or template does not say."""
    if not spec.restart_policy:
        spec.restart_policy = "Always"
    if not spec.HasField("termination_grace_period_seconds"):
        spec.termination_grace_period_seconds = DEFAULT_GRACE_S
    if not spec.scheduler_name:
        spec.scheduler_name = DEFAULT_SCHEDULER
    if not spec.HasField("enable_service_links"):
        spec.enable_service_links = True
    if not spec.HasField("security_context"):
        spec.security_context.SetInParent()
    for volume in spec.volumes:
        default_volume(volume)
    for container in spec.containers:
        default_container(container)
    for container in spec.init_containers:
        default_container(container)


def default_pod(pod: pod_pb2.Pod) -> None:
    """Fill in what a pod does not say."""
    encoded = pod.spec.SerializeToString()
    if len(encoded) <= _REMEMBERED_BYTES:
        pod.spec.CopyFrom(_whole(encoded))
    else:
        default_spec(pod.spec)
        derive_spec(pod.spec)


@lru_cache(maxsize=_REMEMBERED)
def _whole(encoded: bytes) -> pod_pb2.PodSpec:
    """Return the whole spec of a pod; it is everybody's, not to be changed."""
    spec = pod_pb2.PodSpec.FromString(encoded)
    default_spec(spec)
    derive_spec(spec)
    return spec


def derive_spec(spec: pod_pb2.PodSpec) -> None:
    """Fill in what follows from other fields of a pod's spec.

    Not in templates: there it would stay when the field that it follows from changes, and
    contradict it.  A pod's own fields hardly change.
    """
    for container in spec.containers:
        derive_container(container)
    for container in spec.init_containers:
        derive_container(container)


def begin(pod: pod_pb2.Pod) -> None:
    """Give a new, valid pod the status that it starts with.

    It gets no tolerations: a pod stays on a lost node only as long as it says.
    """
    pod.status.phase = "Pending"
    encoded = pod.spec.SerializeToString()
    short = len(encoded) <= _REMEMBERED_BYTES
    pod.status.qos_class = _qos_class(encoded) if short else qos_class(pod.spec)


@lru_cache(maxsize=_REMEMBERED)
def _qos_class(encoded: bytes) -> str:
    return qos_class(pod_pb2.PodSpec.FromString(encoded))


def check_pod(pod: pod_pb2.Pod, report: Report) -> None:
    """Check a pod."""
    check_spec(pod.spec, "spec", report)


def check_template(template: pod_pb2.PodTemplateSpec, field: str, report: Report) -> None:
    """Check the template of pods that a controller keeps running."""
    check_template_metadata(template.metadata, f"{field}.metadata", report)
    spec = template.spec
    check_spec(spec, f"{field}.spec", report)
    if spec.restart_policy in ("OnFailure", "Never"):
        report.add(
            f"{field}.spec.restartPolicy", f'must be "Always" here, is {shown(spec.restart_policy)}'
        )
    if spec.HasField("active_deadline_seconds"):
        report.add(f"{field}.spec.activeDeadlineSeconds", "must not be set: these pods have no end")


def check_spec(spec: pod_pb2.PodSpec, field: str, report: Report) -> None:
    """Check the spec of a pod or template."""
    encoded = spec.SerializeToString()
    if len(encoded) > _REMEMBERED_BYTES or not _is_right(encoded):
        _check_spec(spec, field, report)


@lru_cache(maxsize=_REMEMBERED)
def _is_right(encoded: bytes) -> bool:
    report = Report()
    with contextlib.suppress(InvalidObjectError):  # So many faults that the check was ended.
        _check_spec(pod_pb2.PodSpec.FromString(encoded), "spec", report)
    return not report.violations


def _check_spec(spec: pod_pb2.PodSpec, field: str, report: Report) -> None:
    volumes = check_volumes(spec.volumes, f"{field}.volumes", report)
    if not spec.containers:
        report.add(f"{field}.containers", "must have at least one container")
    count = len(spec.containers) + len(spec.init_containers)
    if count > MAX_CONTAINERS:
        report.add(f"{field}.containers", f"must be at most {MAX_CONTAINERS} in sum, are {count}")
        return
    taken: set[str] = set()
    grace_s = spec.termination_grace_period_seconds
    for name, containers, initial in (
        ("initContainers", spec.init_containers, True),
        ("containers", spec.containers, False),
    ):
        for index, container in enumerate(containers):
            path = f"{field}.{name}[{index}]"
            check_container(container, path, taken, volumes, grace_s, report, initial=initial)
    report.one_of(f"{field}.restartPolicy", spec.restart_policy, _RESTART_POLICIES)
    report.between(f"{field}.terminationGracePeriodSeconds", grace_s, 0, MAX_GRACE_S)
    if spec.HasField("active_deadline_seconds"):
        report.between(f"{field}.activeDeadlineSeconds", spec.active_deadline_seconds, 1, 2**31 - 1)
    _check_placement(spec, field, report)
    if spec.tolerations:
        _check_tolerations(spec.tolerations, f"{field}.tolerations", report)
    _check_security(spec.security_context, f"{field}.securityContext", report)


def _check_placement(spec: pod_pb2.PodSpec, field: str, report: Report) -> None:
    if spec.node_selector:
        check_labels(spec.node_selector, f"{field}.nodeSelector", report)
    for name, value, problem in (
        ("nodeName", spec.node_name, names.dns_subdomain),
        ("hostname", spec.hostname, names.dns_label),
        ("schedulerName", spec.scheduler_name, names.dns_subdomain),
    ):
        if value and (found := problem(value)) is not None:
            report.add(f"{field}.{name}", f"{shown(value)} {found}")


def _check_tolerations(
    tolerations: Iterable[pod_pb2.Toleration], field: str, report: Report
) -> None:
    for index, toleration in enumerate(tolerations):
        path = f"{field}[{index}]"
        key, value = toleration.key, toleration.value
        report.one_of(f"{path}.operator", toleration.operator, ("", "Equal", "Exists"))
        if key and (problem := names.qualified(key)) is not None:
            report.add(f"{path}.key", f"{shown(key)} {problem}")
        if not key and toleration.operator != "Exists":
            report.add(f"{path}.operator", 'must be "Exists" when key is empty')
        if toleration.operator == "Exists" and value:
            report.add(f"{path}.value", 'must be empty when operator is "Exists"')
        elif (problem := names.label_value(value)) is not None:
            report.add(f"{path}.value", f"{shown(value)} {problem}")
        report.one_of(f"{path}.effect", toleration.effect, ("", *TAINT_EFFECTS))
        if toleration.HasField("toleration_seconds") and toleration.effect != "NoExecute":
            report.add(f"{path}.effect", 'must be "NoExecute" when tolerationSeconds is set')


def _check_security(context: pod_pb2.PodSecurityContext, field: str, report: Report) -> None:
    report.between(f"{field}.runAsUser", context.run_as_user, 0, MAX_ID)
    report.between(f"{field}.runAsGroup", context.run_as_group, 0, MAX_ID)
    report.between(f"{field}.fsGroup", context.fs_group, 0, MAX_ID)
    for index, group in enumerate(context.supplemental_groups):
        report.between(f"{field}.supplementalGroups[{index}]", group, 0, MAX_ID)


# ---- Changes --------------------------------------------------------------------------------


def keep(stored: pod_pb2.Pod, pod: pod_pb2.Pod) -> None:
    """Restore what the server added at creation and a manifest applied again does not say."""
    if not pod.spec.node_name and stored.spec.node_name:
        pod.spec.node_name = stored.spec.node_name
    _keep_policies(stored.spec.containers, pod.spec.containers)
    _keep_policies(stored.spec.init_containers, pod.spec.init_containers)


def _keep_policies(
    stored: Iterable[container_pb2.Container], proposed: Iterable[container_pb2.Container]
) -> None:
    """Keep the pull policies that followed from the images that the pod was made with."""
    known = {container.name: container.image_pull_policy for container in stored}
    for container in proposed:
        if not container.image_pull_policy and known.get(container.name):
            container.image_pull_policy = known[container.name]


def check_change(stored: pod_pb2.Pod, pod: pod_pb2.Pod, report: Report) -> None:
    """Check that only what may change of a pod has changed."""
    if stored.spec == pod.spec:
        return
    for name in ("containers", "init_containers"):
        json_name = "initContainers" if name == "init_containers" else name
        old, new = getattr(stored.spec, name), getattr(pod.spec, name)
        if len(old) != len(new):
            report.add(
                f"spec.{json_name}",
                f"cannot be added or removed: the pod has {len(old)}, the update {len(new)}",
            )
        else:
            _check_containers_change(old, new, f"spec.{json_name}", report)
    _check_deadline_change(stored.spec, pod.spec, report)
    kept = list(pod.spec.tolerations)
    if any(toleration not in kept for toleration in stored.spec.tolerations):
        report.add("spec.tolerations", "can only be added, not changed or removed")
    _check_rest(stored.spec, pod.spec, report)


def _check_containers_change(
    old: Iterable[container_pb2.Container],
    new: Iterable[container_pb2.Container],
    field: str,
    report: Report,
) -> None:
    for index, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        same_image = container_pb2.Container()
        same_image.CopyFrom(after)
        same_image.image = before.image
        for name in _differences(before, same_image):
            report.add(f"{field}[{index}].{name}", _IMMUTABLE)


_IMMUTABLE = (
    "cannot be changed: of a pod only the images of containers, "
    "tolerations (by adding) and activeDeadlineSeconds can"
)
_CHECKED_APART = frozenset(("containers", "initContainers", "tolerations", "activeDeadlineSeconds"))


def _check_deadline_change(old: pod_pb2.PodSpec, new: pod_pb2.PodSpec, report: Report) -> None:
    if not old.HasField("active_deadline_seconds"):
        return
    before, field = old.active_deadline_seconds, "spec.activeDeadlineSeconds"
    if not new.HasField("active_deadline_seconds"):
        report.add(field, f"cannot be removed: it is {before}")
    elif new.active_deadline_seconds > before:
        report.add(field, f"can only be shortened: it is {before}")


def _check_rest(old: pod_pb2.PodSpec, new: pod_pb2.PodSpec, report: Report) -> None:
    for name in _differences(old, new):
        if name not in _CHECKED_APART:
            report.add(f"spec.{name}", _IMMUTABLE)


def _differences(
    old: pod_pb2.PodSpec | container_pb2.Container, new: pod_pb2.PodSpec | container_pb2.Container
) -> list[str]:
    """Return the JSON names of the fields that differ."""
    before = {field.json_name: value for field, value in old.ListFields()}
    after = {field.json_name: value for field, value in new.ListFields()}
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
