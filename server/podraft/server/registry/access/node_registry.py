"""The registry of nodes: asked in memory at every call of a node, true on every server.

Owns: whom this server takes for a node, and who hears of changes.  Invariants: only what the store
itself says refuses a node for good, never a copy that may lag; a key that nobody has entered yet
becomes its name's own, once, by a guarded write; a look-up costs one dictionary access.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from podraft.api import kinds
from podraft.api.violations import Violation
from podraft.server.auth import node_records
from podraft.server.auth.node_records import NodeRecord
from podraft.server.auth.recognition import Proof
from podraft.server.registry import keys
from podraft.server.registry.access.stored_records import Entry, StoredRecords
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.state.datastore import (
    Committed,
    Datastore,
    Guard,
    Put,
    StoreFailedError,
    StoreOverloadedError,
    Transaction,
)

_LOG = logging.getLogger(__name__)

_CONFIRMING_MAX: Final = 256
_ATTEMPTS: Final = 3


class NodeRegistry:
    """The nodes by name; ``observers`` are called with the name of each that has changed."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._records = StoredRecords(
            datastore, node_records.PREFIX, NodeRecord.decode, self._tell, "the registry of nodes"
        )
        # The refusals by the store itself, at the revision that the entry had then.
        self._refused: dict[tuple[str, str], int] = {}
        self._confirming: dict[str, asyncio.Task[None]] = {}
        self.observers: list[Callable[[str], None]] = []

    async def start(self) -> None:
        """Read the whole registry and begin to follow the store."""
        await self._records.start()

    async def stop(self) -> None:
        """Stop following the store."""
        await self._records.stop()
        tasks = list(self._confirming.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def record(self, name: str) -> NodeRecord | None:
        """Return the entry of ``name``, as far as this server knows."""
        entry = self._records.get(name)
        return entry.record if entry is not None else None

    def check(self, proof: Proof) -> None:
        """Check that the node of ``proof`` is registered with its key.

        Raises:
            RefusedError: It is not, or the store must be asked first.
        """
        name = proof.node
        assert name is not None  # Only nodes are registered here.
        entry = self._records.get(name)
        if entry is not None and entry.record.key == proof.key:
            return
        revision = entry.revision if entry is not None else 0
        if self._refused.get((name, proof.key)) == revision:
            raise _removed(name, entry)
        self._confirm_soon(name, proof)
        raise RefusedError(Code.UNAVAILABLE, f'node "{name}" is being looked up; try again')

    def forgotten(self, now_s: float) -> list[Guard]:
        """Return guards on some entries of removed nodes that need not be remembered any more."""
        return self._records.forgotten(now_s)

    def took(self, name: str, record: NodeRecord, revision: int) -> None:
        """Take over ``record``, which the store holds since ``revision``."""
        self._records.took(name, record, revision)

    def _tell(self, name: str, before: NodeRecord | None, after: NodeRecord | None) -> None:
        if before is None or after is None or before.key != after.key:
            for observer in self.observers:
                observer(name)

    async def renewed(self, name: str) -> None:
        """Note that ``name`` gets a certificate of the present kind.

        Raises:
            RefusedError: The node was removed meanwhile.
        """
        entry = self._records.get(name)
        if entry is None or not entry.record.key:
            raise _removed(name, entry)
        if not entry.record.older:
            return
        key, record = node_records.key_of(name), entry.record.renewed()
        put = Put(key, record.encode(), stamped=False)
        transaction = Transaction((Guard(key, entry.revision),), (put,))
        outcome = await self._datastore.transact(transaction)
        if not isinstance(outcome, Committed):
            raise RefusedError(Code.UNAVAILABLE, f'node "{name}" changes; try again')
        self.took(name, record, outcome.revision)

    # The store's word.

    def _confirm_soon(self, name: str, proof: Proof) -> None:
        if name in self._confirming or len(self._confirming) >= _CONFIRMING_MAX:
            return
        task = asyncio.create_task(self._confirm(name, proof))
        self._confirming[name] = task
        task.add_done_callback(lambda _: self._confirming.pop(name, None))

    async def _confirm(self, name: str, proof: Proof) -> None:
        """Ask the store whether a node stands; enter a key that is the first of its name."""
        key = node_records.key_of(name)
        try:
            for _ in range(_ATTEMPTS):
                found = await self._datastore.get(key)
                if found is not None:
                    self.took(name, NodeRecord.decode(found.value), found.mod_revision)
                    break
                if proof.is_older and not await self._exists(name):
                    break  # The node was removed before there was a registry.
                record = NodeRecord(proof.key, older=proof.is_older)
                put = Put(key, record.encode(), stamped=False)
                outcome = await self._datastore.transact(Transaction((Guard(key, 0),), (put,)))
                if isinstance(outcome, Committed):
                    _LOG.info('the key of node "%s" is known from now on', name)
                    self.took(name, record, outcome.revision)
                    break
        except (StoreFailedError, StoreOverloadedError) as error:
            _LOG.warning('node "%s" cannot be looked up: %s', name, error)
            return
        self._remember_refusal(name, proof.key)

    async def _exists(self, name: str) -> bool:
        return await self._datastore.get(keys.of_object(kinds.NODE, "", name)) is not None

    def _remember_refusal(self, name: str, key: str) -> None:
        entry = self._records.get(name)
        if entry is not None and entry.record.key == key:
            return
        if len(self._refused) >= _CONFIRMING_MAX:
            del self._refused[next(iter(self._refused))]
        self._refused[(name, key)] = entry.revision if entry is not None else 0
        _LOG.warning("refused: %s", _refusal(name, entry))


def _removed(name: str, entry: Entry[NodeRecord] | None) -> RefusedError:
    """Return the refusal that tells an agent for good that it is this node no more."""
    violation = Violation("node", "is not this machine any more")
    return RefusedError(Code.UNAUTHENTICATED, _refusal(name, entry), (violation,))


def _refusal(name: str, entry: Entry[NodeRecord] | None) -> str:
    if entry is not None and entry.record.key:
        return f'the certificate is for a key that node "{name}" does not have any more'
    return f'node "{name}" was removed from the cluster: it must join again, with a new token'
