"""The view of a DaemonSet: its nodes, its rollout, and what its pods wait for."""

from __future__ import annotations

from podraft.api import kinds
from podraft.api.apps.v1 import daemon_set_pb2
from podraft.api.columns.column import pairs as mapping
from podraft.api.columns.column import selector_text
from podraft.api.objects import owners
from podraft.cli.kinds.pod_reasons import blocked_pods
from podraft.cli.kinds.view import (
    Explanation,
    Need,
    RunningView,
    Surroundings,
    bullets,
    latest_events,
)
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import block
from podraft.cli.output.sections.templates import template_lines
from podraft.cli.plans.rollouts import Progress

_PODS_SHOWN = 3


class DaemonSetView(RunningView[daemon_set_pb2.DaemonSet]):
    """The view of a daemon set."""

    tells_of_pods = True
    rolls_out = True

    def body(
        self, daemon_set: daemon_set_pb2.DaemonSet, around: Surroundings, now_s: float
    ) -> list[str]:
        """Return the lines of a daemon set without its events."""
        spec, status = daemon_set.spec, daemon_set.status
        pairs = common.metadata(daemon_set.metadata, namespaced=True)
        pairs += [
            ("Selector", selector_text(spec.selector)),
            ("Node-Selector", mapping(spec.template.spec.node_selector)),
            ("Desired Number of Nodes Scheduled", str(status.desired_number_scheduled)),
            ("Current Number of Nodes Scheduled", str(status.current_number_scheduled)),
            (
                "Number of Nodes Scheduled with Up-to-date Pods",
                str(status.updated_number_scheduled),
            ),
            ("Number of Nodes Scheduled with Available Pods", str(status.number_available)),
            ("Number of Nodes Misscheduled", str(status.number_misscheduled)),
        ]
        return block(pairs) + template_lines(spec.template)

    def why_needs(self, daemon_set: daemon_set_pb2.DaemonSet) -> frozenset[Need]:
        """Return what is needed to explain a daemon set."""
        return frozenset({Need.EVENTS, Need.SELECTED_PODS, Need.POD_RECORDS})

    def why(
        self, daemon_set: daemon_set_pb2.DaemonSet, around: Surroundings, now_s: float
    ) -> Explanation:
        """Return what a daemon set's rollout waits for."""
        state = self.progress(daemon_set, now_s)
        own = owners.key_of(kinds.DAEMON_SET, daemon_set)
        mine = [pod for pod in around.pods if own.controls(pod.metadata)]
        found = []
        if daemon_set.metadata.generation > daemon_set.status.observed_generation:
            found.append("its last change was not seen by the controllers yet: are they running?")
        for blocked in blocked_pods(mine, around.pod_records, now_s):
            shown = ", ".join(blocked.pods[:_PODS_SHOWN])
            found.append(f"{len(blocked.pods)} of {len(mine)} pods: {blocked.reason} ({shown})")
        lines = [f"  {state.message}", ""]
        lines += ["What it waits for:" if found else "It is as it should be.", *bullets(found)]
        word = "Available" if state.done else "Pending"
        return Explanation(lines + latest_events(around.events, now_s), word)

    def progress(self, daemon_set: daemon_set_pb2.DaemonSet, now_s: float) -> Progress:
        """Return how far a daemon set's rollout has come."""
        name, status = daemon_set.metadata.name, daemon_set.status
        if daemon_set.metadata.generation > status.observed_generation:
            return Progress("Waiting for daemon set spec update to be observed...")
        waiting = f'Waiting for daemon set "{name}" rollout to finish: '
        wanted = status.desired_number_scheduled
        is_rolled_out = daemon_set.spec.update_strategy.type != "OnDelete"
        if is_rolled_out and status.updated_number_scheduled < wanted:
            return Progress(
                f"{waiting}{status.updated_number_scheduled} out of {wanted} new pods "
                "have been updated..."
            )
        if status.number_available < wanted:
            return Progress(
                f"{waiting}{status.number_available} of {wanted} updated pods are available..."
            )
        return Progress(f'daemon set "{name}" successfully rolled out', done=True)
