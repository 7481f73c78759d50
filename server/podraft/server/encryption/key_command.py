"""A key management service, reached through a command that the operator provides.

Owns: the command's input, JSON on its standard input, and its answer on its standard output:

    COMMAND wrap     {"dataKey": ID, "secret": BASE64}
                     -> {"keyId": NAME, "wrapped": BASE64}
    COMMAND unwrap   {"dataKey": ID, "keyId": NAME, "wrapped": BASE64}
                     -> {"secret": BASE64}

Invariants: the key-encryption key never reaches this process, and no command line holds a data
key.  The command has half a minute; its error stream is reported, its output never.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Final

from podraft.server.encryption.key_encryption import EncryptionError, WrappedKey
from podraft.server.encryption.sealing import KEY_BYTES

_TIMEOUT_S: Final = 30.0
_NAME_BYTES_MAX: Final = 255
_WRAPPED_BYTES_MAX: Final = 16 * 1024
_TOLD_CHARACTERS_MAX: Final = 300


class KeyCommand:
    """A service reached by running ``command`` with ``wrap`` or ``unwrap`` as its last argument."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)

    def prepare(self) -> None:
        """Do nothing: the service makes its keys itself."""

    def wrap(self, identity: bytes, secret: bytes) -> WrappedKey:
        """Return the data key ``identity``, wrapped by the service."""
        answer = self._ask("wrap", {"dataKey": identity.hex(), "secret": _encoded(secret)})
        try:
            name, wrapped = answer["keyId"], base64.b64decode(answer["wrapped"], validate=True)
        except (KeyError, TypeError, ValueError):
            raise self._unusable("wrap", "keyId and wrapped") from None
        if (
            not isinstance(name, str)
            or not 0 < len(name.encode()) <= _NAME_BYTES_MAX
            or not 0 < len(wrapped) <= _WRAPPED_BYTES_MAX
            or secret in wrapped
        ):
            raise self._unusable("wrap", "a short keyId, and a wrapped key")
        return WrappedKey(identity, name, wrapped)

    def unwrap(self, key: WrappedKey) -> bytes:
        """Return the data key's secret, unwrapped by the service."""
        answer = self._ask(
            "unwrap",
            {
                "dataKey": key.id.hex(),
                "keyId": key.wrapped_by,
                "wrapped": _encoded(key.wrapped),
            },
        )
        try:
            secret = base64.b64decode(answer["secret"], validate=True)
        except (KeyError, TypeError, ValueError):
            raise self._unusable("unwrap", "secret") from None
        if len(secret) != KEY_BYTES:
            raise self._unusable("unwrap", f"a secret of {KEY_BYTES} bytes")
        return secret

    def _ask(self, operation: str, question: Mapping[str, str]) -> Any:
        try:
            done = subprocess.run(
                (*self._command, operation),
                input=json.dumps(question).encode(),
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EncryptionError(
                f"{self._command[0]} {operation} did not end within {_TIMEOUT_S:.0f} s"
            ) from None
        except OSError as error:
            raise EncryptionError(
                f"{self._command[0]} cannot be run: {error.strerror} (--encryption-key-command)"
            ) from None
        if done.returncode:
            told = ascii(done.stderr.decode(errors="replace").strip()[:_TOLD_CHARACTERS_MAX])
            raise EncryptionError(
                f"{self._command[0]} {operation} ended with status {done.returncode}: {told}"
            )
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise self._unusable(operation, "JSON") from None

    def _unusable(self, operation: str, expected: str) -> EncryptionError:
        return EncryptionError(f"{self._command[0]} {operation} did not answer {expected}")


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
