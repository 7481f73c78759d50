"""The calls of one kind, for programs without an event loop.

Owns: which calls of `calls.resources.ResourceClient` there are in a blocking form: all of them.
Invariant: arguments, results and errors are those of the asynchronous call, which does the work.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from google.protobuf.message import Message

from podraft.client.calls.resources import ResourceClient
from podraft.client.sync.loop import Calls

ObjectT = TypeVar("ObjectT", bound=Message)


class SyncResource(Generic[ObjectT]):
    """The blocking calls of one kind; `ResourceClient` documents each."""

    def __init__(self, resource: ResourceClient[ObjectT], calls: Calls) -> None:
        self.kind = resource.kind
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
