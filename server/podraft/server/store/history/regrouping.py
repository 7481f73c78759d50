"""The one-time addition of API groups to the keys of a history file of layout 2.

Owns: the rewriting of layout 2, whose keys lack the groups of five resources (see
``state/key_forms``), into layout 3.

Invariants: every version of every key keeps its value, its revisions, its time and its author, so
the past reads as before; the state's digest does not change, because digests cover keys in their
written form.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from heapq import merge
from pathlib import Path
from typing import Any, Final

from podraft.server.encryption.sealing import Sealer
from podraft.server.state.key_forms import WRITTEN_PREFIXES, grouped
from podraft.server.state.keyspace import prefix_end
from podraft.server.store.history.environment import LAYOUT_VERSION
from podraft.server.store.history.revision_entries import renamed_revision
from podraft.server.store.history.rewriting import Entry, entries, layout_of, put_all, rewrite
from podraft.server.store.history.versions import SUFFIX_BYTES, Versions

_LOG = logging.getLogger(__name__)

UNGROUPED_LAYOUT: Final = 2
_TELL_EVERY_S: Final = 5.0


def regroup(path: Path, sealer: Sealer, map_bytes: int) -> None:
    """Rewrite the history file at ``path`` if it has layout 2; blocks.

    Raises:
        StoreOpenError: It is damaged, or the disk does not take the new file.
    """
    if layout_of(path) != UNGROUPED_LAYOUT:
        return
    _LOG.warning("%s: its keys get the API groups of their kinds, once", path)

    def copy(source: Any, target: Any) -> None:
        put_all(target, b"history", _told(path, source, _versions(source, Versions(sealer))))
        put_all(target, b"revisions", map(_revision, entries(source, b"revisions")))
        put_all(target, b"requests", entries(source, b"requests"))
        put_all(target, b"meta", map(_meta, entries(source, b"meta")))

    rewrite(path, map_bytes, copy)
    _LOG.warning("%s: all of its keys have their groups", path)


def _versions(source: Any, versions: Versions) -> Iterator[Entry]:
    """Yield all versions in the order of their new keys."""
    history = source.open_db(b"history")
    with source.begin(db=history) as transaction:
        moved = (_moved(transaction.cursor(), prefix, versions) for prefix in WRITTEN_PREFIXES)
        yield from merge(_unmoved(transaction.cursor()), *moved)


def _moved(cursor: Any, prefix: bytes, versions: Versions) -> Iterator[Entry]:
    found = cursor.set_range(prefix)
    while found and cursor.key().startswith(prefix):
        name, stored = cursor.item()
        yield versions.renamed(name, stored, grouped(name[:-SUFFIX_BYTES]))
        found = cursor.next()


def _unmoved(cursor: Any) -> Iterator[Entry]:
    found = cursor.first()
    while found:
        name = cursor.key()
        prefix = name[: name.find(b"/") + 1]
        if prefix in WRITTEN_PREFIXES:
            found = cursor.set_range(prefix_end(prefix))
            continue
        yield cursor.item()
        found = cursor.next()


def _told(path: Path, source: Any, versions: Iterator[Entry]) -> Iterator[Entry]:
    """Yield the versions, logging now and then how many there were."""
    with source.begin() as transaction:
        total = transaction.stat(source.open_db(b"history", txn=transaction))["entries"]
    told_s = time.monotonic()
    for number, version in enumerate(versions):
        yield version
        if time.monotonic() - told_s >= _TELL_EVERY_S:
            told_s = time.monotonic()
            _LOG.warning("%s: %d of %d versions are rewritten", path, number + 1, total)


def _revision(entry: Entry) -> Entry:
    name, stored = entry
    return name, renamed_revision(stored, grouped)


def _meta(entry: Entry) -> Entry:
    return (entry[0], LAYOUT_VERSION.to_bytes(8, "big")) if entry[0] == b"layout" else entry
