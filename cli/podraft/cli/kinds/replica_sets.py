"""The view of a ReplicaSet."""

from __future__ import annotations

from podraft.api.apps.v1 import replica_set_pb2
from podraft.api.columns.column import selector_text
from podraft.api.objects.workloads import revision_of
from podraft.cli.kinds.view import Surroundings, View
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import block
from podraft.cli.output.sections.templates import template_lines


class ReplicaSetView(View[replica_set_pb2.ReplicaSet]):
    """The view of a replica set: what it keeps running."""

    def body(
        self, replica_set: replica_set_pb2.ReplicaSet, around: Surroundings, now_s: float
    ) -> list[str]:
        """Return the lines of a replica set without its events."""
        spec, status = replica_set.spec, replica_set.status
        pairs = common.metadata(replica_set.metadata, namespaced=True)
        revision = revision_of(replica_set)
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
