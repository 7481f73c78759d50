"""The client of podraft's API for programs without an event loop.

Owns: one asynchronous client and the blocking forms of its calls.  Invariant: nothing is done here;
arguments, results and errors are those of the asynchronous calls.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from google.protobuf.message import Message

from podraft.api import kinds
from podraft.api.kinds import AnyKind, Kind
from podraft.client.calls.client import Client
from podraft.client.calls.pods.client import PodClient
from podraft.client.calls.resources import ResourceClient
from podraft.client.connecting.config import ClusterConfig, load
from podraft.client.sync.declared import SyncDeclared
from podraft.client.sync.loop import Calls
from podraft.client.sync.pods import SyncPods
from podraft.client.sync.resources import SyncResource
from podraft.client.sync.typed_resources import SyncTypedResources

ObjectT = TypeVar("ObjectT", bound=Message)
ResultT = TypeVar("ResultT")
FormT = TypeVar("FormT")


class SyncClient(SyncTypedResources):
    """A connection to one cluster whose calls block; any thread may use it.

    What has no blocking form of its own is reached by `run`.
    """

    def __init__(self, client: Client, calls: Calls) -> None:
        self.config = client.config
        self._client = client
        self._calls = calls
        self._resources: dict[AnyKind, SyncResource[Any]] = {}
        self.commit = calls.blocking(client.commit)
        self.table = calls.blocking(client.table)
        self.version = calls.blocking(client.version)
        self.object_history = calls.blocking(client.object_history)
        self.bind_pod = calls.blocking(client.bind_pod)
        self.scheduling_record = calls.blocking(client.scheduling_record)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancel running calls and close the connection; harmless when repeated."""
        if not self._calls.closed:
            self._calls.run(self._client.close())
            self._calls.closed = True

    def resource(self, kind: Kind[ObjectT]) -> SyncResource[ObjectT]:
        """Return the blocking calls of one kind."""
        found = self._resources.get(kind)
        if found is None:
            resource: Any = self._calls.run(self._resource(kind))
            made: type[Any] = SyncPods if isinstance(resource, PodClient) else SyncResource
            found = self._resources[kind] = made(resource, self._calls)
        return found

    @property
    def pods(self) -> SyncPods:
        """The blocking calls of pods."""
        return cast(SyncPods, self.resource(kinds.POD))

    async def _resource(self, kind: Kind[ObjectT]) -> ResourceClient[ObjectT]:
        """Return the calls of one kind, made where the connection belongs."""
        return self._client.resource(kind)

    def run(self, work: Callable[[Client], Coroutine[Any, Any, ResultT]]) -> ResultT:
        """Return the result of an asynchronous function, called with the asynchronous client.

        For example: ``client.run(lambda c: c.members.list())``.
        """
        return self._calls.run(self._working(work))

    async def _working(self, work: Callable[[Client], Coroutine[Any, Any, ResultT]]) -> ResultT:
        return await work(self._client)

    def declared(self, name: str, form: type[FormT]) -> SyncDeclared[FormT]:
        """Return the blocking calls of the kind that a definition declares; see `Client`."""
        return SyncDeclared(self._calls.run(self._client.declared(name, form)), self._calls)

    def at(self, moment: str, *, hash_secret_values: bool = False) -> SyncClient:
        """Return a view, on the same connection, whose gets and lists all show one moment."""

        async def view(client: Client) -> Client:
            return client.at(moment, hash_secret_values=hash_secret_values)

        return SyncClient(self.run(view), self._calls)


def connect(
    config: ClusterConfig | None = None, *, timeout_s: float = 30.0, learn_servers: bool = True
) -> SyncClient:
    """Return a client; use it as a context manager.  The arguments are those of `Client`.

    Without a ``config`` it is the one that the `podraft` command would use.

    Raises:
        ConfigError: There is no such configuration, or it is malformed.
    """
    chosen = load() if config is None else config
    return SyncClient(Client(chosen, timeout_s=timeout_s, learn_servers=learn_servers), Calls())
