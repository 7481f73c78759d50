"""Whoever gets a disk, a backup or a log gets no Secret; whoever writes one is not believed."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cluster.server_process import ServerProcess
from podraft.api.core.v1.config_pb2 import Secret
from podraft.client.calls.backups import backup
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError
from support.sealed_with import keys_in_use
from support.secret_search import files_with

SECRETS = [b"s3cret-%d-0d1f7a5e9b" % n for n in range(4)]


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with (
        tempfile.TemporaryDirectory(prefix="pt-rest-") as directory,
        ServerProcess(Path(directory, "data"), ("--log-level=debug",)) as process,
    ):
        yield process


def secret(name: str, value: bytes) -> Secret:
    made = Secret(data={"password": value})
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


def found(server: ServerProcess, *more: Path) -> list[Path]:
    """Return the files with a secret value: of the data, its log, the key's place, and ``more``."""
    roots = (server.data_dir.parent, *more)
    return [path for value in SECRETS for path in files_with(value, *roots)]


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "podraft.server.app", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


async def use(server: ServerProcess, number: int) -> None:
    """Create, change, refuse and delete Secrets."""
    async with Client(server.config()) as client:
        for name in ("kept", "gone"):
            made = await client.secrets.create(secret(f"{name}-{number}", SECRETS[0]))
            made.data["password"] = SECRETS[1]
            await client.secrets.update(made)
        await client.secrets.delete(f"gone-{number}", "default")
        with pytest.raises(ApiError):
            await client.secrets.create(secret("Not A Name", SECRETS[2]))
        with pytest.raises(ApiError):
            await client.secrets.create(secret(f"kept-{number}", SECRETS[3]))


def test_no_secret_value_is_in_any_file_whatever_happens(server, tmp_path: Path) -> None:
    for number in range(3):
        asyncio.run(use(server, number))
        assert not found(server), "while it runs"

        async def back_up() -> None:
            async with Client(server.config()) as client:
                await backup(client, tmp_path / "backup")

        asyncio.run(back_up())
        server.kill()
        assert not found(server, tmp_path), "after a kill, and in the backup"
        server.start()
    assert files_with(b"kept-1", server.data_dir), "the search finds what is there"
    server.stop()
    assert not found(server)


def test_one_command_rotates_all_keys_under_load_and_after_a_kill_in_the_middle(server) -> None:
    keys = server.data_dir.with_name(f"{server.data_dir.name}.keys") / "encryption.key"
    store = server.data_dir / "store"

    async def fill() -> None:
        async with Client(server.config()) as client:
            for number in range(200):
                await client.secrets.create(secret(f"s-{number}", SECRETS[number % 4] * 20))

    asyncio.run(fill())

    async def under_load() -> subprocess.CompletedProcess[str]:
        rotating = asyncio.create_task(
            asyncio.to_thread(command, "rotate-encryption-key", f"--data-dir={server.data_dir}")
        )
        async with Client(server.config()) as client:
            number = 0
            while not rotating.done():
                number += 1
                made = await client.secrets.get(f"s-{number % 200}", "default")
                made.data["password"] = SECRETS[3]
                await client.secrets.update(made)
            assert number > 10, "it was held up"
        return await rotating

    done = asyncio.run(under_load())
    assert done.returncode == 0, done.stderr
    assert "everything is sealed with the new keys" in done.stdout
    # Twice more, killed: by then a rotation has begun, or is wanted.
    for _ in range(2):
        wanted = command("rotate-encryption-key", f"--data-dir={server.data_dir}", "--no-wait")
        assert wanted.returncode == 0, wanted.stderr
        server.kill()
        server.start()
    last = command("rotate-encryption-key", f"--data-dir={server.data_dir}")
    assert last.returncode == 0, last.stderr
    server.stop()
    assert len(keys_in_use(store)) == 1
    # The newest line is all that the state needs.
    lines = [line for line in keys.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 5
    keys.write_text(lines[0] + "\n")
    server.start()

    async def look() -> None:
        async with Client(server.config()) as client:
            assert len((await client.secrets.list("default")).items) == 200

    asyncio.run(look())


def test_a_lost_key_is_one_line_that_says_what_is_needed(server) -> None:
    server.stop()
    keys = server.data_dir.with_name(f"{server.data_dir.name}.keys")
    kept = keys.rename(keys.with_name("kept"))
    started = command(
        f"--data-dir={server.data_dir}", "--listen=127.0.0.1:0", "--join-listen=127.0.0.1:0"
    )
    assert started.returncode == 1
    (line,) = started.stderr.splitlines()
    assert "encryption.key is missing: key-encryption key" in line
    assert not keys.exists()
    kept.rename(keys)
    server.start()


def test_a_forged_or_foreign_backup_is_refused_before_anything_is_changed(
    server, tmp_path: Path
) -> None:
    asyncio.run(use(server, 0))
    file, target = tmp_path / "backup", tmp_path / "new"

    async def back_up() -> None:
        async with Client(server.config()) as client:
            await backup(client, file)

    asyncio.run(back_up())
    own = server.data_dir.with_name(f"{server.data_dir.name}.keys") / "encryption.key"

    def restored(*flags: object) -> subprocess.CompletedProcess[str]:
        return command("restore", file, f"--data-dir={target}", *flags)

    without = restored()
    assert without.returncode == 1
    assert "is missing: key-encryption key" in without.stderr
    other = tmp_path / "other" / "encryption.key"
    other.parent.mkdir(mode=0o700)
    other.write_text(f"{os.urandom(8).hex()} {'A' * 43}=\n")
    other.chmod(0o600)
    foreign = restored(f"--backup-key-file={other}")
    assert foreign.returncode == 1
    assert "is needed: use the file of the server that wrote this" in foreign.stderr
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes((whole[-1] ^ 1,)))
    altered = restored(f"--backup-key-file={own}")
    assert altered.returncode == 1
    assert "the bytes were altered" in altered.stderr
    assert not target.exists()
    assert not target.with_name("new.keys").exists()
    file.write_bytes(whole)
    assert restored(f"--backup-key-file={own}").returncode == 0
    assert not [path for value in SECRETS for path in files_with(value, tmp_path)]
    shutil.rmtree(target)
