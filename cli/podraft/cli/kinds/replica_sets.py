"""The view of a ReplicaSet, and of a ReplicationController, which is one in an older form."""

from __future__ import annotations

from typing import TypeAlias

from podraft.api.apps.v1 import replica_set_pb2
from podraft.api.columns.column import selector_text
from podraft.api.core.v1.replication_controller_pb2 import ReplicationController
from podraft.api.objects.well_known import REVISION
from podraft.api.objects.workloads import number
from podraft.cli.kinds.view import Surroundings, View
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import block
from podraft.cli.output.sections.templates import template_lines

_Replicated: TypeAlias = replica_set_pb2.ReplicaSet | ReplicationController


class ReplicaSetView(View[_Replicated]):
    """The view of what keeps a number of alike pods running."""

    def body(self, replica_set: _Replicated, around: Surroundings, now_s: float) -> list[str]:
        """Return the lines of a replica set without its events."""
        spec, status = replica_set.spec, replica_set.status
        pairs = common.metadata(replica_set.metadata, namespaced=True)
        revision = number(replica_set.metadata.annotations, REVISION)
        if revision:
            pairs.append(("Revision", str(revision)))
        pairs += [
            ("Selector", selector_text(spec.selector)),
            (
                "Replicas",
                f"{status.replicas} current / {spec.replicas} desired, "
                f"{status.ready_replicas} ready, {status.available_replicas} available",
            ),
        ]
        lines = block(pairs) + template_lines(spec.template)
        return lines + block([("Conditions", common.conditions(status.conditions))])
