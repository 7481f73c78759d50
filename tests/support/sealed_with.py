"""The data keys that the files of a closed data directory need."""

from __future__ import annotations

from pathlib import Path

import lmdb


def keys_in_use(directory: Path) -> set[bytes]:
    """Return the ids of all data keys with which an entry of the history or the log is sealed."""
    return _in_history(directory / "history.lmdb") | _in_logs(directory)


def _in_history(path: Path) -> set[bytes]:
    environment = lmdb.open(str(path), subdir=False, max_dbs=4, readonly=True, lock=False)
    found = set()
    try:
        for name, head in ((b"history", 9), (b"requests", 8)):
            with environment.begin(db=environment.open_db(name, create=False)) as transaction:
                found |= {stored[head : head + 8] for _, stored in transaction.cursor()}
        with environment.begin(db=environment.open_db(b"meta", create=False)) as transaction:
            digest = transaction.get(b"state_digest")
            if digest is not None:
                found.add(digest[:8])
    finally:
        environment.close()
    return found


def _in_logs(directory: Path) -> set[bytes]:
    found = set()
    for path in [*directory.glob("wal/*.wal"), *directory.glob("raft/*.wal")]:
        content = path.read_bytes()
        offset = 40
        while content[offset : offset + 4] == b"FRAM":
            found.add(content[offset + 32 : offset + 40])
            offset += 32 + int.from_bytes(content[offset + 8 : offset + 12], "little")
    return found
