"""The view of a StatefulSet: its numbers, its rollout, and what its pods wait for."""

from __future__ import annotations

from podraft.api import kinds
from podraft.api.apps.v1 import stateful_set_pb2
from podraft.api.columns.column import selector_text
from podraft.api.objects import owners
from podraft.api.objects.workloads import replicas
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
from podraft.cli.output.sections.layout import NONE, block
from podraft.cli.output.sections.templates import template_lines
from podraft.cli.plans.rollouts import Progress

_PODS_SHOWN = 3


class StatefulSetView(RunningView[stateful_set_pb2.StatefulSet]):
    """The view of a stateful set."""

    tells_of_pods = True
    rolls_out = True

    def body(
        self, stateful_set: stateful_set_pb2.StatefulSet, around: Surroundings, now_s: float
    ) -> list[str]:
        """Return the lines of a stateful set without its events."""
        spec, status = stateful_set.spec, stateful_set.status
        pairs = common.metadata(stateful_set.metadata, namespaced=True)
        pairs += [
            ("Selector", selector_text(spec.selector)),
            (
                "Replicas",
                f"{replicas(spec)} desired, {status.replicas} current, "
                f"{status.ready_replicas} ready, {status.available_replicas} available, "
                f"{status.updated_replicas} updated",
            ),
            ("First Number", str(spec.ordinals.start)),
            ("Pod Management Policy", spec.pod_management_policy or NONE),
            ("Update Strategy", spec.update_strategy.type or NONE),
        ]
        rolling = spec.update_strategy.rolling_update
        if rolling.partition:
            pairs.append(("Partition", str(rolling.partition)))
        pairs += [
            ("Current Revision", status.current_revision or NONE),
            ("Update Revision", status.update_revision or NONE),
        ]
        return block(pairs) + template_lines(spec.template)

    def why_needs(self, stateful_set: stateful_set_pb2.StatefulSet) -> frozenset[Need]:
        """Return what is needed to explain a stateful set."""
        return frozenset({Need.EVENTS, Need.SELECTED_PODS, Need.POD_RECORDS})

    def why(
        self, stateful_set: stateful_set_pb2.StatefulSet, around: Surroundings, now_s: float
    ) -> Explanation:
        """Return what a stateful set's pods and rollout wait for."""
        state = self.progress(stateful_set, now_s)
        own = owners.key_of(kinds.STATEFUL_SET, stateful_set)
        mine = [pod for pod in around.pods if own.controls(pod.metadata)]
        found = []
        if stateful_set.metadata.generation > stateful_set.status.observed_generation:
            found.append("its last change was not seen by the controllers yet: are they running?")
        for blocked in blocked_pods(mine, around.pod_records, now_s):
            shown = ", ".join(blocked.pods[:_PODS_SHOWN])
            found.append(f"{len(blocked.pods)} of {len(mine)} pods: {blocked.reason} ({shown})")
        lines = [f"  {state.message}", ""]
        lines += ["What it waits for:" if found else "It is as it should be.", *bullets(found)]
        word = "Available" if state.done else "Pending"
        return Explanation(lines + latest_events(around.events, now_s), word)

    def progress(self, stateful_set: stateful_set_pb2.StatefulSet, now_s: float) -> Progress:
        """Return how far a stateful set's rollout has come."""
        spec, status = stateful_set.spec, stateful_set.status
        if stateful_set.metadata.generation > status.observed_generation:
            return Progress("Waiting for statefulset spec update to be observed...")
        waiting = f'Waiting for statefulset "{stateful_set.metadata.name}" rollout to finish: '
        wanted = replicas(spec)
        if status.available_replicas < wanted:
            left = wanted - status.available_replicas
            return Progress(f"{waiting}{left} of {wanted} pods are not available...")
        if status.replicas > wanted:
            return Progress(f"{waiting}{status.replicas - wanted} pods are pending termination...")
        kept = min(spec.update_strategy.rolling_update.partition, wanted)
        is_rolled_out = spec.update_strategy.type != "OnDelete"
        if is_rolled_out and status.updated_replicas < wanted - kept:
            return Progress(
                f"{waiting}{status.updated_replicas} out of {wanted - kept} new pods "
                "have been updated..."
            )
        done = f'statefulset "{stateful_set.metadata.name}" successfully rolled out'
        if kept and status.update_revision != status.current_revision:
            done = f"{done}: {kept} pods keep the former template by its partition"
        return Progress(done, done=True)
