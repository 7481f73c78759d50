"""The key ring: durable before it is used, never half, and only with its key-encryption key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from podraft.server.encryption.key_encryption import EncryptionError
from podraft.server.encryption.key_file import KeyFile
from podraft.server.encryption.key_ring import KeyRing
from podraft.server.encryption.sealing import new_data_key


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys" / "encryption.key")


def opened(path: Path, keys: KeyFile) -> KeyRing:
    again = KeyRing.open(path / "keys.json", keys)
    assert again is not None
    return again


def test_it_is_there_again_after_a_restart(tmp_path: Path, keys: KeyFile) -> None:
    assert KeyRing.open(tmp_path / "keys.json", keys) is None
    ring = KeyRing.create(tmp_path / "keys.json", keys, sealed=False)
    sealed = ring.sealer.seal(b"value", b"here")
    again = opened(tmp_path, keys)
    assert again.sealer.open(sealed, b"here") == b"value"
    assert not again.sealed
    again.all_sealed()
    assert opened(tmp_path, keys).sealed


def test_its_file_holds_no_key(tmp_path: Path, keys: KeyFile) -> None:
    ring = KeyRing.create(tmp_path / "keys.json", keys, sealed=True)
    content = (tmp_path / "keys.json").read_bytes()
    for key in ring.data_keys:
        assert key.secret not in content
        assert key.secret.hex().encode() not in content
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_a_rotation_seals_with_a_new_key_and_wraps_the_old_ones_anew(
    tmp_path: Path, keys: KeyFile
) -> None:
    ring = KeyRing.create(tmp_path / "keys.json", keys, sealed=True)
    before = ring.sealer.seal(b"before", b"here")
    newest = keys.add()
    ring.rotate()
    after = ring.sealer.seal(b"after", b"here")
    assert before[:8] != after[:8]
    assert ring.old_ids == {before[:8]}
    for each in (ring, opened(tmp_path, keys)):
        assert each.sealer.open(before, b"here") == b"before"
        assert each.sealer.open(after, b"here") == b"after"
    entries = json.loads((tmp_path / "keys.json").read_text())["keys"]
    assert {entry["wrappedBy"] for entry in entries} == {newest}
    assert ring.drop(ring.old_ids, ring.arrivals)
    assert [key.id for key in opened(tmp_path, keys).data_keys] == [after[:8]]


def test_keys_of_a_snapshot_are_durable_when_they_are_adopted(
    tmp_path: Path, keys: KeyFile
) -> None:
    ring = KeyRing.create(tmp_path / "keys.json", keys, sealed=True)
    other = new_data_key()
    ring.adopt((other, ring.data_keys[0]))
    assert ring.old_ids == {other.id}
    assert opened(tmp_path, keys).old_ids == {other.id}


def test_a_key_that_came_while_it_was_looked_for_is_not_dropped(
    tmp_path: Path, keys: KeyFile
) -> None:
    ring = KeyRing.create(tmp_path / "keys.json", keys, sealed=True)
    sender = new_data_key()
    ring.adopt((sender,))
    ring.installed()
    arrivals, old = ring.arrivals, ring.old_ids
    # Now a pass looks through the file, and finds nothing; meanwhile another snapshot comes.
    ring.adopt((sender,))
    assert not ring.drop(old, arrivals)
    ring.installed()
    assert not ring.drop(old, arrivals)
    assert ring.old_ids == old
    # While it waits to be installed its keys stay, whatever is found.
    ring.adopt((sender,))
    assert ring.drop(old, ring.arrivals)
    assert ring.old_ids == old


def test_a_ring_that_cannot_be_saved_stays_as_it_was(tmp_path: Path, keys: KeyFile) -> None:
    ring = KeyRing.create(tmp_path / "keys.json", keys, sealed=True)
    held = ring.data_keys
    keys.path.chmod(0o644)
    with pytest.raises(EncryptionError):
        ring.rotate()
    keys.path.chmod(0o600)
    assert ring.data_keys == held == opened(tmp_path, keys).data_keys
    assert ring.sealer.seal(b"", b"")[:8] == held[0].id


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"version": 1, "keys": [{}], "active": "", "sealed": true}']
)
def test_a_damaged_ring_is_named(tmp_path: Path, keys: KeyFile, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(EncryptionError, match=r"keys\.json cannot be read"):
        KeyRing.open(tmp_path / "keys.json", keys)


def test_a_newer_rings_version_is_told(tmp_path: Path, keys: KeyFile) -> None:
    (tmp_path / "keys.json").write_text('{"version": 9}')
    with pytest.raises(EncryptionError, match="version 9"):
        KeyRing.open(tmp_path / "keys.json", keys)
