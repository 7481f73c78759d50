"""One pass over a StatefulSet: its revisions, its numbers, its rollout, its status.

Owns: the order of these steps and the writes that they become.

Invariant: numbers below the partition get pods of the revision from before the rollout, as long
as that exists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from podraft.api import times
from podraft.api.apps.v1 import stateful_set_pb2
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import CONTROLLER_REVISION, POD, STATEFUL_SET
from podraft.api.moments import Now
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished
from podraft.api.objects.workloads import DEFAULT_HISTORY_LIMIT, replicas
from podraft.client.calls import writes
from podraft.server.controllers.core import objects, revisions
from podraft.server.controllers.core.claiming import claim, deletion, is_namespace_ending
from podraft.server.controllers.core.plan import Absent, Happening, ObjectKey, Plan, Snapshot
from podraft.server.controllers.planners.stateful_sets import identity, ordering
from podraft.server.controllers.planners.stateful_sets.ordering import Slot, Step

# How many pods are made or ended in one plan; more follow in the next.
BURST_MAX = 200
_AGAIN_S = 0.05
# A pod that ended by itself is replaced when it is so old, lest it end again and again.
_LIFE_MIN_S = 10.0
# How often a name is tried that somebody else's pod has.
_TAKEN_S = 10.0
# The names of revisions are also values of labels.
_REVISION_NAME_MAX = 63


@dataclass(slots=True)
class _Pass:
    """The decisions of one pass so far."""

    snapshot: Snapshot
    stateful_set: stateful_set_pb2.StatefulSet
    now: Now
    update: revisions.Revised
    current: str
    templates: dict[str, pod_pb2.PodTemplateSpec]
    slots: list[Slot] = field(default_factory=list)
    unwanted: list[pod_pb2.Pod] = field(default_factory=list)
    step: Step = field(default_factory=Step)
    taken: list[str] = field(default_factory=list)
    again_s: list[float] = field(default_factory=list)
    absent: tuple[Absent, ...] = ()


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of one StatefulSet."""
    stateful_set = snapshot.get(STATEFUL_SET, key.name, key.namespace)
    if stateful_set is None or is_deleting(stateful_set.metadata):
        return Plan()
    claims = claim(
        snapshot,
        STATEFUL_SET,
        stateful_set,
        objects.selector_of(stateful_set.spec.selector),
        is_member=lambda pod: identity.number_of(stateful_set, pod) is not None,
    )
    if claims.writes:
        # Ownership comes first: a claimed pod changes the numbers.
        return Plan(tuple(claims.writes[:BURST_MAX]), requeue_after_s=_AGAIN_S)
    work = _begun(snapshot, stateful_set, now)
    _look(work, claims.pods)
    if not is_namespace_ending(snapshot, key.namespace):
        _decide(work)
    planned = [] if work.update.write is None else [work.update.write]
    planned += _labelled(work)
    planned += [deletion(pod) for pod in work.step.ended]
    planned += [_creation(work, slot) for slot in work.step.made]
    planned += _forgotten(work, claims.pods)
    status = _status(work, claims.pods)
    if status != stateful_set.status:
        changed = objects.copied(stateful_set)
        changed.status.CopyFrom(status)
        planned.append(writes.update_status(changed))
    again_s = min(work.again_s, default=None)
    return Plan(tuple(planned), tuple(_events(work)), again_s, work.absent)


def _begun(snapshot: Snapshot, stateful_set: stateful_set_pb2.StatefulSet, now: Now) -> _Pass:
    """Return a pass that knows the revisions: the present one, and that before the rollout."""
    status = stateful_set.status
    update = revisions.revised(
        snapshot,
        STATEFUL_SET,
        stateful_set,
        status.collision_count,
        name_max=_REVISION_NAME_MAX,
    )
    work = _Pass(snapshot, stateful_set, now, update, update.name, {})
    work.templates[update.name] = stateful_set.spec.template
    former = status.current_revision
    if not former or former == update.name:
        return work
    for one in revisions.owned(snapshot, STATEFUL_SET, stateful_set):
        template = revisions.template_of(one) if one.metadata.name == former else None
        if template is not None:
            work.current, work.templates[former] = former, template
    found = snapshot.get(CONTROLLER_REVISION, former, stateful_set.metadata.namespace)
    if found is None:
        # Whoever does not see it may only be late.
        work.absent = (Absent(CONTROLLER_REVISION, stateful_set.metadata.namespace, former),)
    return work


def _look(work: _Pass, pods: list[pod_pb2.Pod]) -> None:
    """Sort the pods by their numbers: those that should be there, and the others.

    Of the numbers without a pod only the lowest are looked at.
    """
    spec = work.stateful_set.spec
    start, total = spec.ordinals.start, replicas(spec)
    by_number = {identity.number_of(work.stateful_set, pod) or 0: pod for pod in pods}
    wanted = {number for number in by_number if start <= number < start + total}
    missing = (number for number in range(start, start + total) if number not in by_number)
    for number in sorted({*wanted, *islice(missing, BURST_MAX)}):
        work.slots.append(_slot(work, number, by_number.get(number)))
    work.unwanted = [by_number[number] for number in sorted(by_number.keys() - wanted)]


