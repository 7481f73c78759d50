"""Processes to be killed: started by a fork, heard through a pipe until their end."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any


@contextmanager
def forking() -> Iterator[ForkServerContext]:
    """Provide a context that forks processes from a preloaded one, within milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.store_torture"])
    yield context
    from multiprocessing import forkserver

    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # Else it outlives the tests.


def start(
    context: ForkServerContext, target: Any, *arguments: Any
) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """Start ``target``; its second argument is the other end of the returned pipe."""
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(arguments[0], writer, *arguments[1:]))
    process.start()
    writer.close()
    return process, reader


def drain(pipe: Connection) -> list[Any]:
    """Read all messages until the process ends; one cut off by the kill was not sent."""
    messages = []
    try:
        while True:
            messages.append(pipe.recv())
    except (EOFError, OSError):
        return messages
