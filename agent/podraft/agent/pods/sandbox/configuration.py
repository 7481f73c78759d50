"""The ConfigMaps and Secrets that the pods of this node name, watched one by one.

Invariant: an object is watched exactly while a pod here names it: the node reads
nothing that it does not need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.volumes.core.payload import Configuration
from podraft.api.core.v1 import config_pb2, pod_pb2
from podraft.api.objects.references import Reference, references
from podraft.client.calls.client import Client
from podraft.client.watching.informer import Informer

_LOOK_UP_WITHIN_S = 10.0

_Named = tuple[str, Reference]


class ConfigurationCache:
    """The objects that pods refer to; reports a pod's uid when one of its objects changes."""

    def __init__(self, client: Client, changed: Callable[[str], None]) -> None:
        self._client = client
        self._changed = changed
        self._users: dict[_Named, set[str]] = {}
        self._of_pod: dict[str, frozenset[_Named]] = {}
        self._informers: dict[_Named, Informer[Any]] = {}
        self._tasks: dict[_Named, asyncio.Task[None]] = {}

    def follow(self, pod: pod_pb2.Pod) -> None:
        """Watch the objects that a pod names; do nothing if they are watched already."""
        namespace = pod.metadata.namespace
        wanted = frozenset((namespace, reference) for reference in references(pod.spec))
        self._set(pod.metadata.uid, wanted)

    def leave(self, pod_uid: str) -> None:
        """Stop watching on behalf of a pod."""
        self._set(pod_uid, frozenset())
        self._of_pod.pop(pod_uid, None)

    async def configuration(self, pod: pod_pb2.Pod) -> Configuration:
        """Return a pod's current objects, after each has been looked up at least once.

        Raises:
            ConfigurationError: The API does not show one of the objects, for any reason.
        """
        self.follow(pod)
        config_maps: dict[str, config_pb2.ConfigMap] = {}
        secrets: dict[str, config_pb2.Secret] = {}
        for named in self._of_pod.get(pod.metadata.uid, frozenset()):
            informer = self._informers[named]
            namespace, reference = named
            try:
                async with asyncio.timeout(_LOOK_UP_WITHIN_S):
                    await informer.synced()
            except TimeoutError:
                raise ConfigurationError(
                    f'{reference.kind} "{reference.name}" cannot be read from the API now'
                ) from None
            found_object = informer.get(reference.name, namespace)
            if found_object is None:
                continue
            if reference.kind == "ConfigMap":
                config_maps[reference.name] = found_object
            else:
                secrets[reference.name] = found_object
        return Configuration(config_maps, secrets)

    async def close(self) -> None:
        """End all watches."""
        for uid in tuple(self._of_pod):
            self.leave(uid)

    def _set(self, pod_uid: str, wanted: frozenset[_Named]) -> None:
        before = self._of_pod.get(pod_uid, frozenset())
        self._of_pod[pod_uid] = wanted
        for named in wanted - before:
            self._users.setdefault(named, set()).add(pod_uid)
            if named not in self._informers:
                self._start(named)
        for named in before - wanted:
            self._users[named].discard(pod_uid)
            if not self._users[named]:
                del self._users[named], self._informers[named]
                self._tasks.pop(named).cancel()

    def _start(self, named: _Named) -> None:
        namespace, reference = named
        kinds = {"ConfigMap": self._client.config_maps, "Secret": self._client.secrets}
        informer: Informer[Any] = Informer(
            kinds[reference.kind],  # type: ignore[arg-type]  # one of two kinds, told apart by name
            namespace=namespace,
            field_selector=f"metadata.name={reference.name}",
        )

        def notice(_old: object, _new: object) -> None:
            for pod_uid in tuple(self._users.get(named, ())):
                self._changed(pod_uid)

        informer.add_handler(notice)
        self._informers[named] = informer
        self._tasks[named] = asyncio.create_task(informer.run())
