"""A member in a process of its own, without an API, that writes continuously until it is killed.

Owns: the process and its reports: each acknowledged write, and its contents at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from podraft.server.replication.opening.member_config import MemberConfig
from podraft.server.replication.raft_datastore import RaftDatastore
from podraft.server.state.datastore import Committed, Put, StoreUnavailableError, Transaction

WRITERS = 4
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["support.member_process"])

Contents = tuple[int, list[tuple[bytes, bytes, int]]]


@dataclass
class Acknowledged:
    """The answers to clients, over all members and lives: the revision of every key."""

    revisions: dict[bytes, int] = field(default_factory=dict)
    lives: int = 0


class MemberProcess:
    """One member; a ``start`` after a ``kill`` begins its next life."""

    def __init__(self, config: MemberConfig, acknowledged: Acknowledged) -> None:
        self._config = config
        self._acknowledged = acknowledged
        self._process: BaseProcess | None = None
        self._listener: threading.Thread | None = None
        self._contents: list[Contents] = []

    @property
    def log(self) -> str:
        """The member's output in all its lives."""
        return self._config.directory.with_suffix(".log").read_text()

    def start(self) -> None:
        self._acknowledged.lives += 1
        self._contents.clear()
        self._pipe, theirs = CONTEXT.Pipe()
        arguments = (self._config, self._acknowledged.lives, theirs)
        self._process = CONTEXT.Process(target=_live, args=arguments)
        self._process.start()
        theirs.close()
        self._listener = threading.Thread(target=self._listen, args=(self._pipe,))
        self._listener.start()

    def _listen(self, pipe: Connection) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                match pipe.recv():
                    case ("written", key, revision):
                        self._acknowledged.revisions[key] = revision
                    case ("contents", *contents):
                        self._contents.append((contents[0], contents[1]))

    def kill(self) -> str:
        """Kill the member without warning; return its last output if it had ended by itself.

        Everything that it had acknowledged before is known afterwards.
        """
        if self._process is None or self._process.pid is None or self._listener is None:
            return ""
        said = "" if self._process.exitcode is None else self.log[-3000:]
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()
        self._process.close()
        self._process = None
        self._listener.join()
        return said

    def finish_writing(self) -> None:
        """Make the member stop writing and report its contents."""
        self._pipe.send("finish")

    @property
    def contents(self) -> Contents | None:
        """The member's contents, once it has reported them."""
        return self._contents[-1] if self._contents else None


def _live(config: MemberConfig, life: int, pipe: Connection) -> None:
    log = config.directory.with_suffix(".log")
    logging.basicConfig(filename=log, level=logging.INFO, force=True)
    try:
        asyncio.run(_serve(config, life, pipe))
    except BaseException:
        logging.exception("the member ended by itself")
        raise


async def _serve(config: MemberConfig, life: int, pipe: Connection) -> None:
    store = await RaftDatastore.open(config)
    writing = asyncio.create_task(_write_and_tell(store, life, pipe))
    failing = asyncio.create_task(store.failed())
    await asyncio.wait((writing, failing), return_when=asyncio.FIRST_COMPLETED)
    if failing.done():
        logging.error("the member failed: %s", failing.result())
        # As in a server: it ends at once, whatever its threads are doing.
        os._exit(1)
    writing.result()


async def _write_and_tell(store: RaftDatastore, life: int, pipe: Connection) -> None:
    finish = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), finish.set)
    await asyncio.gather(
        *(_write(store, b"%d/%d" % (life, n), pipe, finish) for n in range(WRITERS))
    )
    asyncio.get_running_loop().remove_reader(pipe.fileno())
    while True:
        # Elsewhere: the member lives on the loop.
        await asyncio.to_thread(pipe.recv)
        pipe.send(("contents", *await _contents(store)))


async def _contents(store: RaftDatastore) -> Contents:
    while True:
        try:
            page = await store.range(b"")
        except StoreUnavailableError:
            continue
        return page.revision, [(r.key, r.value, r.mod_revision) for r in page.records]


async def _write(
    store: RaftDatastore, name: bytes, pipe: Connection, finish: asyncio.Event
) -> None:
    for number in itertools.count():
        if finish.is_set():
            return
        key = b"%s/%d" % (name, number)
        try:
            outcome = await store.transact(Transaction((), (Put(key, key * 20, stamped=False),)))
        except StoreUnavailableError:
            continue
        assert isinstance(outcome, Committed)
        pipe.send(("written", key, outcome.revision))
