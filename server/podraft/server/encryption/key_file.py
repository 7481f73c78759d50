"""The default place of key-encryption keys: a file that only the server's user can read.

Owns: the file's format, one key per line, the newest first:

    <id, 16 hex digits> <key, base64>

Invariants: the file is made on the first start, is replaced as a whole, and is
never used when another user could read or replace it.  Keys stay in it for the
backups that need them.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from podraft.client.serving.private_files import write_private
from podraft.server.encryption.key_encryption import EncryptionError, WrappedKey
from podraft.server.encryption.sealing import KEY_BYTES, KEY_ID_BYTES, DataKey, new_data_key

_NONCE_BYTES: Final = 12
_FILE_BYTES_MAX: Final = 1 << 20
_CONTEXT: Final = b"podraft data key 1 "
_COMMENT: Final = (
    "# Key-encryption keys of podraft-server, the newest first. Without them neither its state\n"
    "# nor its backups can be read: keep a copy of this file apart from both.\n"
)


class KeyFile:
    """The file at ``path``, which must not lie below ``apart_from``."""

    def __init__(self, path: Path, apart_from: Path | None = None) -> None:
        self.path = path
        self._apart_from = apart_from

    def prepare(self) -> None:
        """Make the file if it does not exist."""
        if self._read() is None:
            self.add()

    def wrap(self, identity: bytes, secret: bytes) -> WrappedKey:
        """Return the data key ``identity`` wrapped by the first key."""
        keys = self._read()
        if keys is None:
            raise EncryptionError(f"{self.path} is missing: bring it back from its copy")
        newest = keys[0]
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(newest.secret).encrypt(nonce, secret, _CONTEXT + identity)
        return WrappedKey(identity, newest.id.hex(), nonce + sealed)

    def unwrap(self, key: WrappedKey) -> bytes:
        """Return the data key's secret."""
        keys = self._read()
        if keys is None:
            raise EncryptionError(
                f"{self.path} is missing: key-encryption key {key.wrapped_by} is needed; bring it "
                "back from the copy that was kept apart, or name it with --encryption-key-file"
            )
        found = next((k for k in keys if k.id.hex() == key.wrapped_by), None)
        if found is None:
            held = ", ".join(k.id.hex() for k in keys)
            raise EncryptionError(
                f"{self.path} holds key-encryption key {held}, but {key.wrapped_by} is needed: "
                "use the file of the server that wrote this"
            )
        nonce, sealed = key.wrapped[:_NONCE_BYTES], key.wrapped[_NONCE_BYTES:]
        try:
            return AESGCM(found.secret).decrypt(nonce, sealed, _CONTEXT + key.id)
        except (InvalidTag, ValueError):
            raise EncryptionError(f"data key {key.id.hex()} was altered") from None

    def ids(self) -> list[str]:
        """Return the ids of the keys, the newest first; none if there is no file."""
        return [key.id.hex() for key in self._read() or ()]

    def add(self) -> str:
        """Put a new key in front of the others; return its id."""
        made = new_data_key()
        keys = [made, *(self._read() or ())]
        lines = [f"{key.id.hex()} {base64.b64encode(key.secret).decode()}\n" for key in keys]
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self.path, (_COMMENT + "".join(lines)).encode())
        except OSError as error:
            raise EncryptionError(f"{self.path} cannot be written: {error.strerror}") from None
        # An unsafe directory is found out now rather than on the next start.
        self._read()
        return made.id.hex()

    def _read(self) -> list[DataKey] | None:
        """Return the keys; None if there is no file."""
        self._check_place()
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EncryptionError(f"{self.path} cannot be read: {error.strerror}") from None
        with os.fdopen(descriptor, "rb") as file:
            _check_private(self.path, os.fstat(file.fileno()))
            _check_directory(self.path.parent)
            content = file.read(_FILE_BYTES_MAX)
        try:
            return _parsed(content)
        except (ValueError, binascii.Error):
            raise EncryptionError(
                f"{self.path} is damaged: expected lines of an id of {2 * KEY_ID_BYTES} hex digits "
                f"and a key of {KEY_BYTES} bytes in base64"
            ) from None

    def _check_place(self) -> None:
        apart_from = self._apart_from
        if apart_from and self.path.resolve().is_relative_to(apart_from.resolve()):
            raise EncryptionError(
                f"{self.path} lies in the data directory {apart_from}, which it is to protect: "
                "keep the key elsewhere (--encryption-key-file)"
            )


def beside(directory: Path) -> KeyFile:
    """Return the default key file of ``directory``."""
    absolute = Path(os.path.abspath(directory))  # noqa: PTH100 - A link may lead to it.
    return KeyFile(absolute.with_name(f"{absolute.name}.keys") / "encryption.key", directory)


def _parsed(content: bytes) -> list[DataKey]:
    keys = []
    for line in content.decode("ascii").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        identity, secret = line.split()
        key = DataKey(bytes.fromhex(identity), base64.b64decode(secret, validate=True))
        if len(key.id) != KEY_ID_BYTES or len(key.secret) != KEY_BYTES:
            raise ValueError
        keys.append(key)
    if not keys:
        raise ValueError
    return keys


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise EncryptionError(f"{path} is no regular file")
    if status.st_uid not in (0, os.geteuid()):
        raise EncryptionError(
            f"{path} belongs to user {status.st_uid}: expected the server's user; "
            f"use chown {os.geteuid()} {path}"
        )
    if status.st_mode & 0o077:
        raise EncryptionError(
            f"{path} has the mode {status.st_mode & 0o7777:04o}, so others may use the key: "
            f"use chmod 600 {path}; if others were there, rotate the key"
        )


def _check_directory(path: Path) -> None:
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
        raise EncryptionError(
            f"{path} can be written by others, who could replace the key in it: "
            f"use chown {os.geteuid()} {path}; chmod 700 {path}"
        )
