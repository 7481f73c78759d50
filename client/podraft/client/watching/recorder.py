"""Telling users what happened to their objects, as Events.

Owns: joining repetitions into series, and the rate at which Events are written.

Invariants: recording never waits and never fails; Events beyond the bounds are dropped, for
an Event is a help, not a record that anything relies on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Literal

from google.protobuf.message import Message

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import reference_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.kinds import BUILT_IN, EVENT
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import well_known
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError, OverloadedError, UnavailableError

_LOG = logging.getLogger(__name__)

_FLUSH_S = 0.5
_BATCH_MAX = 100
_SERIES_MAX = 4096
_OBJECTS_MAX = 4096
# A series that is silent for so long ends; the next occurrence begins a new Event.
_SERIES_S = 600.0
# The minimum time between two writes of a series' count.
_SERIES_WRITE_S = 10.0
# Per object: the Events allowed at once, then the seconds for each further one.
_BURST = 25
_REFILL_S = 30.0
_NOTE_CHARACTERS_MAX = 1024


@dataclass(slots=True)
class _Series:
    event: event_pb2.Event
    count: int = 1
    seen: float = 0.0
    written: float | None = None


@dataclass(slots=True)
class _Budget:
    """A token bucket."""

    tokens: float = _BURST
    since: float = field(default_factory=time.monotonic)

    def take(self, now: float) -> bool:
        self.tokens = min(_BURST, self.tokens + (now - self.since) / _REFILL_S)
        self.since = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class EventRecorder:
    """A recorder that collects Events and writes them in batches while `run` runs.

    ``controller`` names the component (``podraft/replica-set-controller``), ``instance``
    the process.
    """

    def __init__(self, client: Client, *, controller: str, instance: str) -> None:
        self._client = client
        self._controller = controller
        self._instance = instance
        self._series: OrderedDict[tuple[str, ...], _Series] = OrderedDict()
        self._budgets: OrderedDict[str, _Budget] = OrderedDict()
        self._dirty: dict[tuple[str, ...], None] = {}
        self._some = asyncio.Event()

    def record(
        self,
        regarding: Message,
        type_: Literal["Normal", "Warning"],
        reason: str,
        note: str,
        *,
        action: str = "",
    ) -> None:
        """Note that something happened to ``regarding``; return at once."""
        subject = _reference(regarding)
        # Cut what is kept, too: there are thousands of notes, some written by containers.
        note = note[:_NOTE_CHARACTERS_MAX]
        key = (subject.uid, subject.name, type_, reason, note)
        now = time.monotonic()
        known = self._series.get(key)
        if known is not None and now - known.seen < _SERIES_S:
            known.count += 1
            known.seen = now
            self._series.move_to_end(key)
        elif self._may_write(subject.uid or subject.name, now):
            event = self._event(subject, type_, reason, note, action)
            self._series[key] = _Series(event, seen=now)
        else:
            return
        while len(self._series) > _SERIES_MAX:
            self._dirty.pop(self._series.popitem(last=False)[0], None)
        self._dirty[key] = None
        self._some.set()

    def _may_write(self, subject: str, now: float) -> bool:
        budget = self._budgets.setdefault(subject, _Budget())
        self._budgets.move_to_end(subject)
        while len(self._budgets) > _OBJECTS_MAX:
            self._budgets.popitem(last=False)
        return budget.take(now)

    def _event(
        self,
        subject: reference_pb2.ObjectReference,
        type_: str,
        reason: str,
        note: str,
        action: str,
    ) -> event_pb2.Event:
        now_ns = time.time_ns()
        event = event_pb2.Event(
            event_time=_micro_time(now_ns),
            reporting_controller=self._controller,
            reporting_instance=self._instance[:128],
            action=action or reason,
            reason=reason,
            regarding=subject,
            note=note,
            type=type_,
        )
        event.metadata.name = f"{subject.name[:236]}.{now_ns:x}"
        event.metadata.namespace = subject.namespace or well_known.DEFAULT_NAMESPACE
        return event

    async def run(self) -> None:
        """Write recorded Events for ever; when cancelled, write the remaining ones."""
        try:
            while True:
                await self._some.wait()
                self._some.clear()
                await asyncio.sleep(_FLUSH_S)
                await self.flush()
        finally:
            # A cancelled process still writes its last Events, if that is quick.
            try:
                async with asyncio.timeout(1.0):
                    await self.flush(final=True)
            except TimeoutError:
                _LOG.debug("the last events could not be written in time")

    async def flush(self, *, final: bool = False) -> None:
        """Write the Events that are due."""
        now = time.monotonic()
        due = [key for key in self._dirty if final or self._is_due(key, now)]
        for start in range(0, len(due), _BATCH_MAX):
            keys = due[start : start + _BATCH_MAX]
            for key in keys:
                self._dirty.pop(key, None)
            await self._write([self._series[key] for key in keys if key in self._series], now)
        if self._dirty and not final:
            asyncio.get_running_loop().call_later(_SERIES_WRITE_S, self._some.set)

    def _is_due(self, key: tuple[str, ...], now: float) -> bool:
        series = self._series.get(key)
        if series is None:
            return True
        return series.written is None or now - series.written >= _SERIES_WRITE_S

    async def _write(self, batch: list[_Series], now: float) -> None:
        """Write a batch; if one of its Events is refused, write each on its own."""
        if not batch:
            return
        try:
            await self._client.commit([_write_of(series) for series in batch], omit_objects=True)
        except (UnavailableError, OverloadedError) as error:
            _LOG.debug("%d events are lost: %s", len(batch), error)
        except ApiError as error:
            if len(batch) > 1:
                for series in batch:
                    await self._write([series], now)
                return
            _LOG.debug("event %s is lost: %s", batch[0].event.metadata.name, error)
            batch[0].seen = 0.0  # The next occurrence begins a new series.
        for series in batch:
            series.written = now


def _write_of(series: _Series) -> commit_pb2.Write:
    if series.written is None:
        event = event_pb2.Event()
        event.CopyFrom(series.event)
        if series.count > 1:
            event.series.count = series.count
            event.series.last_observed_time.CopyFrom(_micro_time(time.time_ns()))
        return writes.create(event)
    metadata = series.event.metadata
    micro = time.time_ns() // 1000
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(micro // 1_000_000))
    body = {
        "series": {
            "count": series.count,
            "lastObservedTime": f"{stamp}.{micro % 1_000_000:06d}Z",
        }
    }
    return writes.patch(EVENT, metadata.name, body, metadata.namespace)


def _reference(regarding: Any) -> reference_pb2.ObjectReference:
    if isinstance(regarding, reference_pb2.ObjectReference):
        return regarding
    kind = BUILT_IN.of(regarding)
    metadata: meta_pb2.ObjectMeta = regarding.metadata
    return reference_pb2.ObjectReference(
        kind=kind.name,
        api_version=kind.api_version,
        namespace=metadata.namespace or None,
        name=metadata.name,
        uid=metadata.uid,
    )


def _micro_time(now_ns: int) -> meta_pb2.MicroTime:
    return meta_pb2.MicroTime(
        seconds=now_ns // 1_000_000_000, nanos=now_ns % 1_000_000_000 // 1_000 * 1_000
    )
