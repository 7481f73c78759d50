"""The registry of users: asked in memory at every call of a user, true on every server.

Owns: the changes of the stored registry, and who hears of them.  Invariants: a user whose name was
revoked makes no call and keeps no stream, on any server, once the server knows; the number of
entries is bounded, and entries that no certificate needs are dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

from podraft.server.auth import user_records
from podraft.server.auth.recognition import Proof
from podraft.server.auth.user_records import UserRecord
from podraft.server.registry.access.stored_records import StoredRecords
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.state.datastore import (
    Committed,
    Datastore,
    Delete,
    Guard,
    Put,
    Transaction,
)

USERS_MAX: Final = 10_000
_ATTEMPTS_MAX: Final = 5


class UserRegistry:
    """The users by name; ``observers`` are called with the name of each that has changed."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._records = StoredRecords(
            datastore, user_records.PREFIX, UserRecord.decode, self._tell, "the registry of users"
        )
        self.observers: list[Callable[[str], None]] = []

    async def start(self) -> None:
        """Read the whole registry and begin to follow the store."""
        await self._records.start()

    async def stop(self) -> None:
        """Stop following the store."""
        await self._records.stop()

    def check(self, proof: Proof) -> None:
        """Check that a user's certificate was not revoked.

        Raises:
            RefusedError: It was.
        """
        entry = self._records.get(proof.identity.user)
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
            if found is None and len(self._records) >= USERS_MAX:
                raise RefusedError(
                    Code.RESOURCE_EXHAUSTED,
                    f"{USERS_MAX} users are known whose certificates have not expired",
                )
            guards = [Guard(key, found.mod_revision if found is not None else 0)]
            writes: list[Put | Delete] = [Put(key, record.encode(), stamped=False)]
            for guard in self._records.forgotten(time.time()):
                if guard.key == key:
                    continue
                guards.append(guard)
                writes.append(Delete(guard.key))
            outcome = await self._datastore.transact(Transaction(tuple(guards), tuple(writes)))
            if isinstance(outcome, Committed):
                self._records.took(name, record, outcome.revision)
                return
        raise RefusedError(Code.ABORTED, f'user "{name}" is being changed by others; try again')

    def _tell(self, name: str, _before: UserRecord | None, _after: UserRecord | None) -> None:
        for observer in self.observers:
            observer(name)
