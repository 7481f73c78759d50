"""The calls of one kind, for programs without an event loop.

Owns: which calls of `calls.resources.ResourceClient` there are in a blocking form: all of them.
Invariant: arguments, results and errors are those of the asynchronous call, which does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from google.protobuf.message import Message

from podraft.client.calls.resources import ResourceClient
from podraft.client.sync.informer import SyncInformer
from podraft.client.sync.loop import Calls
from podraft.client.watching.informer import Informer

ObjectT = TypeVar("ObjectT", bound=Message)


class SyncResource(Generic[ObjectT]):
    """The blocking calls of one kind; `ResourceClient` documents each."""

    def __init__(self, resource: ResourceClient[ObjectT], calls: Calls) -> None:
        self.kind = resource.kind
        self._resource = resource
        self._calls = calls
        self.create = calls.blocking(resource.create)
        self.get = calls.blocking(resource.get)
        self.list = calls.blocking(resource.list)
        self.watch = calls.iterating(resource.watch)
        self.update = calls.blocking(resource.update)
        self.update_status = calls.blocking(resource.update_status)
        self.patch = calls.blocking(resource.patch)
        self.apply = calls.blocking(resource.apply)
        self.delete = calls.blocking(resource.delete)
        self.delete_collection = calls.blocking(resource.delete_collection)
        self.get_scale = calls.blocking(resource.get_scale)
        self.update_scale = calls.blocking(resource.update_scale)
        self.scale = calls.blocking(resource.scale)
        self.wait = calls.blocking(resource.wait)
        self.wait_for_condition = calls.blocking(resource.wait_for_condition)
        self.wait_until_deleted = calls.blocking(resource.wait_until_deleted)

    def informer(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        indexes: Mapping[str, Callable[[ObjectT], Iterable[str]]] | None = None,
    ) -> SyncInformer[ObjectT]:
        """Return a live copy of the objects that match; use it as a context manager.

        ``indexes`` are those of `Informer`.
        """
        informer = Informer(
            self._resource,
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            indexes=indexes,
        )
        return SyncInformer(informer, self._calls)
