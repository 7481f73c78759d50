"""The first form of autoscalers, which knows the processor, stored as ``autoscaling/v2``.

Invariant: what the first form has no fields for stands in its annotations and comes back.
"""

from __future__ import annotations

from typing import Any, Final

from podraft.api import codec
from podraft.api.autoscaling.v1 import horizontal_pod_autoscaler_pb2 as v1
from podraft.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from podraft.api.conversion import autoscaling
from podraft.api.kinds import HORIZONTAL_POD_AUTOSCALER, Kind, Order
from podraft.api.views.view import View


def shown(autoscaler: v2.HorizontalPodAutoscaler) -> v1.HorizontalPodAutoscaler:
    """Return an autoscaler in its first form."""
    value: dict[str, Any] = codec.to_json(autoscaler)
    autoscaling.to_v1(value)
    return codec.parse(v1.HorizontalPodAutoscaler, _fields(value))


def stored(autoscaler: v1.HorizontalPodAutoscaler) -> v2.HorizontalPodAutoscaler:
    """Return an autoscaler in its present form, without its status.

    Raises:
        InvalidObjectError: An annotation does not hold what it should.
    """
    value: dict[str, Any] = codec.to_json(autoscaler)
    value.pop("status", None)
    autoscaling.of_v1(value)
    return codec.parse(v2.HorizontalPodAutoscaler, _fields(value))


def _fields(value: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name not in ("apiVersion", "kind")}


CPU_AUTOSCALER: Final = View(
    kind=Kind(
        message=v1.HorizontalPodAutoscaler,
        api_version="autoscaling/v1",
        resource="horizontalpodautoscalers",
        short_names=("hpa",),
        order=Order.WORKLOADS,
        verbs=("create", "get", "list", "watch", "update", "delete"),
    ),
    of=HORIZONTAL_POD_AUTOSCALER,
    shown=shown,
    stored=stored,
)
