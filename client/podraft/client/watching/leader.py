"""Electing one of several processes by a Lease.

Owns: acquiring, renewing and giving up one Lease.

Invariant: work runs only while this process holds the Lease and renewed it within
``renew_deadline_s``, which is shorter than the Lease lasts: the work is cancelled before
another process may believe that the Lease ran out.  No two clocks are compared: a Lease
has run out when it has not changed for its duration by the observer's own clock.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from podraft.api.coordination.v1 import lease_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import well_known
from podraft.client.calls.resources import ResourceClient
from podraft.client.errors import AlreadyExistsError, ApiError, ConflictError, NotFoundError

_LOG = logging.getLogger(__name__)


class LeadershipLostError(Exception):
    """The Lease could not be renewed in time; the work was cancelled."""


@dataclass(frozen=True, slots=True)
class ElectionOptions:
    """The Lease to hold and its times.

    A process that comes back under its old ``identity`` continues at once, so an
    identity must never be in use twice.
    """

    name: str
    identity: str
    namespace: str = well_known.SYSTEM_NAMESPACE
    # Several times what a group of servers takes to elect another leader.
    lease_duration_s: float = 5.0
    renew_deadline_s: float = 3.5
    retry_period_s: float = 1.0


class LeaderElector:
    """A runner of work that must hold a Lease."""

    def __init__(self, leases: ResourceClient[lease_pb2.Lease], options: ElectionOptions) -> None:
        self._leases = leases
        self._options = options
        self._seen: tuple[str, float] = ("", 0.0)

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for the Lease, run ``work`` under it, release it when ``work`` ends.

        Raises:
            LeadershipLostError: The Lease was lost; ``work`` has been cancelled and is done.
        """
        lease, acquired = await self._acquire()
        _LOG.info("%s leads %s", self._options.identity, self._options.name)
        working = asyncio.create_task(work(), name=f"{self._options.name} as leader")
        renewing = asyncio.create_task(self._renew(lease, acquired), name="renew the lease")
        try:
            await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled(working)
            await _cancelled(renewing)
            if not _lost(renewing):
                await self._release()
        if working.cancelled() or _lost(renewing):
            raise LeadershipLostError(f"{self._options.name}: the lease could not be renewed")
        working.result()

    async def _acquire(self) -> tuple[lease_pb2.Lease, float]:
        """Return the Lease and the earliest monotonic time at which its duration can have begun."""
        while True:
            tried = time.monotonic()
            lease = await self._bounded(self._try_acquire())
            if lease is not None:
                return lease, tried
            await asyncio.sleep(self._options.retry_period_s * random.uniform(0.4, 0.6))

    async def _try_acquire(self) -> lease_pb2.Lease | None:
        """Return the Lease as held by this process, or None while another holds it."""
        options = self._options
        try:
            lease = await self._leases.get(options.name, options.namespace)
        except NotFoundError:
            return await self._leases.create(self._held(lease_pb2.Lease(), transitions=0))
        if not self._is_free(lease):
            return None
        changed = lease.spec.holder_identity != options.identity
        return await self._leases.update(
            self._held(lease, lease.spec.lease_transitions + int(changed))
        )

    def _is_free(self, lease: lease_pb2.Lease) -> bool:
        """Return whether nobody else can still believe in this Lease."""
        if lease.spec.holder_identity in ("", self._options.identity):
            return True
        now = time.monotonic()
        version, since = self._seen
        if version != lease.metadata.resource_version:
            self._seen = (lease.metadata.resource_version, now)
            return False
        return now - since > lease.spec.lease_duration_seconds

    async def _renew(self, lease: lease_pb2.Lease, renewed: float) -> None:
        """Renew until that fails for ``renew_deadline_s``, or another holds the Lease."""
        options = self._options
        while time.monotonic() - renewed < options.renew_deadline_s:
            await asyncio.sleep(options.retry_period_s)
            tried = time.monotonic()
            left_s = options.renew_deadline_s - (tried - renewed)
            updated = await self._bounded(
                self._leases.update(self._held(lease, lease.spec.lease_transitions)), left_s
            )
            if updated is None:
                # A lost answer leaves the version unknown: read who holds the Lease.
                current = await self._bounded(
                    self._leases.get(options.name, options.namespace), left_s
                )
                if current is not None and current.spec.holder_identity != options.identity:
                    return
                lease = current or lease
            else:
                lease, renewed = updated, tried

    async def _release(self) -> None:
        """Give the Lease up, so that another process takes over at once."""
        released = {"spec": {"holderIdentity": ""}}
        options = self._options
        await self._bounded(self._leases.patch(options.name, released, options.namespace), 2.0)

    def _held(self, lease: lease_pb2.Lease, transitions: int) -> lease_pb2.Lease:
        held = lease_pb2.Lease()
        held.CopyFrom(lease)
        held.metadata.name, held.metadata.namespace = self._options.name, self._options.namespace
        now = time.time_ns()
        stamp = meta_pb2.MicroTime(
            seconds=now // 1_000_000_000, nanos=now % 1_000_000_000 // 1_000 * 1_000
        )
        if held.spec.holder_identity != self._options.identity:
            held.spec.acquire_time.CopyFrom(stamp)
        held.spec.holder_identity = self._options.identity
        held.spec.lease_duration_seconds = max(1, round(self._options.lease_duration_s))
        held.spec.renew_time.CopyFrom(stamp)
        held.spec.lease_transitions = transitions
        return held

    async def _bounded(
        self, call: Awaitable[lease_pb2.Lease | None], timeout_s: float = 5.0
    ) -> lease_pb2.Lease | None:
        try:
            async with asyncio.timeout(max(timeout_s, 0.05)):
                return await call
        except (ConflictError, AlreadyExistsError):
            return None
        except (ApiError, TimeoutError) as error:
            _LOG.debug("%s: %r", self._options.name, error)
            return None


def _lost(renewing: asyncio.Task[None]) -> bool:
    """Return whether renewing ended by itself, which it does only on failure."""
    return renewing.done() and not renewing.cancelled()


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel ``task`` unless it is done, and wait until it is; its outcome stays in it."""
    task.cancel()
    await asyncio.wait((task,))
