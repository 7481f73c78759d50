"""A live copy of a kind's objects, for programs without an event loop.

Owns: one informer on the loop, and for each handler a thread that calls it.

Invariants: reads happen on the loop, between two batches of changes; a handler never holds up the
copy, and what waits for it is at most one change of each object: changes of one object that come
while it is busy are told as one, from the state it knew to the newest.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar

from google.protobuf.message import Message

from podraft.client.sync.loop import Calls
from podraft.client.watching.informer import Informer, Key

ObjectT = TypeVar("ObjectT", bound=Message)
ResultT = TypeVar("ResultT")
Handler: TypeAlias = Callable[[ObjectT | None, ObjectT | None], None]


class Pending(Generic[ObjectT]):
    """The changes that a handler has not been told yet, one for each object, oldest first."""

    def __init__(self) -> None:
        self._changes: dict[Key, tuple[ObjectT | None, ObjectT | None]] = {}

    def note(self, old: ObjectT | None, new: ObjectT | None) -> None:
        """Add a change; one with an earlier change of the same object becomes one."""
        metadata = _metadata(old if new is None else new)
        key = (metadata.namespace, metadata.name)
        known, _ = self._changes.get(key, (old, None))
        if known is None and new is None:
            self._changes.pop(key, None)  # It came and went unseen.
        else:
            self._changes[key] = (known, new)

    def take(self) -> Sequence[tuple[ObjectT | None, ObjectT | None]]:
        """Return all changes, which are then told."""
        taken = tuple(self._changes.values())
        self._changes.clear()
        return taken


def _metadata(obj: Any) -> Any:
    return obj.metadata


class _Teller(Generic[ObjectT]):
    """A thread that tells one handler of changes, until it is stopped or the handler fails."""

    def __init__(self, handler: Handler[ObjectT], failed: Callable[[Exception], None]) -> None:
        self._handler = handler
        self._failed = failed
        self._pending: Pending[ObjectT] = Pending()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._tell, name="podraft-handler", daemon=True)
        self._thread.start()

    def note(self, old: ObjectT | None, new: ObjectT | None) -> None:
        with self._changed:
            self._pending.note(old, new)
            self._changed.notify()

    def stop(self) -> None:
        """Stop after the call of the handler that is under way."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _tell(self) -> None:
        while changes := self._next():
            for old, new in changes:
                if self._stopped:
                    return
                try:
                    self._handler(old, new)
                except Exception as error:  # noqa: BLE001 - whatever it is, the program is told
                    self._failed(error)
                    return

    def _next(self) -> Sequence[tuple[ObjectT | None, ObjectT | None]]:
        """Return the changes to tell; none when it is to stop."""
        with self._changed:
            while True:
                if self._stopped:
                    return ()
                if changes := self._pending.take():
                    return changes
                self._changed.wait()


class SyncInformer(Generic[ObjectT]):
    """A copy of the matching objects, kept up to date within its ``with`` block.

    Each method, and the end of the block, raises the error that ended the informer: of a selector
    that the server does not understand, or of a handler, whose errors are bugs.
    """

    def __init__(self, informer: Informer[ObjectT], calls: Calls) -> None:
        self.kind = informer.kind
        self._informer = informer
        self._calls = calls
        self._running: asyncio.Task[None] | None = None
        self._tellers: list[_Teller[ObjectT]] = []
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._calls.run(self._begin())
        return self

    async def _begin(self) -> None:
        self._running = asyncio.create_task(self._informer.run())
        self._running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        if not running.cancelled():
            self._failure = self._failure or running.exception()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._calls.closed:
            self._calls.run(self._end())
        for teller in self._tellers:
            teller.stop()
        if error is None and self._failure is not None:
            raise self._failure

    async def _end(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def get(self, name: str, namespace: str = "") -> ObjectT | None:
        """Return one object, or None if it is not in the copy."""
        return self._read(lambda: self._informer.get(name, namespace))

    def list(self) -> Sequence[ObjectT]:
        """Return all objects, in no particular order."""
        return self._read(self._informer.list)

    def by_index(self, index: str, value: str) -> Sequence[ObjectT]:
        """Return the objects that the index holds under ``value``, in no particular order."""
        return self._read(lambda: self._informer.by_index(index, value))

    def add_handler(self, handler: Handler[ObjectT]) -> None:
        """Call ``handler(old, new)`` after changes, on a thread of its own.

        ``old`` is None for an object that appears (at once for those already present),
        ``new`` for one that vanishes.  Changes of one object that come while the handler is busy
        are told as one.
        """
        teller: _Teller[ObjectT] = _Teller(handler, self._fail)
        self._tellers.append(teller)
        self._read(lambda: self._informer.add_handler(teller.note))

    def synced(self, timeout_s: float = 30.0) -> None:
        """Wait until the first list is complete.

        Raises:
            TimeoutError: It is not in time.
        """
        self._wait(self._informer.synced(), timeout_s)

    def wait_for(self, revision: int, timeout_s: float = 30.0) -> None:
        """Wait until the copy holds every matching write up to ``revision``.

        Raises:
            TimeoutError: It does not in time.
        """
        self._wait(self._informer.wait_for(revision), timeout_s)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error

    def _wait(self, reached: Coroutine[Any, Any, None], timeout_s: float) -> None:
        self._calls.run(self._reached_or_ended(reached, timeout_s))
        self._raise_failure()

    async def _reached_or_ended(self, reached: Coroutine[Any, Any, None], timeout_s: float) -> None:
        waiting = asyncio.ensure_future(reached)
        running = () if self._running is None else (self._running,)
        try:
            first = asyncio.FIRST_COMPLETED
            done, _ = await asyncio.wait((waiting, *running), timeout=timeout_s, return_when=first)
        finally:
            waiting.cancel()
        if not done:
            raise TimeoutError(f"{self.kind.resource}: not reached after {timeout_s:g} s")

    def _read(self, read: Callable[[], ResultT]) -> ResultT:
        self._raise_failure()
        return self._calls.run(self._reading(read))

    async def _reading(self, read: Callable[[], ResultT]) -> ResultT:
        return read()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
