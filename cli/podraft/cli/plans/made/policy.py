"""Quotas, priorities, disruption budgets and autoscalers of a few words.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podraft.cli.errors import usage
from podraft.cli.plans.made.words import count_or_percent, metadata, without_empty


def quota(name: str, hard: Mapping[str, str], scopes: Sequence[str]) -> dict[str, Any]:
    """Return a ResourceQuota."""
    spec = without_empty({"hard": dict(hard), "scopes": list(scopes)})
    made = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata(name), "spec": spec}
    return without_empty(made)


def priority_class(
    name: str, value: int, description: str, preemption: str | None, *, is_default: bool
) -> dict[str, Any]:
    """Return a PriorityClass."""
    made = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": metadata(name),
        "value": value,
    }
    extra = {
        "preemptionPolicy": preemption,
        "description": description,
        "globalDefault": is_default or None,
    }
    return {**made, **without_empty(extra)}


def disruption_budget(
    name: str, selector: Mapping[str, Any], min_available: str, max_unavailable: str
) -> dict[str, Any]:
    """Return a PodDisruptionBudget.

    Raises:
        CliError: Not exactly one of the bounds is given, or it is malformed.
    """
    if bool(min_available) == bool(max_unavailable):
        raise usage("say either --min-available or --max-unavailable")
    if min_available:
        bound = {"minAvailable": count_or_percent(min_available, "--min-available")}
    else:
        bound = {"maxUnavailable": count_or_percent(max_unavailable, "--max-unavailable")}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name),
        "spec": {"selector": dict(selector), **bound},
    }


def autoscaler(
    name: str, target: Mapping[str, str], bounds: tuple[int | None, int], cpu: str, memory: str
) -> dict[str, Any]:
    """Return a HorizontalPodAutoscaler; ``bounds`` are the fewest and the most pods."""
    fewest, most = bounds
    if most < 1 or (fewest is not None and not 1 <= fewest <= most):
        raise usage("expected 1 <= --min <= --max")
    metrics = [_metric(name_, text) for name_, text in (("cpu", cpu), ("memory", memory)) if text]
    spec = {"scaleTargetRef": dict(target), "maxReplicas": most, "minReplicas": fewest}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(name),
        "spec": without_empty({**spec, "metrics": metrics}),
    }


def _metric(name: str, text: str) -> dict[str, Any]:
    """Return the aim for one resource: ``80%`` of what is requested, or an amount per pod."""
    if text.endswith("%"):
        share = count_or_percent(text.removesuffix("%"), f"--{name}")
        aim: dict[str, Any] = {"type": "Utilization", "averageUtilization": share}
    else:
        aim = {"type": "AverageValue", "averageValue": text}
    return {"type": "Resource", "resource": {"name": name, "target": aim}}
