"""How objects are described to people: one view per kind, all of them pure.

Owns: which view a kind has.  Invariant: every kind has a view; a kind without one of its
own has the base view.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from podraft.api import kinds
from podraft.cli.kinds.configuration import ConfigMapView, SecretView
from podraft.cli.kinds.cron_jobs import CronJobView
from podraft.cli.kinds.daemon_sets import DaemonSetView
from podraft.cli.kinds.deployments import DeploymentView
from podraft.cli.kinds.jobs import JobView
from podraft.cli.kinds.namespaces import NamespaceView
from podraft.cli.kinds.nodes import NodeView
from podraft.cli.kinds.pods import PodView
from podraft.cli.kinds.records import EndpointSliceView, EventView, LeaseView
from podraft.cli.kinds.replica_sets import ReplicaSetView
from podraft.cli.kinds.services import ServiceView
from podraft.cli.kinds.stateful_sets import StatefulSetView
from podraft.cli.kinds.view import RunningView, View

_GENERIC: Final[View[Any]] = View()
_VIEWS: Final[Mapping[kinds.AnyKind, View[Any]]] = {
    kinds.NAMESPACE: NamespaceView(),
    kinds.NODE: NodeView(),
    kinds.POD: PodView(),
    kinds.SERVICE: ServiceView(),
    kinds.CONFIG_MAP: ConfigMapView(),
    kinds.SECRET: SecretView(),
    kinds.REPLICA_SET: ReplicaSetView(),
    kinds.REPLICATION_CONTROLLER: ReplicaSetView(),
    kinds.DEPLOYMENT: DeploymentView(),
    kinds.DAEMON_SET: DaemonSetView(),
    kinds.STATEFUL_SET: StatefulSetView(),
    kinds.JOB: JobView(),
    kinds.CRON_JOB: CronJobView(),
    kinds.ENDPOINT_SLICE: EndpointSliceView(),
    kinds.LEASE: LeaseView(),
    kinds.EVENT: EventView(),
}


def view_of(kind: kinds.AnyKind) -> View[Any]:
    """Return the view of a kind."""
    return _VIEWS.get(kind, _GENERIC)


def running_view_of(kind: kinds.AnyKind) -> RunningView[Any] | None:
    """Return the view of a kind whose objects run something; None for the others."""
    view = view_of(kind)
    return view if isinstance(view, RunningView) else None


def rolling_kinds() -> tuple[kinds.AnyKind, ...]:
    """Return the kinds whose objects roll out changes of their template, sorted by name."""
    found = (
        kind for kind, view in _VIEWS.items() if isinstance(view, RunningView) and view.rolls_out
    )
    return tuple(sorted(found, key=lambda kind: kind.name))
