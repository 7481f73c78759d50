"""Taints and tolerations, as Kubernetes matches them.

Owns: the names of a taint's effects, and which toleration matches which taint.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from podraft.api.core.v1 import pod_pb2

NO_SCHEDULE: Final = "NoSchedule"
PREFER_NO_SCHEDULE: Final = "PreferNoSchedule"
NO_EXECUTE: Final = "NoExecute"
EFFECTS: Final = (NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE)

EQUAL: Final = "Equal"
EXISTS: Final = "Exists"
OPERATORS: Final = (EQUAL, EXISTS)


class Taint(Protocol):
    """A taint, by the fields that identify it."""

    @property
    def key(self) -> str:
        """The taint's name."""

    @property
    def value(self) -> str:
        """The taint's value; often empty."""

    @property
    def effect(self) -> str:
        """The taint's effect on pods that do not tolerate it."""


def tolerates(toleration: pod_pb2.Toleration, taint: Taint) -> bool:
    """Return whether a toleration matches a taint; ``Exists`` without a key matches every taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    match toleration.operator:
        case "Exists":
            return not toleration.key or toleration.key == taint.key
        case "" | "Equal":
            return toleration.key == taint.key and toleration.value == taint.value
        case _:  # A newer version's operator: its meaning is unknown, so it tolerates nothing.
            return False


def is_tolerated(taint: Taint, tolerations: Iterable[pod_pb2.Toleration]) -> bool:
    """Return whether any of the tolerations matches the taint."""
    return any(tolerates(toleration, taint) for toleration in tolerations)
