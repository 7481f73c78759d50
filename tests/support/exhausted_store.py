"""A store in a process without a free descriptor: a program, run with a directory."""

import asyncio
import os
import resource
import sys
from pathlib import Path

from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions


def take_all() -> int:
    taken = 0
    while True:
        try:
            os.open(os.devnull, os.O_RDONLY)
        except OSError:
            return taken
        taken += 1


async def main(directory: Path) -> None:
    options = StoreOptions(segment_bytes=256 * 1024)
    store = await EmbeddedDatastore.open(directory, options=options)
    await store.transact(Transaction((), (Put(b"a/first", b"x"),)))
    assert take_all() > 0
    for number in range(30):
        await store.transact(Transaction((), (Put(b"a/%d" % number, os.urandom(100_000)),)))
    assert len((await store.range(b"a/")).records) == 31
    await store.close()
    print("segments were made")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    asyncio.run(main(Path(sys.argv[1]) / "store"))
