"""``kill -9`` at random moments: nothing acknowledged is lost, nothing half-done is found."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from random import Random

import pytest

from support import store_torture
from support.torture_processes import drain, forking, start

KILLS = 200
KILLS_PER_DIRECTORY = 20


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServerContext]:
    with forking() as context:
        yield context


def test_nothing_acknowledged_is_lost_by_kills_at_random_moments(
    forks: ForkServerContext, tmp_path: Path
) -> None:
    seed = int(os.environ.get("PODRAFT_SEED", "1"))
    print(f"seed {seed}")
    random = Random(seed)
    recoveries = acknowledgements = 0
    acknowledged: dict[int, tuple[int, int]] = {}
    known: dict[bytes, int] = {}
    for kill in range(KILLS):
        if kill % KILLS_PER_DIRECTORY == 0:
            acknowledged, known = {}, {}
        directory = tmp_path / f"data-{kill // KILLS_PER_DIRECTORY}"
        process, pipe = start(forks, store_torture.write_until_killed, str(directory))
        # One in four dies while it opens, the others after they have begun to write.
        messages = []
        if random.random() < 0.75:
            assert pipe.poll(20), "the store did not open"
            messages.append(pipe.recv())
        time.sleep(random.random() * 0.02)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        messages += drain(pipe)
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it ended by itself"
        if not messages:
            continue
        revision, records = messages[0]
        recoveries += 1
        store_torture.check_recovered(revision, records, acknowledged, known)
        # What was in flight when the last one died is decided now.
        for key, value, mod_revision in records:
            if key.startswith(b"c/"):
                acknowledged[int(key[2:])] = (int(value), mod_revision)
        for proposer, number, moved in messages[1:]:
            acknowledged[proposer] = (number, moved)
            acknowledgements += 1
    print(f"{KILLS} kills, {recoveries} recoveries, {acknowledgements} acknowledgements")
    assert recoveries > KILLS // 2
    assert acknowledgements > KILLS


@pytest.mark.parametrize("part", ["log", "history"])
def test_a_disk_that_takes_no_more_stops_the_store_and_loses_nothing(
    forks: ForkServerContext, tmp_path: Path, part: str
) -> None:
    directory = str(tmp_path / "data")
    acknowledged: dict[int, tuple[int, int]] = {}
    known: dict[bytes, int] = {}
    for _ in range(2):
        process, pipe = start(forks, store_torture.write_until_disk_fails, directory, part)
        (revision, records), *acknowledgements, (word, errors) = drain(pipe)
        process.join()
        assert process.exitcode == 0
        assert word == "stopped"
        assert set(errors) == {"StoreFailedError"}
        store_torture.check_recovered(revision, records, acknowledged, known)
        for key, value, mod_revision in records:
            if key.startswith(b"c/"):
                acknowledged[int(key[2:])] = (int(value), mod_revision)
        for proposer, number, moved in acknowledgements:
            acknowledged[proposer] = (number, moved)
        assert acknowledged, "nothing was written before the disk failed"
    process, pipe = start(forks, store_torture.write_until_killed, directory)
    revision, records = pipe.recv()
    process.kill()
    process.join()
    store_torture.check_recovered(revision, records, acknowledged, known)
