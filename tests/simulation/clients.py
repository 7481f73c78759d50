"""Clients: their requests, the answers that they get, and whether those can be true.

Owns: the workload (puts, deletes, compare-and-set, transactions over two keys, reads), retries with
the same request number on other members, the history, and its checks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

from podraft.server.raft.entries import EntryKind
from podraft.server.replication.faults import NoLeaderError
from podraft.server.state.datastore import (
    Committed,
    Delete,
    Guard,
    GuardFailed,
    Put,
    Record,
    StoreOverloadedError,
    Transaction,
)
from simulation.checks import GroupChecks
from simulation.linearizability import (
    ABSENT,
    Act,
    Operation,
    SearchTooLongError,
    is_linearizable,
)
from simulation.machine import Answer, Request, decode_request, encode_request
from simulation.simulated_member import SimulatedMember
from simulation.world import SimulationFailedError, World

# A member's answer to a call: an outcome, what a read found, or why there is neither.
_Told: TypeAlias = Answer | Record | Exception | None

KEYS = tuple(b"r/%d" % number for number in range(5))


@dataclass(slots=True)
class Call:
    """One operation of a client; if ``transaction`` is None, a read of ``key``.

    ``revision`` -1: never answered. ``plain``: without a request id, so it is proposed only
    once; ``undone``: the client was told that it has not happened and never will.
    """

    client: int
    number: int
    start_s: float
    transaction: Transaction | None
    key: bytes
    expected: int = ABSENT
    end_s: float = inf
    revision: int = -1
    seen: int = ABSENT
    refused: bool = False
    plain: bool = False
    undone: bool = False


def value_of(record: Record | None) -> int:
    return int(record.value) if record is not None else ABSENT


@dataclass(frozen=True, slots=True)
class Habits:
    """How long a client pauses, how often it reads, how many of its writes have no request id."""

    pause_s: float
    reads: float
    plain: float


class Client:
    """A client that asks one thing at a time."""

    def __init__(
        self,
        number: int,
        world: World,
        members: Callable[[], list[SimulatedMember]],
        history: list[Call],
        habits: Habits,
    ) -> None:
        self.number = number
        self._world = world
        self._members = members
        self._history = history
        self._habits = habits
        self._random = world.random(f"client {number}")
        self._requests = 0
        self._values = number << 20
        self._known: dict[bytes, tuple[int, int]] = {}  # The last (value, revision) seen, by key.
        self._member: SimulatedMember | None = None
        self._call: Call | None = None
        self._attempt = 0
        self._tries = 0
        self._payload = b""
        self.answered = 0
        self.stopped = False
        world.after(self._random.random() * habits.pause_s, self._next)

    def _next(self) -> None:
        if self.stopped:
            return
        random = self._random.random()
        key = KEYS[self._random.randrange(len(KEYS))]
        call = Call(self.number, 0, self._world.now, None, key)
        if random > self._habits.reads:
            self._requests += 1
            call.number = self._requests
            call.transaction = self._transaction(call, random)
            plain = self._habits.plain
            call.plain = bool(plain) and self._random.random() < plain
            request = Request(self.number, call.number, call.transaction)
            self._payload = encode_request(request, repeatable=not call.plain)
        self._call = call
        self._history.append(call)
        self._tries = 0
        self._send()

    def _transaction(self, call: Call, random: float) -> Transaction:
        key = call.key
        self._values += 1
        put = Put(key, b"%d" % self._values, stamped=False)
        if random < 0.65:
            value, revision = self._known.get(key, (ABSENT, 0))
            call.expected = value
            return Transaction((Guard(key, revision),), (put,))
        if random < 0.72:
            return Transaction((), (Delete(key),))
        if random < 0.82:
            self._values += 1
            other = KEYS[(KEYS.index(key) + 1) % len(KEYS)]
            return Transaction((), (put, Put(other, b"%d" % self._values, stamped=False)))
        return Transaction((), (put,))

    def _send(self) -> None:
        call, world, random = self._call, self._world, self._random
        if call is None:
            return
        if self._member is None or not self._member.alive:
            members = [member for member in self._members() if member.alive]
            self._member = random.choice(members) if members else None
        self._attempt += 1
        world.after(0.4 + 0.8 * random.random(), self._timed_out, self._attempt)
        if self._member is not None:
            world.after(0.0005 + 0.001 * random.random(), self._arrive, self._member, call)

    def _arrive(self, member: SimulatedMember, call: Call) -> None:
        attempt = self._attempt
        if call.transaction is None:
            member.read(call.key, lambda record, revision: self._answer(attempt, record, revision))
        else:
            member.write(self._payload, lambda answer: self._answer(attempt, answer, 0))

    def _answer(self, attempt: int, answer: _Told, revision: int) -> None:
        delay = 0.0005 + 0.001 * self._random.random()
        self._world.after(delay, self._received, attempt, answer, revision)

    def _received(self, attempt: int, answer: _Told, revision: int) -> None:
        call = self._call
        if call is None or attempt != self._attempt:
            return
        if isinstance(answer, Answer):
            self._written(call, answer)
        elif isinstance(answer, Exception):
            self._failed(call, answer)
            return
        elif revision >= 0:
            call.seen, call.revision = value_of(answer), revision
            self._known[call.key] = (call.seen, answer.mod_revision if answer else 0)
        else:
            self._later()
            return
        call.end_s = self._world.now
        self.answered += 1
        self._finish()

    def _failed(self, call: Call, error: Exception) -> None:
        if call.plain:
            call.undone = isinstance(error, NoLeaderError | StoreOverloadedError)
            self._finish()
        else:
            self._later()

    def _written(self, call: Call, answer: Answer) -> None:
        outcome = answer.outcome
        if outcome is None:
            raise SimulationFailedError(f"client {self.number}: an answer to a forgotten request")
        if isinstance(outcome, Committed):
            call.revision = outcome.revision
            self._known[call.key] = _written_to(call, outcome.revision)
        elif isinstance(outcome, GuardFailed):
            call.refused, call.revision = True, answer.revision
            found = outcome.found
            call.seen = value_of(found)
            self._known[call.key] = (call.seen, found.mod_revision if found else 0)

    def _later(self) -> None:
        self._member = None
        self._attempt += 1
        self._world.after(0.05 + 0.1 * self._random.random(), self._again, self._attempt)

    def _again(self, attempt: int) -> None:
        if attempt == self._attempt:
            self._send()

    def _timed_out(self, attempt: int) -> None:
        if attempt != self._attempt or self._call is None:
            return
        self._member = None
        self._tries += 1
        if self._call.plain or (self._tries > 1 and self._random.random() < 0.5):
            self._finish()  # Given up: the operation may or may not happen, at any time.
        else:
            self._send()

    def _finish(self) -> None:
        self._call = None
        self._attempt += 1
        self._world.after(2 * self._habits.pause_s * self._random.random(), self._next)


def _written_to(call: Call, revision: int) -> tuple[int, int]:
    for write in call.transaction.writes if call.transaction is not None else ():
        if write.key == call.key and isinstance(write, Put):
            return int(write.value), revision
    return ABSENT, 0


def check_history(history: list[Call], checks: GroupChecks) -> int:
    """Check everything that clients were told; return how many searches gave no verdict."""
    requests = [
        decode_request(entry.payload)
        for entry in checks.entries_applied
        if entry.kind is EntryKind.COMMAND
    ]
    proposed = {(request.client, request.number) for request in requests}
    happened = {
        (request.client, request.number) for request in map(decode_request, checks.effective)
    }
    _check_plain(history, requests, proposed)
    for call in history:
        written = call.transaction is not None and call.revision >= 0
        if written and (call.client, call.number) not in proposed:
            raise SimulationFailedError(
                f"an acknowledged proposal is lost: request {call.number} of client {call.client}"
            )
    _check_revisions(history, checks)
    undecided = 0
    for key in KEYS:
        operations = _operations(history, key, happened)
        try:
            if not is_linearizable(operations):
                raise SimulationFailedError(f"the history of {key.decode()} is not linearizable")
        except SearchTooLongError:
            undecided += 1
    return undecided


def _check_plain(
    history: list[Call], requests: list[Request], proposed: set[tuple[int, int]]
) -> None:
    """Check that plain requests come once at most, and that those told as undone never happened."""
    counts = Counter(
        (request.client, request.number) for request in requests if not request.repeatable
    )
    for (client, number), count in counts.items():
        if count > 1:
            raise SimulationFailedError(f"plain request {number} of client {client} came {count} x")
    for call in history:
        if call.undone and (call.client, call.number) in proposed:
            raise SimulationFailedError(
                f"request {call.number} of client {call.client} happened, and the client was told"
                " that it never would"
            )


def _check_revisions(history: list[Call], checks: GroupChecks) -> None:
    """Check that revisions, which witness the order over all keys, never contradict real time."""
    answered = [call for call in history if call.revision >= 0]
    moments = sorted(
        [(call.end_s, 1, number) for number, call in enumerate(answered)]
        + [(call.start_s, 0, number) for number, call in enumerate(answered)]
    )
    reached, floors = 0, {}
    for _, ends, number in moments:
        if ends:
            reached = max(reached, answered[number].revision)
        else:
            floors[number] = reached
    for number, call in enumerate(answered):
        if call.revision < floors[number]:
            kind = "read" if call.transaction is None else "write"
            raise SimulationFailedError(
                f"a stale {kind} of client {call.client}: revision {call.revision}, but"
                f" {floors[number]} was acknowledged before it began"
            )
        if call.transaction is None or call.refused:
            found = value_of(checks.records[call.revision].get(call.key))
            if found != call.seen:
                raise SimulationFailedError(
                    f"client {call.client} saw {call.seen} at revision {call.revision}, where"
                    f" {call.key.decode()} was {found}"
                )


def _operations(history: list[Call], key: bytes, happened: set[tuple[int, int]]) -> list[Operation]:
    operations = []
    for call in history:
        start, end = call.start_s, call.end_s
        transaction = call.transaction
        if transaction is None:
            if call.key == key and call.revision >= 0:
                operations.append(Operation(Act.READ, start, end, seen=call.seen))
            continue
        if call.refused:
            if call.key == key:
                operations.append(
                    Operation(Act.SWAP_REFUSED, start, end, expected=call.expected, seen=call.seen)
                )
            continue
        if call.revision < 0 and (call.client, call.number) not in happened:
            continue  # Never answered, and the log shows that it had no effect.
        for write in transaction.writes:
            if write.key != key:
                continue
            value = int(write.value) if isinstance(write, Put) else ABSENT
            act = Act.SWAP if transaction.guards else Act.WRITE
            operations.append(Operation(act, start, end, value=value, expected=call.expected))
    return operations
