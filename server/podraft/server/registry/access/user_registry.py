"""The registry of users: asked in memory at every call of a user, true on every server.

Owns: the copy of the stored registry, kept by a watch, and its changes.  Invariants: a user whose
name was revoked makes no call and keeps no stream, on any server, once the server knows; the number
of entries is bounded, and entries that no certificate needs are dropped.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from podraft.server.auth import user_records
from podraft.server.auth.recognition import Proof
from podraft.server.auth.user_records import UserRecord
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.state.datastore import (
    Committed,
    Datastore,
    Delete,
    Guard,
    Put,
    RevisionCompactedError,
    SlowWatcherError,
    StoreFailedError,
    StoreUnavailableError,
    Transaction,
)

_LOG = logging.getLogger(__name__)

USERS_MAX: Final = 10_000
_ATTEMPTS_MAX: Final = 5
_DROPPED_AT_ONCE: Final = 20
_PAUSE_AFTER_FAILURE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Entry:
    revision: int
    record: UserRecord


class UserRegistry:
    """The users by name; ``observers`` are called with the name of each that has changed."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._entries: dict[str, _Entry] = {}
        self._revision = 0
        self._following: asyncio.Task[None] | None = None
        self.observers: list[Callable[[str], None]] = []

    async def start(self) -> None:
        """Read the whole registry and begin to follow the store."""
        await self._read_all()
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following the store."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    def check(self, proof: Proof) -> None:
        """Check that a user's certificate was not revoked.

        Raises:
            RefusedError: It was.
        """
        entry = self._entries.get(proof.identity.user)
        if entry is not None and proof.key not in entry.record.keys:
            raise RefusedError(
                Code.UNAUTHENTICATED, f'the certificate of "{proof.identity.user}" was revoked'
            )

    async def listed(self) -> list[tuple[str, UserRecord]]:
        """Return all users and their entries, by name."""
        page = await self._datastore.range(user_records.PREFIX, limit=USERS_MAX)
        return [
            (user_records.name_of(record.key), UserRecord.decode(record.value))
            for record in page.records
        ]

    async def admit(
        self, name: str, key: str, expires_at_s: int, groups: Collection[str], by: str
    ) -> None:
        """Let one more key speak for a user.

        Raises:
            RefusedError: There are too many users, or too many keys of this one.
        """
        now_s = time.time()

        def admitted(record: UserRecord | None) -> UserRecord:
            if record is None:
                record = UserRecord({}, created_by=by, created_at_s=int(now_s))
            record = record.cleared(now_s)
            if len(record.keys) >= user_records.KEYS_MAX:
                raise RefusedError(
                    Code.RESOURCE_EXHAUSTED,
                    f'user "{name}" has {len(record.keys)} certificates that have not expired: '
                    f"`podraft user revoke {name}` ends all of them",
                )
            return record.with_key(key, expires_at_s, groups)

        await self._change(name, admitted)

    async def revoke(self, name: str) -> None:
        """Let no key speak for a user any more.

        Raises:
            RefusedError: There are too many users that must be remembered.
        """
        now_s = time.time()

        def revoked(record: UserRecord | None) -> UserRecord:
            return (record or UserRecord({})).revoked(now_s)

        await self._change(name, revoked)

    async def _change(self, name: str, change: Callable[[UserRecord | None], UserRecord]) -> None:
        key = user_records.key_of(name)
        for _ in range(_ATTEMPTS_MAX):
            found = await self._datastore.get(key)
            record = change(UserRecord.decode(found.value) if found is not None else None)
            if found is None and len(self._entries) >= USERS_MAX:
                raise RefusedError(
                    Code.RESOURCE_EXHAUSTED,
                    f"{USERS_MAX} users are known whose certificates have not expired",
                )
            guards = [Guard(key, found.mod_revision if found is not None else 0)]
            writes: list[Put | Delete] = [Put(key, record.encode(), stamped=False)]
            for guard in self._forgotten(name):
                guards.append(guard)
                writes.append(Delete(guard.key))
            outcome = await self._datastore.transact(Transaction(tuple(guards), tuple(writes)))
            if isinstance(outcome, Committed):
                self._took(name, record, outcome.revision)
                return
        raise RefusedError(Code.ABORTED, f'user "{name}" is being changed by others; try again')

    def _forgotten(self, but: str) -> list[Guard]:
        now_s = time.time()
        found = (
            Guard(user_records.key_of(name), entry.revision)
            for name, entry in self._entries.items()
            if name != but and entry.record.is_forgotten(now_s)
        )
        return list(itertools.islice(found, _DROPPED_AT_ONCE))

    # The copy.

    def _took(self, name: str, record: UserRecord, revision: int) -> None:
        before = self._entries.get(name)
        if before is not None and before.revision >= revision:
            return
        self._entries[name] = _Entry(revision, record)
        for observer in self.observers:
            observer(name)

    def _forget(self, name: str, revision: int) -> None:
        entry = self._entries.get(name)
        if entry is not None and entry.revision <= revision:
            del self._entries[name]

    async def _read_all(self) -> None:
        page = await self._datastore.range(user_records.PREFIX)
        found = {user_records.name_of(record.key): record for record in page.records}
        for name in self._entries.keys() - found.keys():
            self._forget(name, page.revision)
        for name, record in found.items():
            self._took(name, UserRecord.decode(record.value), record.mod_revision)
        self._revision = page.revision

    async def _follow(self) -> None:
        while True:
            try:
                async for batch in self._datastore.watch(user_records.PREFIX, self._revision):
                    for event in batch.events:
                        name = user_records.name_of(event.key)
                        if event.value is None:
                            self._forget(name, event.revision)
                        else:
                            self._took(name, UserRecord.decode(event.value), event.revision)
                    self._revision = max(self._revision, batch.revision)
            except (RevisionCompactedError, SlowWatcherError):
                await self._read_again()
            except StoreUnavailableError:
                pass  # Another one may lead soon, or etcd be back.
            except StoreFailedError:
                return  # The process ends and says why.
            except Exception:  # noqa: BLE001 - whatever it was, the registry must go on
                _LOG.exception("the registry of users failed")
            await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)

    async def _read_again(self) -> None:
        try:
            await self._read_all()
        except StoreFailedError as error:
            _LOG.warning("the registry of users cannot be read: %s", error)
