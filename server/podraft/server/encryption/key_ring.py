"""The data keys of one data directory, or of one prefix of an etcd.

Owns: ``keys.json`` in it: the wrapped keys; which of them seals now; whether everything else in
the directory is sealed.

Invariants: a key is durable here before anything is sealed with it, and is dropped only when
nothing is sealed with it any more.  Once everything is sealed, nothing unsealed is accepted.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

from podraft.client.serving.private_files import write_private
from podraft.server.encryption.key_encryption import EncryptionError, KeyEncryption, WrappedKey
from podraft.server.encryption.sealing import DataKey, Sealer, new_data_key

RING_FILE: Final = "keys.json"
_VERSION: Final = 1


class KeyRing:
    """An open key ring; its methods block and may be called from any thread."""

    def __init__(
        self,
        keys: KeyEncryption,
        save: Callable[[bytes], None],
        *,
        active: DataKey,
        others: Iterable[DataKey] = (),
        wrapped: Iterable[WrappedKey] = (),
        sealed: bool,
    ) -> None:
        self._keys = keys
        self._keep = save
        self._active = active
        self._others = {key.id: key for key in others}
        self._wrapped = {key.id: key for key in wrapped}
        self._sealed = sealed
        # The keys of a snapshot that is not installed yet: nothing shows yet that they are needed.
        self._awaited: frozenset[bytes] = frozenset()
        # How often keys have come with snapshots, or snapshots were installed.
        self._arrivals = 0
        self._lock = threading.Lock()
        self.sealer = Sealer(active, self._others.values())

    @classmethod
    def open(cls, path: Path, keys: KeyEncryption) -> KeyRing | None:
        """Return the ring at ``path``, None if there is none.

        Raises:
            EncryptionError: It is damaged, or its key-encryption key is missing.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EncryptionError(f"{path} cannot be read: {error.strerror}") from None
        return cls.decoded(content, str(path), keys, partial(write_private, path))

    @classmethod
    def decoded(
        cls, content: bytes, where: str, keys: KeyEncryption, save: Callable[[bytes], None]
    ) -> KeyRing:
        """Return the ring that was encoded as ``content``; ``save`` stores it after a change.

        Raises:
            EncryptionError: It is damaged, or its key-encryption key is missing.
        """
        try:
            ring = json.loads(content)
            if ring["version"] != _VERSION:
                raise EncryptionError(
                    f"{where} has version {ring['version']}, this podraft reads {_VERSION}"
                )
            wrapped = [_decoded(entry) for entry in ring["keys"]]
            active, sealed = bytes.fromhex(ring["active"]), bool(ring["sealed"])
        except (ValueError, KeyError, TypeError) as error:
            raise EncryptionError(f"{where} cannot be read: {error!r}") from None
        try:
            held = {key.id: DataKey(key.id, keys.unwrap(key)) for key in wrapped}
            first = held.pop(active)
        except KeyError:
            raise EncryptionError(f"{where} lacks its active key {active.hex()}") from None
        except EncryptionError as error:
            raise EncryptionError(f"{where}: {error}") from None
        others = held.values()
        return cls(keys, save, active=first, others=others, wrapped=wrapped, sealed=sealed)

    @classmethod
    def create(cls, path: Path, keys: KeyEncryption, *, sealed: bool) -> KeyRing:
        """Return a new ring, which is durable at ``path``.

        ``sealed``: whether the data already beside it, if any, is sealed.

        Raises:
            EncryptionError: Its key-encryption key cannot be used or made.
        """
        return cls.made(keys, partial(write_private, path), sealed=sealed)

    @classmethod
    def made(cls, keys: KeyEncryption, save: Callable[[bytes], None], *, sealed: bool) -> KeyRing:
        """Return a new ring, which ``save`` has stored.

        Raises:
            EncryptionError: Its key-encryption key cannot be used or made.
        """
        keys.prepare()
        ring = cls(keys, save, active=new_data_key(), sealed=sealed)
        ring._save()
        return ring

    @property
    def sealed(self) -> bool:
        """Whether nothing unsealed is left, so that nothing unsealed is accepted."""
        return self._sealed

    def all_sealed(self) -> None:
        """Record that nothing unsealed is left."""
        with self._lock:
            if not self._sealed:
                self._sealed = True
                self._save()

    @property
    def data_keys(self) -> tuple[DataKey, ...]:
        """All keys with which something may be sealed here."""
        with self._lock:
            return (self._active, *self._others.values())

    @property
    def old_ids(self) -> frozenset[bytes]:
        """The ids of the keys with which nothing new is sealed."""
        with self._lock:
            return frozenset(self._others)

    def rotate(self) -> None:
        """Seal with a new key from now on, and wrap all keys with the newest key-encryption key."""
        self._keys.prepare()
        with self._lock:
            old, made = self._active, new_data_key()
            others = {**self._others, old.id: old}
            self._save_as(made, others, rewrap=True)
            self.sealer.use(made)

    def adopt(self, keys: Iterable[DataKey]) -> None:
        """Add ``keys``, with which a snapshot is sealed; they stay until it is installed."""
        keys = tuple(keys)
        with self._lock:
            self._arrivals += 1
            self._awaited |= {key.id for key in keys}
            others = dict(self._others)
            others.update({key.id: key for key in keys if key.id != self._active.id})
            if others != self._others:
                self._save_as(self._active, others)
                self.sealer.know(others.values())

    def installed(self) -> None:
        """Take note that the snapshot sealed with the adopted keys is now in the directory."""
        with self._lock:
            self._arrivals += 1
            self._awaited = frozenset()

    @property
    def droppable_ids(self) -> frozenset[bytes]:
        """The ids of the keys that may be dropped once nothing is sealed with them."""
        with self._lock:
            return frozenset(self._others) - self._awaited

    @property
    def arrivals(self) -> int:
        """A number that changes when a snapshot's keys arrive, and when it is installed."""
        with self._lock:
            return self._arrivals

    def drop(self, ids: Collection[bytes], arrivals: int) -> bool:
        """Forget the keys ``ids``, with which nothing is sealed, but keep an awaited snapshot's.

        Return False and forget nothing if ``arrivals`` has changed since the caller looked at it.
        """
        with self._lock:
            if self._arrivals != arrivals:
                return False
            gone = frozenset(ids) - self._awaited
            others = {id_: key for id_, key in self._others.items() if id_ not in gone}
            if others != self._others:
                self._save_as(self._active, others)
            return True

    def _save_as(
        self, active: DataKey, others: dict[bytes, DataKey], *, rewrap: bool = False
    ) -> None:
        before = (self._active, self._others, self._wrapped)
        self._active, self._others = active, others
        if rewrap:
            self._wrapped = {}
        try:
            self._save()
        except BaseException:
            self._active, self._others, self._wrapped = before
            raise

    def _save(self) -> None:
        held = (self._active, *self._others.values())
        self._wrapped = {
            key.id: self._wrapped.get(key.id) or self._keys.wrap(key.id, key.secret) for key in held
        }
        content = {
            "version": _VERSION,
            "sealed": self._sealed,
            "active": self._active.id.hex(),
            "keys": [_encoded(key) for key in self._wrapped.values()],
        }
        self._keep(json.dumps(content, indent=1).encode())


def _encoded(key: WrappedKey) -> dict[str, str]:
    wrapped = base64.b64encode(key.wrapped).decode()
    return {"id": key.id.hex(), "wrappedBy": key.wrapped_by, "wrapped": wrapped}


def _decoded(entry: dict[str, Any]) -> WrappedKey:
    wrapped = base64.b64decode(entry["wrapped"], validate=True)
    return WrappedKey(bytes.fromhex(entry["id"]), str(entry["wrappedBy"]), wrapped)
