"""The end of streams whose callers lose the right to them.

Owns: which streams are open on whose behalf, and when each is checked again: when a node's entry
in the registry changes, when the last pod that names an object leaves a node, when a role or a
binding changes, when a user is revoked, when a certificate expires.  Invariants: a stream whose
right has ended sends nothing more but the refusal; an event costs only as much as the callers and
streams that it can concern.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from podraft.api import kinds
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.objects.references import references
from podraft.server.auth.authorize import Attributes, selected
from podraft.server.registry.errors import Code, RefusedError

if TYPE_CHECKING:
    from podraft.server.registry.access.callers import Caller

_LOOK_EVERY_S: Final = 1.0
_CONFIGURATION: Final = (kinds.CONFIG_MAP, kinds.SECRET)

_KeyT = TypeVar("_KeyT")
# The key by which a stream is found.
_Place: TypeAlias = tuple[str, str] | tuple[str, str, str, str]


class _Stream:
    """One open stream, and the task that serves it."""

    __slots__ = ("attributes", "caller", "refusal", "task")

    def __init__(self, caller: Caller, attributes: Attributes) -> None:
        self.caller = caller
        self.attributes = attributes
        self.refusal: RefusedError | None = None
        task = asyncio.current_task()
        assert task is not None  # Streams are served by tasks.
        self.task = task

    def end(self, refusal: RefusedError) -> None:
        if self.refusal is None:
            self.refusal = refusal
            self.task.cancel()


class LiveRights:
    """The open streams; ``check`` refuses a caller whose certificate is not good any more."""

    def __init__(self, check: Callable[[Caller], None]) -> None:
        self._check = check
        self._by_place: dict[_Place, set[_Stream]] = {}
        self._by_caller: dict[Caller, set[_Stream]] = {}
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to look for certificates that have expired."""
        self._looking = asyncio.create_task(self._look())

    def stop(self) -> None:
        """Stop looking for expired certificates."""
        if self._looking is not None:
            self._looking.cancel()

    @contextmanager
    def held(self, caller: Caller, attributes: Attributes, reaches: str = "") -> Iterator[None]:
        """End the present task's work inside as soon as ``caller`` may not do it any more.

        ``reaches``: a node that serves the stream, and whose removal also ends it.

        Raises:
            RefusedError: The right has ended; the error says why.
        """
        stream = _Stream(caller, attributes)
        places = list(_places(caller, attributes, reaches))
        cancelling = stream.task.cancelling()
        self._by_caller.setdefault(caller, set()).add(stream)
        for place in places:
            self._by_place.setdefault(place, set()).add(stream)
        try:
            yield
        except asyncio.CancelledError:
            if stream.refusal is None or stream.task.uncancel() > cancelling:
                raise
            raise stream.refusal from None
        finally:
            _discard(self._by_caller, caller, stream)
            for place in places:
                _discard(self._by_place, place, stream)

    def node_changed(self, name: str) -> None:
        """Check the streams of a node again, and those that reach it."""
        for stream in tuple(self._by_place.get(("of", name), ())):
            self._look_at(stream)
        gone = RefusedError(Code.UNAVAILABLE, f'node "{name}" is another one now, or was removed')
        for stream in tuple(self._by_place.get(("to", name), ())):
            stream.end(gone)

    def pod_left(self, node: str, pod: Pod) -> None:
        """Check a node's streams of the objects that ``pod``, now gone from the node, named."""
        if ("of", node) not in self._by_place:
            return
        for kind, name in references(pod.spec):
            place = (node, kind, pod.metadata.namespace, name)
            for stream in tuple(self._by_place.get(place, ())):
                self._look_at(stream)

    def rights_changed(self, subjects: frozenset[str]) -> None:
        """Check the streams of the callers to whom other roles may be bound now."""
        for caller, streams in tuple(self._by_caller.items()):
            if not caller.subjects.isdisjoint(subjects):
                for stream in tuple(streams):
                    self._look_at(stream)

    def user_changed(self, name: str) -> None:
        """Check the streams of a user again, and of those who act as somebody else."""
        for caller, streams in tuple(self._by_caller.items()):
            if name in (caller.identity.user, caller.acting.identity.user):
                for stream in tuple(streams):
                    self._look_at(stream)

    def _look_at(self, stream: _Stream) -> None:
        try:
            self._check(stream.caller)
            stream.caller(stream.attributes)
        except RefusedError as refusal:
            stream.end(refusal)

    async def _look(self) -> None:
        """End the streams of certificates that have expired."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now_s = time.time()
            for caller, streams in tuple(self._by_caller.items()):
                proof = caller.acting.proof
                if proof is not None and proof.expires_at_s <= now_s:
                    for stream in tuple(streams):
                        self._look_at(stream)


def _places(caller: Caller, attributes: Attributes, reaches: str) -> Iterator[_Place]:
    if reaches:
        yield ("to", reaches)
    node = caller.identity.node_name
    if node is None:
        return
    yield ("of", node)
    kind = attributes.kind
    if kind is not None and kind in _CONFIGURATION:
        name = selected(attributes.field_selector, "metadata.name") or ""
        yield (node, kind.name, attributes.namespace, name)


def _discard(index: dict[_KeyT, set[_Stream]], place: _KeyT, stream: _Stream) -> None:
    here = index[place]
    here.discard(stream)
    if not here:
        del index[place]
