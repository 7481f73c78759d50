"""Carrying out writes: plan, transact, and plan again if the state moved meanwhile.

Owns: the bounded retries.  Invariants: a caller's own precondition is never
retried away (the new plan meets it again and refuses); a write is answered only
when the store has acknowledged it; a dry run does everything but transact; a call that took effect
under its request id before gets the same answer again, if its caller may still make it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Final

from podraft.api.kinds import KnownKinds
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.hooks import AddressRanges
from podraft.server.registry.access.callers import Authorizer, Caller, note
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.encoding import Warned
from podraft.server.registry.errors import Code, RefusedError, located
from podraft.server.registry.slices import Turns
from podraft.server.registry.writes import repeats
from podraft.server.registry.writes.operations import Operation
from podraft.server.registry.writes.owners import check_manager
from podraft.server.registry.writes.planning import Planner
from podraft.server.registry.writes.plans import Plan, PlanInputs, Reader, WriteList
from podraft.server.registry.writes.results import Result, warnings_of
from podraft.server.state.datastore import Committed, Datastore, GuardFailed, Repeated
from podraft.server.state.reads import AppliedReads
from podraft.server.values import value

_LOG = logging.getLogger(__name__)

_ATTEMPTS_MAX: Final = 10
_WARNINGS_MAX: Final = 16
_NOTED_MAX: Final = 100


@value
class Outcome:
    """The answers of writes that were carried out; ``revision`` is 0 after a dry run."""

    results: Sequence[Result]
    revision: int

    def encoded(self, index: int = 0) -> bytes:
        """Return the encoded object in the answer of one write."""
        return self.results[index].encoded(self.revision)


class Writer:
    """The executor of lists of writes, each as one transaction.

    ``applied_reads`` are cheaper to plan on than the store, where every read asks other members.
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
        self._turns = turns
        self._datastore = datastore
        self._applied_reads = applied_reads
        self._caches = caches
        self._inputs = PlanInputs(
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
        manager: str = "",
    ) -> Outcome:
        """Carry out ``operations`` in one transaction, once for each ``request_id``.

        ``manager`` owns the written fields; empty: the caller, where owners are recorded.

        Raises:
            RefusedError: One of them is impossible, or the state kept changing.
            StoreOverloadedError: Too many writes wait.
            StoreFailedError: The outcome is unknown.
        """
        check_manager(manager)
        if not authorize.unrestricted:
            _check_named(operations, authorize, numbered=numbered)
        else:
            note(*map(repeats.named, operations[:_NOTED_MAX]))
        work = self._turns.work(authorize.author)
        if dry_run:
            writes = WriteList(operations, authorize, work, numbered=numbered, manager=manager)
            return Outcome((await self._plan(writes, dry_run=True)).results, 0)
        call = await repeats.identified(authorize.author, request_id, operations, work, manager)
        writes = WriteList(operations, authorize, work, call, numbered, manager)
        try:
            outcome = await self._attempt(writes)
            if isinstance(outcome, GuardFailed):
                outcome = await self._attempts_in_turn(writes, outcome.guard.key)
        except (RefusedError, InvalidObjectError) as refusal:
            # A refusal may be the effect of the first attempt: the object exists already.
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

    async def warned(
        self, answer: bytes, operations: Sequence[Operation], outcome: Outcome, caller: Caller
    ) -> bytes | Warned:
        """Return the answer of writes, with what their caller is warned of; machines are not."""
        if not caller.reads_warnings:
            return answer
        found, work = list[str](), self._turns.work(caller.author)
        with work:
            for operation, result in zip(operations, outcome.results, strict=True):
                found += islice(warnings_of(operation, result), _WARNINGS_MAX + 1 - len(found))
                if len(found) > _WARNINGS_MAX:
                    # One more is found to know that there are more.
                    found[_WARNINGS_MAX:] = ["there are more warnings"]
                    break
                if work.is_long:
                    await work.pause()
        return Warned(answer, found) if found else answer

    async def _attempts_in_turn(self, writes: WriteList, key: bytes) -> Outcome | Repeated:
        """Try again, one at a time where others write the same key, or most tries would fail."""
        async with self._contended.turn(key):
            for _ in range(_ATTEMPTS_MAX - 1):
                attempt = await self._attempt(writes)
                if not isinstance(attempt, GuardFailed):
                    return attempt
                key = attempt.guard.key
        raise RefusedError(
            Code.ABORTED,
            f"{key.decode('utf-8', 'replace')} changed {_ATTEMPTS_MAX} times while the write was "
            "being made; try again",
        )

    async def _attempt(self, writes: WriteList) -> Outcome | Repeated | GuardFailed:
        plan = await self._plan(writes)
        if not plan.transaction.writes:
            applied = await self._requested(plan.transaction.request)
            return applied or Outcome(plan.results, self._datastore.revision)
        outcome = await self._datastore.transact(plan.transaction)
        if isinstance(outcome, Committed):
            return Outcome(plan.results, outcome.revision)
        return outcome

    async def _requested(self, request: bytes) -> Repeated | None:
        """Return how ``request`` took effect; None if it did not, as far as known.

        A plan that is refused or finds nothing to do was made of all that was committed before
        it: if the request took effect then, it is known here.
        """
        return await self._datastore.requested(request) if request else None

    async def _plan(self, writes: WriteList, *, dry_run: bool = False) -> Plan:
        reads = self._applied_reads
        if reads is None:
            return await self._planner(self._datastore, writes).plan()
        # The guards of a plan make it right or void, however old the state that it was made from.
        # That does not hold for a refusal, nor for a plan which finds nothing to do.
        with contextlib.suppress(RefusedError, InvalidObjectError):
            plan = await self._planner(reads.applied, writes).plan()
            if plan.transaction.writes and not dry_run:
                return plan
        # One question to the leader for all that the plan reads.
        return await self._planner(await reads.current(), writes).plan()

    def _planner(self, reader: Reader, writes: WriteList) -> Planner:
        return Planner(reader, self._caches, self._inputs, writes)


class _Queues:
    """A queue of writers for each key that more than one wants to write."""

    def __init__(self) -> None:
        self._locks: dict[bytes, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, key: bytes) -> AsyncIterator[None]:
        """Wait for a turn at ``key``."""
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
    """Return a random end of a generated name, for a call that has no id."""
    return "".join(secrets.choice(repeats.SUFFIX_ALPHABET) for _ in range(repeats.SUFFIX_LENGTH))
