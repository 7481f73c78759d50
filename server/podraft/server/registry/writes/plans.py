"""Plans, and what they are made of.

Owns: the records between the writer, which carries writes out, and the planner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from podraft.api.kinds import KnownKinds
from podraft.server.kinds.hooks import AddressRanges
from podraft.server.registry.access.callers import Authorizer
from podraft.server.registry.slices import Work
from podraft.server.registry.writes import repeats
from podraft.server.registry.writes.claims import RangeReader
from podraft.server.registry.writes.operations import Operation
from podraft.server.registry.writes.results import Result
from podraft.server.state.datastore import Record, Transaction
from podraft.server.values import value


class Reader(RangeReader, Protocol):
    """The planner's reads, of the newest records."""

    async def get(self, key: bytes) -> Record | None:
        """Return the newest record of ``key``."""


@value
class PlanInputs:
    """The inputs of every plan besides the store and its caller."""

    known: KnownKinds
    now: Callable[[], datetime]
    new_uid: Callable[[], str]
    new_suffix: Callable[[], str]
    new_start: Callable[[], int]
    addresses: AddressRanges


@value
class Plan:
    """One transaction and the answers of its writes, in their order."""

    transaction: Transaction
    results: tuple[Result, ...]


@value
class WriteList:
    """Writes that take effect together, and their author.

    ``work``: the processor time of the call; ``call``: the id under which it may be repeated;
    ``numbered``: errors say which write they are about; ``manager``: the owner of what is written,
    empty if the caller names none.
    """

    operations: Sequence[Operation]
    authorize: Authorizer
    work: Work
    call: repeats.CallId = repeats.WITHOUT_ID
    numbered: bool = False
    manager: str = ""
