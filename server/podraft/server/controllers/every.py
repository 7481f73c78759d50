"""All controllers: one line for each."""

from __future__ import annotations

from typing import Any

from podraft.api.kinds import KnownKinds
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.planners.cluster_roles import controller as cluster_roles
from podraft.server.controllers.planners.cron_jobs import controller as cron_jobs
from podraft.server.controllers.planners.daemon_sets import controller as daemon_sets
from podraft.server.controllers.planners.definitions import controller as definitions
from podraft.server.controllers.planners.deployments import controller as deployments
from podraft.server.controllers.planners.disruption_budgets import (
    controller as disruption_budgets,
)
from podraft.server.controllers.planners.endpoint_slices import controller as endpoint_slices
from podraft.server.controllers.planners.expired_events import controller as expired_events
from podraft.server.controllers.planners.finished_pods import controller as finished_pods
from podraft.server.controllers.planners.garbage import controller as garbage
from podraft.server.controllers.planners.jobs import controller as jobs
from podraft.server.controllers.planners.namespaces import controller as namespaces
from podraft.server.controllers.planners.nodes import controller as nodes
from podraft.server.controllers.planners.pod_ranges import controller as pod_ranges
from podraft.server.controllers.planners.replica_sets import controller as replica_sets
from podraft.server.controllers.planners.replication_controllers import (
    controller as replication_controllers,
)
from podraft.server.controllers.planners.stateful_sets import controller as stateful_sets

_ROOMS = (
    deployments,
    replica_sets,
    replication_controllers,
    daemon_sets,
    stateful_sets,
    endpoint_slices,
    namespaces,
    definitions,
    garbage,
    nodes,
    pod_ranges,
    finished_pods,
    expired_events,
    cluster_roles,
    jobs,
    cron_jobs,
    disruption_budgets,
)


def controllers(options: ControllerOptions, known: KnownKinds) -> tuple[Controller[Any], ...]:
    """Return all controllers, triggered by objects of the known kinds."""
    return tuple(room.controller(options, known) for room in _ROOMS)
