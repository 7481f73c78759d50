"""The calls of a declared kind, for programs without an event loop."""

from __future__ import annotations

from typing import Generic, TypeVar

from podraft.client.calls.declared import DeclaredClient
from podraft.client.sync.loop import Calls

FormT = TypeVar("FormT")


class SyncDeclared(Generic[FormT]):
    """The blocking calls of a declared kind, which are those of `DeclaredClient`."""

    def __init__(self, declared: DeclaredClient[FormT], calls: Calls) -> None:
        self.kind = declared.kind
        self.create = calls.blocking(declared.create)
        self.get = calls.blocking(declared.get)
        self.list = calls.blocking(declared.list)
        self.update = calls.blocking(declared.update)
        self.update_status = calls.blocking(declared.update_status)
        self.patch = calls.blocking(declared.patch)
        self.apply = calls.blocking(declared.apply)
        self.delete = calls.blocking(declared.delete)
        self.wait = calls.blocking(declared.wait)
