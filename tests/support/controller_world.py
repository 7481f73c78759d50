"""A small cluster in memory, with a clock of its own, for testing planners.

Owns: objects, the effect of plans' writes on them, and pods that start, fail and end as the test
says. Every commit is checked as the API would check it: a stale resourceVersion, an absent
object or a taken name fails it as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from google.protobuf.message import Message

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.codec.patching import patched
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import BUILT_IN, POD, AnyKind, Kind, KnownKinds
from podraft.api.meta.v1 import requests_pb2
from podraft.api.moments import Now
from podraft.api.objects import conditions, well_known
from podraft.api.objects.pods import READY, is_active, is_finished
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.controller import ControllerOptions, declared
from podraft.server.controllers.core.indexes import common
from podraft.server.controllers.core.plan import Plan
from podraft.server.controllers.every import controllers

ObjectT = TypeVar("ObjectT", bound=Message)
Key = tuple[str, str, str]
START = 1_700_000_000.0


class RefusedError(Exception):
    """The API would refuse the write; nothing of its commit took effect."""


class World:
    """Objects and a clock; also the planners' snapshot."""

    def __init__(self, known: KnownKinds = BUILT_IN) -> None:
        self.known = known
        self._indexes = declared(controllers(ControllerOptions(), known))
        self.now = START
        self.revision = 0
        self.objects: dict[Key, Any] = {}
        self.lease_changes: dict[str, float] = {}
        self._names = 0

    # ---- What planners see ----

    def get(self, kind: AnyKind, name: str, namespace: str = "") -> Any:
        # Any, not an optional object: a test that expects one fails on None.
        return self.objects.get((kind.resource, namespace, name))

    def list(self, kind: Kind[ObjectT]) -> Sequence[ObjectT]:
        return [obj for key, obj in self.objects.items() if key[0] == kind.resource]

    def by_index(self, kind: Kind[ObjectT], index: str, value: str) -> Sequence[ObjectT]:
        # As in the caches: an index that is neither common nor declared by a controller is an
        # error.
        values = {**common(kind, self.known), **self._indexes.get(kind, {})}[index]
        return [obj for obj in self.list(kind) if value in values(obj)]

    def changed_at(self, kind: AnyKind, name: str, namespace: str = "") -> float | None:
        return self.lease_changes.get(name)

    # ---- What tests do ----

    def create(self, obj: ObjectT) -> ObjectT:
        """Store a new object as the API would."""
        stored: Any = objects.copied(obj)
        metadata = stored.metadata
        self._names += 1
        if not metadata.name:
            metadata.name = f"{metadata.generate_name}{self._names:05d}"
        metadata.uid = f"uid-{self._names}"
        metadata.generation = 1
        metadata.creation_timestamp.seconds = int(self.now)
        if isinstance(stored, pod_pb2.Pod) and not stored.status.phase:
            stored.status.phase = "Pending"
        key = _key(BUILT_IN.of(stored), metadata.namespace, metadata.name)
        if key in self.objects:
            raise RefusedError(f"{key} exists")
        self._put(key, stored)
        return cast("ObjectT", stored)

    def change(self, obj: ObjectT, change: Callable[[Any], None]) -> ObjectT:
        """Change an object's newest version; a change of its spec makes a new generation."""
        kind = BUILT_IN.of(obj)
        metadata: Any = obj.metadata  # type: ignore[attr-defined]  # every kind has it
        key = _key(kind, metadata.namespace, metadata.name)
        changed = objects.copied(self.objects[key])
        change(changed)
        return cast("ObjectT", self._store(key, changed))

    def delete(self, obj: Any, grace_s: int | None = None) -> None:
        """Delete an object; a pod on a node is only marked, unless there is no grace period."""
        key = _key(BUILT_IN.of(obj), obj.metadata.namespace, obj.metadata.name)
        stored = self.objects[key]
        graceful = (
            isinstance(stored, pod_pb2.Pod)
            and stored.spec.node_name
            and grace_s != 0
            and not is_finished(stored)
        )
        if not graceful and not stored.metadata.finalizers:
            del self.objects[key]
            self.revision += 1
            return
        marked = objects.copied(stored)
        if not marked.metadata.HasField("deletion_timestamp"):
            marked.metadata.deletion_timestamp.seconds = int(self.now)
            marked.metadata.deletion_grace_period_seconds = 30
        if not graceful:
            marked.metadata.deletion_grace_period_seconds = 0
        if marked != stored:
            self._put(key, marked)

    def commit(self, plan: Plan) -> None:
        """Carry out a plan as a whole or not at all."""
        before, revision = dict(self.objects), self.revision
        try:
            for write in plan.writes:
                self._apply(write)
        except RefusedError:
            self.objects, self.revision = before, revision
            raise

    # ---- Writes ----

    def _apply(self, write: commit_pb2.Write) -> None:
        match write.WhichOneof("operation"):
            case "create":
                self.create(_unpacked(write.create.object))
            case "update":
                self._update(_unpacked(write.update.object), write.update.subresource)
            case "patch":
                self._patch(write.patch)
            case "delete":
                request = write.delete.request
                stored = self._checked(write.delete, request.options.preconditions)
                options = request.options
                if options.propagation_policy == requests_pb2.PROPAGATION_POLICY_FOREGROUND:
                    self.change(stored, _wait_for_dependents)
                has_grace = options.HasField("grace_period_seconds")
                self.delete(stored, options.grace_period_seconds if has_grace else None)
            case operation:
                raise AssertionError(operation)

    def _update(self, new: Any, subresource: str) -> None:
        key = _key(BUILT_IN.of(new), new.metadata.namespace, new.metadata.name)
        stored = self.objects.get(key)
        if stored is None:
            raise RefusedError(f"{key} is not there")
        if new.metadata.resource_version not in ("", stored.metadata.resource_version):
            raise RefusedError(f"{key} changed")
        result = objects.copied(stored)
        if subresource:
            result.status.CopyFrom(new.status)
        else:
            result.CopyFrom(new)
            if hasattr(stored, "status"):
                result.status.CopyFrom(stored.status)
        assert result != stored, f"a write of {key} that changes nothing"
        self._store(key, result)

    def _patch(self, write: commit_pb2.PatchWrite) -> None:
        stored = self._checked(write, write.request.preconditions)
        kind = BUILT_IN.of(stored)
        result = patched(stored, json.loads(write.request.merge_patch))
        assert result != stored, f"a patch of {kind.name} that changes nothing"
        self._store(_key(kind, stored.metadata.namespace, stored.metadata.name), result)

    def _checked(self, write: Any, preconditions: requests_pb2.Preconditions) -> Any:
        kind = BUILT_IN.by_manifest(write.api_version, write.kind)
        assert kind is not None
        key = _key(kind, write.request.namespace, write.request.name)
        stored = self.objects.get(key)
        if stored is None:
            raise RefusedError(f"{key} is not there")
        if preconditions.uid not in ("", stored.metadata.uid):
            raise RefusedError(f"{key} is another")
        if preconditions.resource_version not in ("", stored.metadata.resource_version):
            raise RefusedError(f"{key} changed")
        return stored

    def _store(self, key: Key, changed: Any) -> Any:
        stored = self.objects[key]
        if hasattr(changed, "spec") and changed.spec != stored.spec:
            changed.metadata.generation = stored.metadata.generation + 1
        finalizers = [*changed.metadata.finalizers, *_spec_finalizers(changed)]
        is_ending = changed.metadata.HasField("deletion_timestamp") and not finalizers
        metadata = changed.metadata
        has_time = isinstance(changed, pod_pb2.Pod) and metadata.deletion_grace_period_seconds
        if is_ending and not has_time:
            del self.objects[key]
            self.revision += 1
            return changed
        return self._put(key, changed)

    def _put(self, key: Key, obj: Any) -> Any:
        self.revision += 1
        obj.metadata.resource_version = str(self.revision)
        self.objects[key] = obj
        return obj

    # ---- Pods' lives ----

    def bind(self, pod: pod_pb2.Pod, node: str = "node") -> None:
        """Assign a pod to a node."""
        self.change(pod, lambda p: setattr(p.spec, "node_name", node))

    def set_ready(self, pod: pod_pb2.Pod, ready: bool) -> None:
        """Make a pod run, ready or not."""

        def change(p: pod_pb2.Pod) -> None:
            p.status.phase = "Running"
            p.status.pod_ip = p.status.pod_ip or f"10.0.0.{p.metadata.uid.removeprefix('uid-')}"
            status = conditions.TRUE if ready else conditions.FALSE
            now = objects.time_of(Now.at(self.now))
            conditions.set_condition(p.status.conditions, READY, status, now)

        self.change(pod, change)

    def finish(self, pod: pod_pb2.Pod, phase: str, exit_code: int = 0) -> None:
        """Let a pod's containers end, with the exit code of all."""

        def change(p: pod_pb2.Pod) -> None:
            p.status.phase = phase
            for container in p.spec.containers:
                status = p.status.container_statuses.add(name=container.name)
                status.state.terminated.exit_code = exit_code
                status.state.terminated.finished_at.seconds = int(self.now)

        self.change(pod, change)

    def pods(self) -> Sequence[pod_pb2.Pod]:
        """Return the pods that are not being deleted."""
        return [pod for pod in self.list(POD) if is_active(pod)]


def _wait_for_dependents(obj: Any) -> None:
    if well_known.FOREGROUND_FINALIZER not in obj.metadata.finalizers:
        obj.metadata.finalizers.append(well_known.FOREGROUND_FINALIZER)


def _spec_finalizers(obj: Any) -> Sequence[str]:
    return getattr(getattr(obj, "spec", None), "finalizers", ())


def _key(kind: AnyKind, namespace: str, name: str) -> Key:
    return kind.resource, namespace, name


def _unpacked(packed: Any) -> Any:
    kind = BUILT_IN.by_message_name(packed.type_url.rpartition("/")[2])
    assert kind is not None
    return kind.message.FromString(packed.value)
