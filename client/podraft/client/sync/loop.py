"""The event loop on which the asynchronous client works for callers that block.

Owns: one thread with one event loop, from its first use to the end of the process; how a call and a
stream are waited for from other threads.

Invariants: a process has one such thread, however many clients it has; a call or stream that its
caller abandons (by an interrupt, an error, a ``break``) is cancelled; whoever waits on that thread
itself, which would be for ever, gets an error.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from functools import wraps
from types import TracebackType
from typing import Any, Final, Generic, ParamSpec, Self, TypeVar, cast

P = ParamSpec("P")
ResultT = TypeVar("ResultT")
ItemT = TypeVar("ItemT")

_LOCK: Final = threading.Lock()
_JOIN_S: Final = 5.0
_END: Final = object()


class LoopThread:
    """A thread that runs an event loop until the process ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="podraft-calls", daemon=True)
        self._thread.start()
        atexit.register(self._stop)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        await self._stopped.wait()

    def _stop(self) -> None:
        if self.is_alive:
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(_JOIN_S)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs; it does not in a process that was forked from its own."""
        return self._thread.is_alive()

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Return the result of a coroutine that runs on the loop.

        Raises:
            RuntimeError: The caller is on the loop itself, or the process was forked.
        """
        if not self.is_alive or threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError(
                "a blocking call on the thread that would answer it; hand it to another thread"
                if self.is_alive
                else "this client belongs to the process that this one was forked from"
            )
        running = _Running(work)
        try:
            # Here, because an interrupt can come as soon as the work has begun.
            self._loop.call_soon_threadsafe(running.begin)
            return running.answer.result()
        except BaseException:
            if not running.answer.done():
                self._loop.call_soon_threadsafe(running.abandon)
            raise


class _Running(Generic[ResultT]):
    """A coroutine on the loop, and the answer that another thread waits for."""

    def __init__(self, work: Coroutine[Any, Any, ResultT]) -> None:
        self.answer: Future[ResultT] = Future()
        self._work = work
        self._task: asyncio.Task[ResultT] | None = None
        self._abandoned = False

    def begin(self) -> None:
        """Begin the work, on the loop, unless it was abandoned before."""
        if self._abandoned:
            self._work.close()
            return
        self._task = asyncio.get_running_loop().create_task(self._work)
        self._task.add_done_callback(self._ended)

    def abandon(self) -> None:
        """Cancel the work, on the loop."""
        self._abandoned = True
        if self._task is not None:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[ResultT]) -> None:
        if task.cancelled():
            self.answer.cancel()
        elif (error := task.exception()) is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(task.result())


class _Shared:
    """The process' thread, once somebody has needed it."""

    loop: LoopThread | None = None


def shared_loop() -> LoopThread:
    """Return the process' thread; begin it if it is not there."""
    with _LOCK:
        if _Shared.loop is None or not _Shared.loop.is_alive:
            _Shared.loop = LoopThread()
        return _Shared.loop


class Calls:
    """The blocking forms of one client's calls, until the client is closed."""

    def __init__(self) -> None:
        self._loop = shared_loop()
        self.closed = False

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Return the result of a coroutine that runs on the loop.

        Raises:
            RuntimeError: The client is closed, or was meanwhile; or the caller is on the loop.
        """
        if self.closed:
            work.close()
            raise RuntimeError("the client is closed")
        try:
            return self._loop.run(work)
        except CancelledError:
            raise RuntimeError("the client was closed during the call") from None

    def blocking(self, call: Callable[P, Coroutine[Any, Any, ResultT]]) -> Callable[P, ResultT]:
        """Return a call that waits for the result of an asynchronous one."""

        @wraps(call)
        def blocking_call(*args: P.args, **kwargs: P.kwargs) -> ResultT:
            return self.run(call(*args, **kwargs))

        return blocking_call

    def iterating(self, call: Callable[P, AsyncIterator[ItemT]]) -> Callable[P, Stream[ItemT]]:
        """Return a call that yields to a plain loop what an asynchronous one yields."""

        @wraps(call)
        def iterating_call(*args: P.args, **kwargs: P.kwargs) -> Stream[ItemT]:
            return Stream(self, call(*args, **kwargs))

        return iterating_call


class Stream(Iterator[ItemT], Generic[ItemT]):
    """The items of a stream, each waited for; as a context manager it ends with its block."""

    def __init__(self, calls: Calls, source: AsyncIterator[ItemT]) -> None:
        self._calls = calls
        self._source = source

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ItemT:
        item = self._calls.run(self._next())
        if item is _END:
            raise StopIteration
        return cast(ItemT, item)

    async def _next(self) -> object:
        return await anext(self._source, _END)

    def close(self) -> None:
        """End the stream; harmless when repeated."""
        if not self._calls.closed:
            self._calls.run(self._close())

    async def _close(self) -> None:
        close: Any = getattr(self._source, "aclose", None)
        if close is not None:
            await close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
