"""Taints and tolerations, as Kubernetes matches them.

Owns: what a taint's effects are called, and which toleration means which taint.
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
    """What identifies a taint."""

    @property
    def key(self) -> str:
        """Its name."""

    @property
    def value(self) -> str:
        """Its value; often empty."""

    @property
    def effect(self) -> str:
        """What it does to pods that do not tolerate it."""


def tolerates(toleration: pod_pb2.Toleration, taint: Taint) -> bool:
    """Say whether a toleration means a taint; one without a key and with ``Exists`` means all."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    match toleration.operator:
        case "Exists":
            return not toleration.key or toleration.key == taint.key
        case "" | "Equal":
            return toleration.key == taint.key and toleration.value == taint.value
        case _:  # A newer version's; what it means is not known, so it lets nothing through.
            return False


def is_tolerated(taint: Taint, tolerations: Iterable[pod_pb2.Toleration]) -> bool:
    """Say whether any of the tolerations means the taint."""
    return any(tolerates(toleration, taint) for toleration in tolerations)
