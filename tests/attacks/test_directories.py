"""Directories in which somebody else could put his files in the place of ours are refused."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podraft.client.serving.private_files import (
    UnsafeDirectoryError,
    make_private_directory,
    write_private,
)
from podraft.server.store.directory import DirectoryLock, StoreOpenError

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=lambda mask: f"umask {mask:03o}")
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def serve(data: Path) -> str:
    """Try to start a server on ``data``; return the one line with which it refuses."""
    command = [sys.executable, "-m", "podraft.server.app", f"--data-dir={data}"]
    command += ["--listen=127.0.0.1:0", "--join-listen=127.0.0.1:0", "--components=api"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o702])
def test_a_server_refuses_a_directory_that_others_can_write(tmp_path: Path, mode: int) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(mode)
    line = serve(data)
    assert f"{data} has the mode {mode:04o}" in line
    assert f"chmod 700 {data}" in line
    assert not list(data.iterdir())


@ROOT
def test_a_server_refuses_a_directory_of_somebody_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, 12345, 12345)
    line = serve(data)
    assert f"{data} belongs to user 12345" in line
    assert f"chown 0 {data}" in line
    assert not list(data.iterdir())


def test_so_is_the_store_inside(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    store.chmod(0o777)
    with pytest.raises(StoreOpenError, match="chmod 700"):
        DirectoryLock(store)
    assert not list(store.iterdir())


def test_what_is_made_is_private_whatever_the_umask(tmp_path: Path, umask: None) -> None:
    directory = tmp_path / "above" / "data"
    make_private_directory(directory)
    assert directory.stat().st_mode & 0o7777 == 0o700
    assert directory.parent.stat().st_mode & 0o022 == 0
    make_private_directory(directory)
    write_private(directory / "file", b"content")
    assert (directory / "file").stat().st_mode & 0o7777 == 0o600


def test_a_file_or_link_in_the_place_of_an_unfinished_file_is_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    planted = tmp_path / ".file.guessed.tmp"
    for plant in (planted.symlink_to, planted.hardlink_to):
        plant(victim)
        with pytest.raises(FileExistsError):
            write_private(tmp_path / "file", b"content")
        planted.unlink()
    assert victim.read_bytes() == b"untouched"
    assert not (tmp_path / "file").exists()


def test_something_else_than_a_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        make_private_directory(tmp_path / "file")


def test_the_error_of_a_check_changes_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    directory.chmod(0o733)
    with pytest.raises(UnsafeDirectoryError):
        make_private_directory(directory)
    assert directory.stat().st_mode & 0o7777 == 0o733
