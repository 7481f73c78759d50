"""Old forms of ``apps`` and ``batch``: everything that makes pods.

Owns: their defaults as they were then. A selector that is left out, and labels that are, are
those of the template; extensions/v1beta1 kept all revisions, had no deadline, replaced one pod at
a time, and left the pods of DaemonSets to whoever deletes them.
"""

from __future__ import annotations

import copy
from typing import Final

from podraft.api.conversion.table import (
    NO_LIMIT,
    Manifest,
    Present,
    Table,
    default,
    made_in,
    mapping_in,
)
from podraft.api.violations import InvalidObjectError

_REVISIONS_KEPT_BY_BETA: Final = 2
_GENERATION: Final = "deprecated.daemonset.template.generation"


def _selected_by_template(manifest: Manifest) -> None:
    labels = mapping_in(manifest, "spec", "template", "metadata", "labels")
    spec = mapping_in(manifest, "spec")
    if spec is None or labels is None:
        return
    default(spec, "selector", {"matchLabels": copy.deepcopy(labels)})
    metadata = made_in(manifest, "metadata")
    if metadata is not None and not metadata.get("labels"):
        metadata["labels"] = copy.deepcopy(labels)


def _without_rollback(spec: Manifest) -> None:
    if spec.pop("rollbackTo", None):
        hint = "roll back with podraft rollout undo instead"
        raise InvalidObjectError.of("spec.rollbackTo", f"has no present form: {hint}")


def _rolling(spec: Manifest, share: int | str) -> None:
    strategy = made_in(spec, "strategy")
    if strategy is None:
        return
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] != "RollingUpdate":
        return
    rolling = made_in(strategy, "rollingUpdate")
    if rolling is not None:
        default(rolling, "maxUnavailable", share)
        default(rolling, "maxSurge", share)


def _deployment_of_extensions(manifest: Manifest) -> None:
    _selected_by_template(manifest)
    if (spec := mapping_in(manifest, "spec")) is not None:
        _without_rollback(spec)
        _rolling(spec, 1)
        default(spec, "revisionHistoryLimit", NO_LIMIT)
        default(spec, "progressDeadlineSeconds", NO_LIMIT)


def _deployment_of_beta1(manifest: Manifest) -> None:
    _selected_by_template(manifest)
    if (spec := mapping_in(manifest, "spec")) is not None:
        _without_rollback(spec)
        default(spec, "revisionHistoryLimit", _REVISIONS_KEPT_BY_BETA)


def _updated_when_deleted(manifest: Manifest) -> None:
    spec = mapping_in(manifest, "spec")
    strategy = made_in(spec, "updateStrategy") if spec is not None else None
    if strategy is not None and not strategy.get("type"):
        strategy["type"] = "OnDelete"


def _stateful_set_of_beta1(manifest: Manifest) -> None:
    _selected_by_template(manifest)
    _updated_when_deleted(manifest)


def _daemon_set(manifest: Manifest) -> None:
    """Keep the number of the template, which is an annotation now."""
    spec = mapping_in(manifest, "spec")
    generation = spec.pop("templateGeneration", None) if spec is not None else None
    metadata = made_in(manifest, "metadata")
    if generation is None or metadata is None:
        return
    annotations = made_in(metadata, "annotations")
    if annotations is not None:
        annotations[_GENERATION] = str(generation)


def _daemon_set_of_extensions(manifest: Manifest) -> None:
    _selected_by_template(manifest)
    _updated_when_deleted(manifest)
    _daemon_set(manifest)


_APPS: Final = "apps/v1"
_CRON_JOB: Final = Present("batch/v1", kind="CronJob")

TABLE: Final[Table] = {
    ("extensions/v1beta1", "Deployment"): Present(_APPS, _deployment_of_extensions),
    ("extensions/v1beta1", "DaemonSet"): Present(_APPS, _daemon_set_of_extensions),
    ("extensions/v1beta1", "ReplicaSet"): Present(_APPS, _selected_by_template),
    ("apps/v1beta1", "Deployment"): Present(_APPS, _deployment_of_beta1),
    ("apps/v1beta1", "StatefulSet"): Present(_APPS, _stateful_set_of_beta1),
    ("apps/v1beta1", "ControllerRevision"): Present(_APPS),
    ("apps/v1beta2", "Deployment"): Present(_APPS),
    ("apps/v1beta2", "DaemonSet"): Present(_APPS, _daemon_set),
    ("apps/v1beta2", "ReplicaSet"): Present(_APPS),
    ("apps/v1beta2", "StatefulSet"): Present(_APPS),
    ("apps/v1beta2", "ControllerRevision"): Present(_APPS),
    ("batch/v1beta1", "CronJob"): _CRON_JOB,
    ("batch/v2alpha1", "CronJob"): _CRON_JOB,
    ("batch/v2alpha1", "ScheduledJob"): _CRON_JOB,
}
