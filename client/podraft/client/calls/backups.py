"""Backups: a copy of the cluster's state, as the server streams it.

Owns: writing a backup to a file.  Invariant: a file with the given name exists only when the
whole backup is in it, durably, with the checksum that the server gave.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from pathlib import Path
from typing import BinaryIO

import grpc

from podraft.api.cluster.v1 import backup_pb2
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError


async def backup(client: Client, path: Path) -> backup_pb2.BackupSummary:
    """Write a backup of the cluster to ``path``, readable by its owner only.

    The summary says what the file holds.

    Raises:
        ApiError: The server refused, or the backup arrived incomplete.
        OSError: The file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            summary = await _receive(client, file)
            await asyncio.to_thread(_sync, file)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return summary


async def _receive(client: Client, file: BinaryIO) -> backup_pb2.BackupSummary:
    digest = hashlib.sha256()
    summary: backup_pb2.BackupSummary | None = None
    async for chunk in client.backup_chunks():
        if chunk.HasField("summary"):
            summary = chunk.summary
        digest.update(chunk.data)
        file.write(chunk.data)
    if summary is None or summary.sha256 != digest.digest():
        raise ApiError(grpc.StatusCode.DATA_LOSS, "the backup did not arrive whole; try again")
    return summary


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
