"""The registry of nodes: asked in memory at every call of a node, true on every server.

Owns: the copy of the stored registry, kept by a watch.  Invariants: only what the store itself
says refuses a node for good, never a copy that may lag; a key that nobody has entered yet becomes
its name's own, once, by a guarded write; a look-up costs one dictionary access.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from podraft.api import kinds
from podraft.api.violations import Violation
from podraft.server.auth import node_records
from podraft.server.auth.node_records import NodeRecord
from podraft.server.auth.recognition import Proof
from podraft.server.registry import keys
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.state.datastore import (
    Committed,
    Datastore,
    Guard,
    Put,
    RevisionCompactedError,
    SlowWatcherError,
    StoreFailedError,
    StoreOverloadedError,
    StoreUnavailableError,
    Transaction,
)

_LOG = logging.getLogger(__name__)

_PAUSE_AFTER_FAILURE_S: Final = 0.2
_CONFIRMING_MAX: Final = 256
_ATTEMPTS: Final = 3
_FORGOTTEN_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class _Entry:
    revision: int
    record: NodeRecord


class NodeRegistry:
    """The nodes by name; ``observers`` are called with the name of each that has changed."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._entries: dict[str, _Entry] = {}
        self._revision = 0
        # The refusals by the store itself, at the revision that the entry had then.
        self._refused: dict[tuple[str, str], int] = {}
        self._confirming: dict[str, asyncio.Task[None]] = {}
        self._following: asyncio.Task[None] | None = None
        self.observers: list[Callable[[str], None]] = []

    async def start(self) -> None:
        """Read the whole registry and begin to follow the store."""
        await self._read_all()
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following the store."""
        tasks = [*self._confirming.values(), *([self._following] if self._following else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def record(self, name: str) -> NodeRecord | None:
        """Return the entry of ``name``, as far as this server knows."""
        entry = self._entries.get(name)
        return entry.record if entry is not None else None

    def check(self, proof: Proof) -> None:
        """Check that the node of ``proof`` is registered with its key.

        Raises:
            RefusedError: It is not, or the store must be asked first.
        """
        name = proof.node
        assert name is not None  # Only nodes are registered here.
        entry = self._entries.get(name)
        if entry is not None and entry.record.key == proof.key:
            return
        revision = entry.revision if entry is not None else 0
        if self._refused.get((name, proof.key)) == revision:
            raise _removed(name, entry)
        self._confirm_soon(name, proof)
        raise RefusedError(Code.UNAVAILABLE, f'node "{name}" is being looked up; try again')

    def forgotten(self, now_s: float) -> list[Guard]:
        """Return guards on some entries of removed nodes that need not be remembered any more."""
        found = (
            Guard(node_records.key_of(name), entry.revision)
            for name, entry in self._entries.items()
            if entry.record.is_forgotten(now_s)
        )
        return list(itertools.islice(found, _FORGOTTEN_AT_ONCE))

    def took(self, name: str, record: NodeRecord, revision: int) -> None:
        """Take over ``record``, which the store holds since ``revision``."""
        before = self._entries.get(name)
        if before is not None and before.revision >= revision:
            return
        self._entries[name] = _Entry(revision, record)
        if before is None or before.record.key != record.key:
            for observer in self.observers:
                observer(name)

    async def renewed(self, name: str) -> None:
        """Note that ``name`` gets a certificate of the present kind.

        Raises:
            RefusedError: The node was removed meanwhile.
        """
        entry = self._entries.get(name)
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
        entry = self._entries.get(name)
        if entry is not None and entry.record.key == key:
            return
        if len(self._refused) >= _CONFIRMING_MAX:
            del self._refused[next(iter(self._refused))]
        self._refused[(name, key)] = entry.revision if entry is not None else 0
        _LOG.warning("refused: %s", _refusal(name, entry))

    # The copy.

    async def _read_all(self) -> None:
        page = await self._datastore.range(node_records.PREFIX)
        found = {node_records.name_of(record.key): record for record in page.records}
        for name in self._entries.keys() - found.keys():
            self._forget(name, page.revision)
        for name, record in found.items():
            self.took(name, NodeRecord.decode(record.value), record.mod_revision)
        self._revision = page.revision

    def _forget(self, name: str, revision: int) -> None:
        entry = self._entries.get(name)
        if entry is not None and entry.revision <= revision:
            del self._entries[name]
            for observer in self.observers:
                observer(name)

    async def _follow(self) -> None:
        while True:
            try:
                async for batch in self._datastore.watch(node_records.PREFIX, self._revision):
                    for event in batch.events:
                        name = node_records.name_of(event.key)
                        if event.value is None:
                            self._forget(name, event.revision)
                        else:
                            self.took(name, NodeRecord.decode(event.value), event.revision)
                    self._revision = max(self._revision, batch.revision)
            except (RevisionCompactedError, SlowWatcherError):
                await self._read_again()
            except StoreUnavailableError:
                pass  # Another one may lead soon, or etcd be back.
            except StoreFailedError:
                return  # The process ends and says why.
            except Exception:  # noqa: BLE001 - whatever it was, the registry must go on
                _LOG.exception("the registry of nodes failed")
            await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)

    async def _read_again(self) -> None:
        try:
            await self._read_all()
        except StoreFailedError as error:
            _LOG.warning("the registry of nodes cannot be read: %s", error)


def _removed(name: str, entry: _Entry | None) -> RefusedError:
    """Return the refusal that tells an agent for good that it is this node no more."""
    violation = Violation("node", "is not this machine any more")
    return RefusedError(Code.UNAUTHENTICATED, _refusal(name, entry), (violation,))


def _refusal(name: str, entry: _Entry | None) -> str:
    if entry is not None and entry.record.key:
        return f'the certificate is for a key that node "{name}" does not have any more'
    return f'node "{name}" was removed from the cluster: it must join again, with a new token'
