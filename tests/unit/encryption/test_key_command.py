"""A command in the place of a key management service: what it does wrong is told in a line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from podraft.server.encryption import key_command
from podraft.server.encryption.key_command import KeyCommand
from podraft.server.encryption.key_encryption import EncryptionError, WrappedKey
from podraft.server.encryption.key_ring import KeyRing

# A service whose key is its name's digest; it binds what it wraps to the data key.
SERVICE = """
import base64, hashlib, json, sys
question = json.load(sys.stdin)
def mask(name): return hashlib.sha256((name + question["dataKey"]).encode()).digest()
def xor(a, b): return bytes(x ^ y for x, y in zip(a, b, strict=True))
if sys.argv[-1] == "wrap":
    secret = base64.b64decode(question["secret"])
    wrapped = base64.b64encode(xor(secret, mask("kms-1"))).decode()
    print(json.dumps({"keyId": "kms-1", "wrapped": wrapped}))
else:
    wrapped = base64.b64decode(question["wrapped"])
    secret = xor(wrapped, mask(question["keyId"]))
    print(json.dumps({"secret": base64.b64encode(secret).decode()}))
"""


def command(directory: Path, program: str) -> KeyCommand:
    file = directory / "service.py"
    file.write_text(program)
    return KeyCommand((sys.executable, str(file)))


def test_a_ring_is_kept_by_it(tmp_path: Path) -> None:
    keys = command(tmp_path, SERVICE)
    ring = KeyRing.create(tmp_path / "keys.json", keys, sealed=True)
    sealed = ring.sealer.seal(b"value", b"here")
    ring.rotate()
    again = KeyRing.open(tmp_path / "keys.json", keys)
    assert again is not None
    assert again.sealer.open(sealed, b"here") == b"value"
    assert again.data_keys == ring.data_keys
    assert "kms-1" in (tmp_path / "keys.json").read_text()


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (
            "import sys; sys.exit('no\\x1b[2J such key')",
            r"ended with status 1: 'no\\x1b\[2J such key'",
        ),
        ("print('no json')", "did not answer JSON"),
        ("print('[]')", "did not answer"),
        ("print('{}')", "did not answer"),
        ('print(\'{"secret": "AAAA", "keyId": "", "wrapped": "AAAA"}\')', "did not answer"),
        ("import time; time.sleep(60)", "did not end within"),
    ],
)
def test_what_it_does_wrong_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, told: str
) -> None:
    keys = command(tmp_path, program)
    # An interpreter starts within it on a busy machine, too; only one sleeps longer.
    monkeypatch.setattr(key_command, "_TIMEOUT_S", 1.0 if "sleep" in program else 30.0)
    with pytest.raises(EncryptionError, match=told):
        keys.wrap(bytes(8), bytes(32))
    with pytest.raises(EncryptionError, match=told):
        keys.unwrap(WrappedKey(bytes(8), "kms-1", bytes(40)))


def test_one_that_does_not_wrap_at_all_is_refused(tmp_path: Path) -> None:
    echo = SERVICE.replace('xor(secret, mask("kms-1"))', "secret")
    with pytest.raises(EncryptionError, match="a wrapped key"):
        command(tmp_path, echo).wrap(bytes(8), bytes(range(32)))


def test_a_program_that_is_missing_is_told() -> None:
    with pytest.raises(EncryptionError, match=r"/absent cannot be run.*--encryption-key-command"):
        KeyCommand(("/absent",)).wrap(bytes(8), bytes(32))
