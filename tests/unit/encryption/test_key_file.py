"""The key file: made once, never used where others could have read or replaced it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from podraft.server.encryption.key_encryption import EncryptionError, WrappedKey
from podraft.server.encryption.key_file import KeyFile, beside

IDENTITY, SECRET = bytes(8), bytes(range(32))


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    made = KeyFile(tmp_path / "keys" / "encryption.key")
    made.prepare()
    return made


def test_it_is_made_once_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = KeyFile(tmp_path / "keys" / "encryption.key")
        file.prepare()
    finally:
        os.umask(before)
    assert file.path.stat().st_mode & 0o7777 == 0o600
    assert file.path.parent.stat().st_mode & 0o7777 == 0o700
    content = file.path.read_bytes()
    file.prepare()
    assert file.path.read_bytes() == content
    assert list(file.path.parent.iterdir()) == [file.path]


def test_what_it_wraps_it_unwraps_under_the_same_name_only(file: KeyFile) -> None:
    wrapped = file.wrap(IDENTITY, SECRET)
    assert SECRET not in wrapped.wrapped
    assert KeyFile(file.path).unwrap(wrapped) == SECRET
    renamed = WrappedKey(b"another!", wrapped.wrapped_by, wrapped.wrapped)
    with pytest.raises(EncryptionError, match="altered"):
        file.unwrap(renamed)
    for place in range(len(wrapped.wrapped)):
        changed = bytearray(wrapped.wrapped)
        changed[place] ^= 1
        with pytest.raises(EncryptionError, match="altered"):
            file.unwrap(WrappedKey(IDENTITY, wrapped.wrapped_by, bytes(changed)))


def test_a_new_key_wraps_and_the_old_ones_still_unwrap(file: KeyFile) -> None:
    old = file.wrap(IDENTITY, SECRET)
    identity = file.add()
    new = file.wrap(IDENTITY, SECRET)
    assert (new.wrapped_by, file.ids()) == (identity, [identity, old.wrapped_by])
    assert file.unwrap(old) == file.unwrap(new) == SECRET


def test_a_lost_file_and_a_foreign_one_are_told_with_what_is_needed(
    file: KeyFile, tmp_path: Path
) -> None:
    wrapped = file.wrap(IDENTITY, SECRET)
    other = KeyFile(tmp_path / "other" / "encryption.key")
    with pytest.raises(EncryptionError, match=f"{other.path} is missing.*{wrapped.wrapped_by}"):
        other.unwrap(wrapped)
    assert not other.path.exists(), "a new key in its place would hide that it is lost"
    other.prepare()
    with pytest.raises(EncryptionError, match=f"but {wrapped.wrapped_by} is needed"):
        other.unwrap(wrapped)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o620, 0o777])
def test_a_file_that_others_may_use_is_refused(file: KeyFile, mode: int) -> None:
    wrapped = file.wrap(IDENTITY, SECRET)
    file.path.chmod(mode)
    with pytest.raises(EncryptionError, match=rf"mode 0{mode:o}.*chmod 600"):
        file.unwrap(wrapped)


def test_a_directory_that_others_can_write_is_refused(file: KeyFile) -> None:
    wrapped = file.wrap(IDENTITY, SECRET)
    file.path.parent.chmod(0o777)
    with pytest.raises(EncryptionError, match=r"could replace the key.*chmod 700"):
        file.unwrap(wrapped)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_is_refused(file: KeyFile) -> None:
    wrapped = file.wrap(IDENTITY, SECRET)
    os.chown(file.path, 12345, 0)
    with pytest.raises(EncryptionError, match=r"belongs to user 12345.*chown"):
        file.unwrap(wrapped)


def test_a_link_is_not_followed(file: KeyFile, tmp_path: Path) -> None:
    wrapped = file.wrap(IDENTITY, SECRET)
    link = tmp_path / "link"
    link.symlink_to(file.path)
    with pytest.raises(EncryptionError, match="cannot be read"):
        KeyFile(link).unwrap(wrapped)


@pytest.mark.parametrize("content", ["", "# only\n", "xyz\n", "00 AAAA\n", "00" * 8 + " AAAA\n"])
def test_a_damaged_file_says_what_is_expected(file: KeyFile, content: str) -> None:
    file.path.write_text(content)
    with pytest.raises(EncryptionError, match="is damaged: expected lines of"):
        file.wrap(IDENTITY, SECRET)


def test_the_key_cannot_lie_in_what_it_protects(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to(data)
    for path in (data / "k", data / "a" / "k", tmp_path / "link" / "k"):
        with pytest.raises(EncryptionError, match="lies in the data directory"):
            KeyFile(path, data).prepare()
    assert list(data.iterdir()) == []


def test_the_usual_place_is_beside_the_data_and_works_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    file = beside(data)
    file.prepare()
    assert file.path == tmp_path / "data.keys" / "encryption.key"
    shutil.rmtree(file.path.parent)
