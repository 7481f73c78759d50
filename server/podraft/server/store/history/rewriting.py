"""The one-time rewriting of a history file from an older layout into a newer one.

    new file beside the old one: all of its entries -> durable -> renamed over it

Owns: this order, and the copying of entries.

Invariants: a crash at any point leaves the old file or the new one, whole; the next start removes
what is left of an unfinished one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import lmdb

from podraft.server.store.directory import StoreOpenError, sync_directory
from podraft.server.store.history.environment import open_environment

Entry: TypeAlias = tuple[bytes, bytes]

_COPIED_AT_ONCE: Final = 10_000
_MAP_BYTES: Final = 64 * 1024 * 1024


def layout_of(path: Path) -> int:
    """Return the layout of the history file at ``path``; 0: there is none yet."""
    if not path.exists():
        return 0
    environment = open_environment(path, _MAP_BYTES)
    try:
        meta = environment.open_db(b"meta")
        with environment.begin(db=meta) as transaction:
            return int.from_bytes(transaction.get(b"layout") or b"", "big")
    finally:
        environment.close()


def rewrite(path: Path, map_bytes: int, copy: Callable[[Any, Any], None]) -> None:
    """Replace the file at ``path`` by a new one that ``copy`` fills from it; blocks.

    Raises:
        StoreOpenError: The file cannot be read, or the disk does not take the new one.
    """
    unfinished = path.with_name(f"{path.name}.rewriting")
    _remove(unfinished)
    source = open_environment(path, map_bytes)
    # Room also for the bytes that sealing adds to the smallest values.
    target = open_environment(unfinished, max(map_bytes, 4 * path.stat().st_size))
    try:
        copy(source, target)
        target.sync(True)
    except lmdb.Error as error:
        # The log needs the space more.
        _remove(unfinished)
        raise StoreOpenError(f"{path} cannot be rewritten: {error}") from None
    finally:
        source.close()
        target.close()
    _remove_lock(unfinished)
    unfinished.replace(path)
    sync_directory(path.parent)


def entries(source: Any, database: bytes) -> Iterator[Entry]:
    """Yield all entries of one database, in order."""
    found = source.open_db(database)
    with source.begin(db=found) as transaction, transaction.cursor() as cursor:
        yield from cursor


def put_all(target: Any, database: bytes, ordered: Iterable[Entry]) -> None:
    """Put entries, which come in the order of their keys, into an empty database."""
    to = target.open_db(database)
    items = iter(ordered)
    while chunk := list(islice(items, _COPIED_AT_ONCE)):
        with target.begin(write=True, db=to) as transaction, transaction.cursor() as cursor:
            cursor.putmulti(chunk, append=True)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _remove_lock(path)


def _remove_lock(path: Path) -> None:
    path.with_name(f"{path.name}-lock").unlink(missing_ok=True)
