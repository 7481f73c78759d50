"""The triggers of the pod range controller."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Network
from typing import Any

from podraft.api.kinds import NODE, KnownKinds
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.plan import Snapshot
from podraft.server.controllers.planners.pod_ranges.plan import KEY, Options, plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[str]:
    """Return the controller."""
    own = Options(IPv4Network(options.pod_cidr), options.node_prefix)
    return Controller(
        "pod-ranges",
        partial(plan, options=own),
        {NODE: _nodes_without_range},
        workers=1,
        initial_keys=(KEY,),
    )


def _nodes_without_range(snapshot: Snapshot, old: Any, new: Any) -> Iterator[str]:
    if new is None or not new.spec.pod_cidr:
        yield KEY
