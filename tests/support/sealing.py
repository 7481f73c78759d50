"""Keys for tests of files on a disk."""

from __future__ import annotations

from pathlib import Path

from podraft.server.encryption.key_file import beside
from podraft.server.encryption.key_ring import RING_FILE, KeyRing
from podraft.server.encryption.sealing import Sealer, new_data_key

# For files that a test writes and reads itself.
SEALER = Sealer(new_data_key())


def ring_of(directory: Path) -> KeyRing:
    """Return the key ring of a data directory, made as a store would make it."""
    path = directory / RING_FILE
    keys = beside(directory)
    return KeyRing.open(path, keys) or KeyRing.create(path, keys, sealed=True)
