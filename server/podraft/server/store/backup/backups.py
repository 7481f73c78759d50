"""Making a backup of a running store, and restoring a store from a backup.

Owns: the order of reading and writing; ``backup_format`` owns the file's format.

Invariants: a backup is the state of exactly one revision, because every page of it is read at
that revision.  ``restore`` writes nothing until the whole file has been checked.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from itertools import groupby
from pathlib import Path
from typing import Final

from podraft.client.serving.private_files import UnsafeDirectoryError, make_private_directory
from podraft.server.encryption.key_encryption import EncryptionError, KeyEncryption
from podraft.server.encryption.key_file import beside
from podraft.server.encryption.key_ring import RING_FILE, KeyRing
from podraft.server.encryption.sealing import Sealer
from podraft.server.state.datastore import Datastore, Event, Record
from podraft.server.state.digests import state_digest
from podraft.server.store.backup.backup_format import (
    Backup,
    BackupEncoder,
    BackupError,
    BackupFacts,
    BackupReader,
)
from podraft.server.store.backup.unsealed_backup import UnsealedReader, is_unsealed
from podraft.server.store.directory import sync_directory
from podraft.server.store.history.environment import HISTORY_FILE
from podraft.server.store.history.history_file import History, HistoryBatch
from podraft.server.store.options import StoreOptions, wall_clock_ms

# A restored cluster's revisions begin far above the backup's.  The old cluster went on for a while
# after the backup: its clients must not mistake the new cluster's revisions for the old ones.
REVISIONS_SKIPPED: Final = 1_000_000_000

_PAGE_RECORDS: Final = 1_000
_EVENTS_PER_COMMIT: Final = 5_000


async def chunks(
    datastore: Datastore, encoder: BackupEncoder, revision: int
) -> AsyncGenerator[bytes, None]:
    """Yield the backup file of the state at ``revision``, page by page.

    Raises:
        RevisionCompactedError: The backup took longer than history is kept.
    """
    yield encoder.header()
    last = b""
    more = True
    while more:
        page = await datastore.range(b"", start_after=last, limit=_PAGE_RECORDS, revision=revision)
        for chunk in encoder.page(page.records):
            yield chunk
        more = page.more
        if page.records:
            last = page.records[-1].key
    yield encoder.end()


def read(path: Path, keys: KeyEncryption, *, accept_unsealed: bool = False) -> Backup:
    """Return the content of the file, after all of it has been checked.

    ``accept_unsealed``: accept also a file of format 1, which anyone can have made.

    Raises:
        BackupError: It is not a backup, has another version, is damaged, forged or not whole, or
            none of ``keys`` opens it.
    """
    try:
        with path.open("rb") as file:
            if not is_unsealed(file):
                return BackupReader(path, file, keys).read()
            if not accept_unsealed:
                raise BackupError(
                    f"{path} was made by an older podraft-server: it is neither encrypted nor "
                    "protected against forgery; if you are sure where it comes from, add "
                    "--accept-unsealed"
                )
            return UnsealedReader(path, file).read()
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}") from None


def restore(
    path: Path,
    directory: Path,
    keys: KeyEncryption | None = None,
    *,
    backup_keys: KeyEncryption | None = None,
    accept_unsealed: bool = False,
) -> tuple[BackupFacts, int]:
    """Make ``directory``, which must be absent or empty, the store of a new cluster.

    ``keys`` (by default the key file beside the directory) wrap the directory's data keys, and
    open the backup unless ``backup_keys`` are given.
    Return the backup's facts, and the revision at which the new cluster begins.
    Clients that knew the old cluster are told that their revisions are no longer kept.

    Raises:
        BackupError: The file or the directory cannot be used; nothing was written.
        OSError: The disk failed; the directory is as it was.
    """
    keys = keys or beside(directory)
    backup = read(path, backup_keys or keys, accept_unsealed=accept_unsealed)
    if directory.exists() and any(directory.iterdir()):
        raise BackupError(f"{directory} is not empty; a backup is restored into a new directory")
    try:
        make_private_directory(directory.parent)
    except UnsafeDirectoryError as error:
        raise BackupError(str(error)) from None
    # Under another name until it is whole, so that no server can start on half of it.
    unfinished = directory.with_name(f".{directory.name}.restoring")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    try:
        ring = KeyRing.create(unfinished / RING_FILE, keys, sealed=True)
        revision = _write_history(backup, unfinished / HISTORY_FILE, ring.sealer)
        unfinished.rename(directory)
        sync_directory(directory.parent)
    except EncryptionError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise BackupError(str(error)) from None
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return backup.facts, revision


def _write_history(backup: Backup, path: Path, sealer: Sealer) -> int:
    """Write the records, mark everything before them as compacted, and return the revision.

    The new file gets no cluster id: the first server that opens it makes one.
    """
    revision = backup.facts.revision + REVISIONS_SKIPPED
    history = History(path, StoreOptions().history_map_bytes, sealer)
    try:
        pending: list[HistoryBatch] = []
        events = 0
        by_revision = sorted(backup.records, key=lambda record: record.mod_revision)
        for modified, records in groupby(by_revision, key=lambda record: record.mod_revision):
            made = tuple(_event(record) for record in records)
            pending.append(HistoryBatch(0, modified, backup.facts.time_ms, made))
            events += len(made)
            if events >= _EVENTS_PER_COMMIT:
                history.append(pending)
                pending, events = [], 0
        digest = state_digest(backup.records)
        pending.append(HistoryBatch(0, revision, wall_clock_ms(), (), digest=digest))
        history.append(pending)
        history.compact(revision, revision)
    finally:
        history.close()
    return revision


def _event(record: Record) -> Event:
    return Event(record.mod_revision, record.key, record.value, record.create_revision, None)