def _slot(work: _Pass, number: int, pod: pod_pb2.Pod | None) -> Slot:
    spec = work.stateful_set.spec
    keeps = number < spec.ordinals.start + ordering.partition(spec.update_strategy)
    slot = Slot(number, work.current if keeps else work.update.name, pod)
    if pod is None or is_deleting(pod.metadata) or is_finished(pod):
        return slot
    wait_s = objects.available_in_s(pod, spec.min_ready_seconds, work.now)
    if wait_s:
        work.again_s.append(wait_s)
    slot.is_ready, slot.is_available = wait_s is not None, wait_s == 0
    return slot


def _decide(work: _Pass) -> None:
    step = ordering.step(work.stateful_set, work.slots, work.unwanted)
    for slot in work.slots:
        if slot.pod is not None and is_finished(slot.pod) and not is_deleting(slot.pod.metadata):
            _end_finished(work, step, slot.pod)
    free = []
    for slot in step.made[:BURST_MAX]:
        name = identity.name_of(work.stateful_set, slot.number)
        if work.snapshot.get(POD, name, work.stateful_set.metadata.namespace) is None:
            free.append(slot)
        else:
            work.taken.append(name)
            work.again_s.append(_TAKEN_S)
    work.step = Step(step.ended[:BURST_MAX], free)


def _end_finished(work: _Pass, step: Step, pod: pod_pb2.Pod) -> None:
    left_s = _LIFE_MIN_S - work.now.age_s(times.seconds_of(pod.metadata.creation_timestamp))
    if left_s > 0:
        work.again_s.append(left_s)
    else:
        step.ended.append(pod)


def _labelled(work: _Pass) -> list[commit_pb2.Write]:
    """Return the writes that give pods that were taken over the labels of their numbers."""
    planned = []
    ended = {pod.metadata.uid for pod in work.step.ended}
    for slot in work.slots:
        pod = slot.pod
        if pod is None or is_deleting(pod.metadata) or pod.metadata.uid in ended:
            continue
        wanted = identity.labels_of(work.stateful_set, slot.number)
        if any(pod.metadata.labels.get(key) != value for key, value in wanted.items()):
            metadata = pod.metadata
            body = {"metadata": {"labels": wanted}}
            planned.append(
                writes.patch(POD, metadata.name, body, metadata.namespace, uid=metadata.uid)
            )
    return planned[:BURST_MAX]


def _creation(work: _Pass, slot: Slot) -> commit_pb2.Write:
    template = work.templates[slot.revision]
    return writes.create(identity.made(work.stateful_set, slot.number, template, slot.revision))


def _forgotten(work: _Pass, pods: list[pod_pb2.Pod]) -> list[commit_pb2.Write]:
    spec = work.stateful_set.spec
    limit = DEFAULT_HISTORY_LIMIT
    if spec.HasField("revision_history_limit"):
        limit = spec.revision_history_limit
    known = revisions.owned(work.snapshot, STATEFUL_SET, work.stateful_set)
    named = {work.current, *map(identity.revision_of, pods)}
    in_use = {revisions.hash_of(one) for one in known if one.metadata.name in named}
    return revisions.forgotten(known, limit, work.update.hash, in_use)


def _status(work: _Pass, pods: list[pod_pb2.Pod]) -> stateful_set_pb2.StatefulSetStatus:
    status = stateful_set_pb2.StatefulSetStatus()
    status.CopyFrom(work.stateful_set.status)
    update, current = work.update.name, work.current
    done = sum(slot.is_ready and _is_of(slot, update) for slot in work.slots)
    if done == replicas(work.stateful_set.spec):
        # No rollout is under way: what it was before does not matter any more.
        current = update
    live = [pod for pod in pods if not is_deleting(pod.metadata) and not is_finished(pod)]
    waits = [
        objects.available_in_s(pod, work.stateful_set.spec.min_ready_seconds, work.now)
        for pod in live
    ]
    status.replicas = len(pods)
    status.ready_replicas = sum(wait_s is not None for wait_s in waits)
    status.available_replicas = sum(wait_s == 0 for wait_s in waits)
    status.current_replicas = sum(identity.revision_of(pod) == current for pod in live)
    status.updated_replicas = sum(identity.revision_of(pod) == update for pod in live)
    status.current_revision, status.update_revision = current, update
    status.observed_generation = work.stateful_set.metadata.generation
    if work.update.collisions:
        status.collision_count = work.update.collisions
    return status


def _is_of(slot: Slot, revision: str) -> bool:
    return slot.pod is not None and identity.revision_of(slot.pod) == revision


def _events(work: _Pass) -> list[Happening]:
    stateful_set, found = work.stateful_set, []
    made = [identity.name_of(stateful_set, slot.number) for slot in work.step.made]
    ended = [pod.metadata.name for pod in work.step.ended]
    for reason, did, names in (
        ("SuccessfulCreate", "Created", made),
        ("SuccessfulDelete", "Deleted", ended),
    ):
        if names:
            what = f"pod {names[0]}" if len(names) == 1 else f"{len(names)} pods"
            found.append(Happening(stateful_set, "Normal", reason, f"{did} {what}"))
    for name in work.taken[:1]:
        note = f"pod {name} exists, and belongs to somebody else: it is in the way"
        found.append(Happening(stateful_set, "Warning", "FailedCreate", note))
    return found
