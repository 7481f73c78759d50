"""Transactions of nf_tables: changes are gathered here, then committed by a `Connection`.

Invariant: no attribute exceeds netlink's 64 KiB; element lists are split into messages.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from podraft.agent.network.core.nft import wire
from podraft.agent.network.core.nft.sets import Key, MapSpec, Value

FAMILY_IPV4 = 2
_ELEMENTS_SIZE_MAX = 60_000

NEW_TABLE, GET_TABLE, DELETE_TABLE = 0, 1, 2
NEW_CHAIN, DELETE_CHAIN = 3, 5
NEW_RULE, GET_RULE, DELETE_RULE = 6, 7, 8
NEW_SET = 9
NEW_ELEMENTS, GET_ELEMENTS, DELETE_ELEMENTS = 12, 13, 14
NEW_GENERATION, GET_GENERATION = 15, 16


class Hook(enum.IntEnum):
    """The point on its way where a packet meets a base chain."""

    PREROUTING = 0
    INPUT = 1
    FORWARD = 2
    OUTPUT = 3
    POSTROUTING = 4


@dataclass(frozen=True, slots=True)
class Change:
    """One message of a batch, and its description for errors."""

    kind: int
    flags: int
    body: bytes
    description: str


class Batch:
    """Changes of one table, in the order in which they are to be made."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.changes: list[Change] = []
        self._table_name = wire.text(1, table)
        self._set_count = 0

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def rule_count(self) -> int:
        """The number of rules that the batch adds."""
        return sum(1 for change in self.changes if change.kind == NEW_RULE)

    def add_table(self) -> None:
        """Create the table unless it exists."""
        self._add(NEW_TABLE, wire.CREATE, "table", self._table_name, wire.number(2, 0))

    def delete_table(self) -> None:
        """Delete the table with everything in it; it must exist."""
        self._add(DELETE_TABLE, 0, "removal of the table", self._table_name)

    def replace_table(self) -> None:
        """Start over with an empty table, whether or not one exists."""
        self.add_table()
        self.delete_table()
        self.add_table()

    def add_chain(self, name: str) -> None:
        """Add a chain that rules jump to."""
        self._add(NEW_CHAIN, wire.CREATE, f"chain {name}", self._table_name, wire.text(3, name))

    def add_base_chain(self, name: str, kind: str, hook: Hook, priority: int) -> None:
        """Add a chain that packets meet at a hook; ``kind`` is ``nat`` or ``filter``."""
        self._add(
            NEW_CHAIN,
            wire.CREATE,
            f"chain {name}",
            self._table_name,
            wire.text(3, name),
            wire.nested(4, wire.number(1, hook), wire.number(2, priority)),
            wire.number(5, 1),
            wire.text(7, kind),
        )

    def add_rule(self, chain: str, *expressions: bytes) -> None:
        """Append a rule to a chain."""
        self._add(
            NEW_RULE,
            wire.CREATE | wire.APPEND,
            f"rule of chain {chain}",
            self._table_name,
            wire.text(2, chain),
            wire.nested(4, *expressions),
        )

    def add_map(self, spec: MapSpec) -> None:
        """Declare a set or map."""
        self._set_count += 1
        attributes = spec.pack(self._set_count)
        self._add(NEW_SET, wire.CREATE, f"map {spec.name}", self._table_name, *attributes)

    def add_elements(self, spec: MapSpec, elements: Iterable[tuple[Key, Value]]) -> None:
        """Add elements; a key that exists with another value is an error (EEXIST)."""
        packed = (spec.pack_element(key, value) for key, value in elements)
        self._elements(NEW_ELEMENTS, wire.CREATE, spec, packed)

    def delete_elements(self, spec: MapSpec, keys: Iterable[Key]) -> None:
        """Delete elements; a key that does not exist is an error (ENOENT)."""
        packed = (spec.pack_element(key) for key in keys)
        self._elements(DELETE_ELEMENTS, 0, spec, packed)

    def _elements(self, kind: int, flags: int, spec: MapSpec, packed: Iterable[bytes]) -> None:
        head = (self._table_name, wire.text(2, spec.name))
        what = f"elements of {spec.name}"
        _split(packed, lambda part: self._add(kind, flags, what, *head, wire.nested(3, *part)))

    def _add(self, kind: int, flags: int, description: str, *attributes: bytes) -> None:
        body = wire.FAMILY_HEADER.pack(FAMILY_IPV4, 0, 0) + b"".join(attributes)
        self.changes.append(Change(kind, flags, body, description))


def _split(packed: Iterable[bytes], emit: Callable[[list[bytes]], None]) -> None:
    part: list[bytes] = []
    size = 0
    for element in packed:
        if size + len(element) > _ELEMENTS_SIZE_MAX:
            emit(part)
            part, size = [], 0
        part.append(element)
        size += len(element)
    if part:
        emit(part)
