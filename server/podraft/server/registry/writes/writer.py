"""Carrying out writes: plan, transact, and plan again if the state moved meanwhile.

Owns: the bounded retries.  Invariants: a caller's own precondition is never
retried away (the new plan meets it again and refuses); a write is answered only
when the store has acknowledged it; a dry run does all but transact; a call that took effect
under its request id before is answered as it was then, if its caller may still make it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from podraft.api.kinds import KnownKinds
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.hooks import AddressRanges
from podraft.server.registry.access.callers import Authorizer
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import Code, RefusedError, located
from podraft.server.registry.slices import Turns, Work
from podraft.server.registry.writes import repeats
from podraft.server.registry.writes.operations import Operation
from podraft.server.registry.writes.planning import Plan, Planner, Reader, Surroundings
from podraft.server.registry.writes.results import Result
from podraft.server.state.datastore import Committed, Datastore, GuardFailed, Repeated
from podraft.server.state.reads import AppliedReads

_LOG = logging.getLogger(__name__)

_ATTEMPTS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What carried-out writes answer; ``revision`` 0 if it was a dry run."""

    results: Sequence[Result]
    revision: int

    def encoded(self, index: int = 0) -> bytes:
        """Return the object that one of the writes answers."""
        return self.results[index].encoded(self.revision)


class Writer:
    """Carries out lists of writes, each as one transaction.

    ``applied_reads``: what is cheaper to plan on than the store, where every read asks others.
    """

    def __init__(
        self,
        datastore: Datastore,
        caches: Caches,
        known: KnownKinds,
        addresses: AddressRanges,
        turns: Turns,
        applied_reads: AppliedReads | None = None,
    ) -> None:
        self.known = known
        self.turns = turns
        self._datastore = datastore
        self._applied_reads = applied_reads
        self._caches = caches
        self._around = Surroundings(
            known=known,
            now=_now,
            new_uid=new_uid,
            new_suffix=new_suffix,
            new_start=partial(secrets.randbelow, 1 << 16),
            addresses=addresses,
        )
        self._contended = _Queues()

    async def write(
        self,
        operations: Sequence[Operation],
        authorize: Authorizer,
        *,
        dry_run: bool = False,
        numbered: bool = False,
        request_id: bytes = b"",
    ) -> Outcome:
        """Carry out ``operations`` in one transaction, once for each ``request_id``.

        Raises:
            RefusedError: One of them is not possible, or the state kept changing.
            StoreOverloadedError: Too many writes wait.
            StoreFailedError: The outcome is unknown.
        """
        if not authorize.unrestricted:
            _check_named(operations, authorize, numbered=numbered)
        work = self.turns.work(authorize.author)
        call = repeats.WITHOUT_ID
        if not dry_run:
            call = await repeats.identified(authorize.author, request_id, operations, work)
        plan_once = partial(
            self._plan,
            operations,
            authorize,
            numbered,
            work,
            dry_run=dry_run,
            call=call,
        )
        if dry_run:
            return Outcome((await plan_once()).results, 0)
        try:
            outcome = await self._attempts(plan_once)
        except (RefusedError, InvalidObjectError) as refusal:
            # What is refused may be what the first attempt made true: the object is there.
            applied = await self._requested(call.request)
            if applied is None or (_is_denial(refusal) and not call.is_that_of(applied)):
                raise
        else:
            if isinstance(outcome, Outcome):
                return outcome
            applied = outcome
        if not call.is_that_of(applied):
            raise repeats.other_call()
        results = await repeats.repeated(self._datastore, operations, authorize, call, applied)
        return Outcome(results, applied.revision)

    async def _attempts(self, plan_once: Callable[[], Awaitable[Plan]]) -> Outcome | Repeated:
        attempt = await self._attempt(plan_once)
        if not isinstance(attempt, GuardFailed):
            return attempt
        # Others write the same key: from here on one at a time, or most attempts would be in vain.
        async with self._contended.turn(attempt.guard.key):
            for _ in range(_ATTEMPTS_MAX - 1):
                attempt = await self._attempt(plan_once)
                if not isinstance(attempt, GuardFailed):
                    return attempt
        key = attempt.guard.key.decode("utf-8", "replace")
        raise RefusedError(
            Code.ABORTED,
            f"{key} changed {_ATTEMPTS_MAX} times while the write was being made; try again",
        )

    async def _attempt(
        self, plan_once: Callable[[], Awaitable[Plan]]
    ) -> Outcome | Repeated | GuardFailed:
        plan = await plan_once()
        if not plan.transaction.writes:
            applied = await self._requested(plan.transaction.request)
            return applied or Outcome(plan.results, self._revision)
        outcome = await self._datastore.transact(plan.transaction)
        if isinstance(outcome, Committed):
            return Outcome(plan.results, outcome.revision)
        return outcome

    async def _requested(self, request: bytes) -> Repeated | None:
        """Return how ``request`` took effect; None: it did not, as far as known.

        A plan that is refused or finds nothing to do was made of all that was committed before
        it: if the request took effect then, it is known here.
        """
        return await self._datastore.requested(request) if request else None

    @property
    def _revision(self) -> int:
        return self._datastore.revision

    async def _plan(
        self,
        operations: Sequence[Operation],
        authorize: Authorizer,
        numbered: bool,
        work: Work,
        *,
        dry_run: bool,
        call: repeats.Call,
    ) -> Plan:
        plan_on = partial(self._plan_on, operations, authorize, numbered, work, call)
        reads = self._applied_reads
        if reads is None:
            return await plan_on(self._datastore)
        # The guards of a plan make it right or void, however old what it was made from is. That
        # holds neither for a refusal nor for a plan which finds nothing to do.
        with contextlib.suppress(RefusedError, InvalidObjectError):
            plan = await plan_on(reads.applied)
            if plan.transaction.writes and not dry_run:
                return plan
        # One question to the leader for all that the plan reads.
        return await plan_on(await reads.current())

    async def _plan_on(
        self,
        operations: Sequence[Operation],
        authorize: Authorizer,
        numbered: bool,
        work: Work,
        call: repeats.Call,
        reader: Reader,
    ) -> Plan:
        planner = Planner(reader, self._caches, self._around, authorize, work, call)
        return await planner.plan(operations, numbered=numbered)


class _Queues:
    """A queue of writers for each key that more than one wants to write."""

    def __init__(self) -> None:
        self._locks: dict[bytes, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, key: bytes) -> AsyncIterator[None]:
        """Wait for one's turn at ``key``."""
        lock, waiting = self._locks.get(key, (None, 0))
        lock = lock or asyncio.Lock()
        self._locks[key] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks[key]
            if waiting == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, waiting - 1)


def _check_named(operations: Sequence[Operation], authorize: Authorizer, *, numbered: bool) -> None:
    """Check what the writes name, before anything is done for them.

    Raises:
        RefusedError: The caller may not make one of them, whatever is stored.
    """
    for index, operation in enumerate(operations):
        try:
            authorize(repeats.named(operation))
        except RefusedError as error:
            raise located(error, index) if numbered else error from None


def _is_denial(refusal: Exception) -> bool:
    return isinstance(refusal, RefusedError) and refusal.code is Code.PERMISSION_DENIED


def _now() -> datetime:
    return datetime.now(UTC)


def new_uid() -> str:
    """Return a random UUID (version 4)."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def new_suffix() -> str:
    """Return what a generated name ends with, of a call that has no id."""
    return "".join(secrets.choice(repeats.SUFFIX_ALPHABET) for _ in range(repeats.SUFFIX_LENGTH))
