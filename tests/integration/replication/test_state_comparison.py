"""A member whose state is not the majority's stops and says so; the others go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podraft.server.raft.options import RaftOptions
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.raft_datastore import RaftDatastore
from podraft.server.replication.transport.probing import ProbedPeer
from podraft.server.state.datastore import Event, Put, Record, Transaction
from podraft.server.state.digests import state_digest
from podraft.server.store.directory import StoreOpenError
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.history.history_file import (
    DIGEST_NOTE,
    History,
    HistoryBatch,
    sealed_digest,
)
from podraft.server.store.options import StoreOptions
from support.raft_cluster import RaftCluster
from support.sealing import SEALER, ring_of
from support.waiting import eventually_async

_OPTIONS = MemberOptions(
    tick_s=0.02, raft=RaftOptions(election_ticks=15), probe_s=0.05, compare_s=0.1
)
_MAP_BYTES = 1 << 26


def _put(key: bytes, value: bytes) -> Transaction:
    return Transaction((), (Put(key, value),))


def _flip(store: RaftDatastore | EmbeddedDatastore, key: bytes) -> None:
    """Change one bit of a value that lies in the member's memory."""
    keyspace = store._state._memory.keyspace
    record = keyspace._records[key]
    value = bytes((record.value[0] ^ 1,)) + record.value[1:]
    keyspace._records[key] = record._replace(value=value)


@pytest.mark.parametrize("victim_leads", [False, True])
def test_the_diverged_member_stops_and_the_others_go_on(tmp_path: Path, victim_leads: bool):
    async def main() -> None:
        cluster = RaftCluster(tmp_path, options=_OPTIONS)
        await cluster.start_all()
        leader = cluster.leader
        victim = leader if victim_leads else next(n for n in cluster.stores if n != leader)
        others = [store for number, store in cluster.stores.items() if number != victim]
        await others[0].transact(_put(b"k", b"value"))
        wrong = cluster.stores[victim]
        await wrong.caught_up()
        _flip(wrong, b"k")
        # What is read of the wrong state by the next write shows.
        await others[0].transact(_put(b"k", b"other"))
        error = await asyncio.wait_for(wrong.failed(), 10)
        assert "the majority is right" in str(error)
        assert "log index" in str(error)
        await eventually_async(lambda: others[0].get(b"k"))
        await others[1].transact(_put(b"k", b"again"))
        record = await others[0].get(b"k")
        assert record is not None and record.value.startswith(b"again")
        assert all(store._state.error is None for store in others)
        await cluster.stop(victim)
        # A restart alone does not make it serve again.
        with pytest.raises(StoreOpenError, match="the majority is right"):
            await cluster.start(victim)
        await cluster.stop_all()

    asyncio.run(main())


def test_equal_members_say_so_and_an_idle_group_writes_no_marks(tmp_path: Path):
    async def main() -> None:
        cluster = RaftCluster(tmp_path, options=_OPTIONS)
        await cluster.start_all()
        for number in range(20):
            await cluster.stores[1 + number % 3].transact(_put(b"k%d" % number, b"v"))
        stores = list(cluster.stores.values())

        def all_equal() -> bool:
            revisions = {
                store.member._comparison.marks[-1].revision
                for store in stores
                if store.member._comparison.marks
            }
            return revisions == {20} and all(
                store.member._comparison.equal_index for store in stores
            )

        await eventually_async(all_equal)
        index = stores[0].member.status.commit
        for _ in range(20):
            for store in stores:
                await store.member.probing.ask_all()
        await asyncio.sleep(3 * _OPTIONS.compare_s)
        assert stores[0].member.status.commit <= index + 1
        # Who restarts is compared anew, although nothing was written.
        follower = next(n for n in cluster.stores if n != cluster.leader)
        await cluster.stop(follower)
        again = await cluster.start(follower)
        await eventually_async(lambda: again.member._comparison.equal_index > index)
        await cluster.stop_all()

    asyncio.run(main())


def _damage(directory: Path, key: bytes, *, hidden: bool = False) -> None:
    """Change the newest value of a key in the history file of a stopped store.

    ``hidden``: as if it had been applied so, with the digest that belongs to it.
    """
    history = History(directory / "history.lmdb", _MAP_BYTES, ring_of(directory).sealer)
    record = next(record for record in history.newest() if record.key == key)
    digest = history.digest
    value = bytes((record.value[0] ^ 1,)) + record.value[1:]
    changed = Event(record.mod_revision, key, value, record.create_revision, None)
    with history._environment.begin(write=True, db=history._history) as transaction:
        transaction.put(*history.versions.stored(changed))
    assert history.digest == digest
    if hidden:
        digest = state_digest(history.newest())
        history.set_note(DIGEST_NOTE, sealed_digest(ring_of(directory).sealer, digest))
    history.close()


def test_probing_goes_on_when_a_connection_ends_in_the_middle_of_a_probe(tmp_path: Path):
    async def main() -> None:
        cluster = RaftCluster(tmp_path, options=_OPTIONS)
        await cluster.start_all()
        store = cluster.stores[1]
        await eventually_async(lambda: len(store.member._transport.connected) == 2)
        for _ in range(20):
            asking = asyncio.create_task(store.member.probing.ask_all())
            # The calls are on their way when their channels are closed.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            store.member._transport.set_peers(())
            await asking
            store.member._transport.set_peers(cluster.peers)
            await eventually_async(lambda: len(store.member._transport.connected) == 2)
        before = {known.peer.id: sum(known.round_trips.counts) for known in _peers(store)}
        await eventually_async(
            lambda: all(
                sum(known.round_trips.counts) > before.get(known.peer.id, 0)
                for known in _peers(store)
            )
        )
        await cluster.stop_all()

    asyncio.run(main())


def _peers(store: RaftDatastore) -> list[ProbedPeer]:
    return list(store.member.probing.peers.values())


def test_a_changed_history_file_is_refused_on_start(tmp_path: Path):
    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path / "store")
        await store.transact(_put(b"a", b"1"))
        await store.transact(_put(b"k", b"value"))
        await store.close()
        again = await EmbeddedDatastore.open(tmp_path / "store")
        await again.close()
        _damage(tmp_path / "store", b"k")
        with pytest.raises(StoreOpenError, match="has changed by itself"):
            await EmbeddedDatastore.open(tmp_path / "store")
        # The last resort, once: what is served from then on is what is there.
        options = StoreOptions(accept_damage=True)
        accepted = await EmbeddedDatastore.open(tmp_path / "store", options=options)
        await accepted.transact(_put(b"a", b"2"))
        await accepted.close()
        usual = await EmbeddedDatastore.open(tmp_path / "store")
        assert (await usual.get(b"k")) is not None
        await usual.close()

    asyncio.run(main())


def test_a_changed_member_does_not_start_and_the_others_go_on(tmp_path: Path):
    async def main() -> None:
        cluster = RaftCluster(tmp_path, options=_OPTIONS)
        await cluster.start_all()
        await cluster.stores[1].transact(_put(b"k", b"value"))
        await cluster.stores[3].caught_up()
        await cluster.stop(3)
        _damage(tmp_path / "m3", b"k")
        with pytest.raises(StoreOpenError, match="has changed by itself"):
            await cluster.start(3)
        await cluster.stores[1].transact(_put(b"k", b"other"))
        await cluster.stop_all()

    asyncio.run(main())


@pytest.mark.parametrize("victim_led", [False, True])
def test_a_member_that_applied_something_else_is_found_after_its_restart(
    tmp_path: Path, victim_led: bool
):
    """Its file is whole and agrees with itself: only the others know better."""

    async def main() -> None:
        cluster = RaftCluster(tmp_path, options=_OPTIONS)
        await cluster.start_all()
        await cluster.stores[1].transact(_put(b"k", b"value"))
        for store in cluster.stores.values():
            await store.caught_up()
        leader = cluster.leader
        victim = leader if victim_led else next(n for n in cluster.stores if n != leader)
        await cluster.stop(victim)
        _damage(tmp_path / f"m{victim}", b"k", hidden=True)
        wrong = await cluster.start(victim)
        error = await asyncio.wait_for(wrong.failed(), 10)
        assert "the majority is right" in str(error)
        await cluster.stop(victim)
        for store in cluster.stores.values():
            assert (await store.get(b"k")).value.startswith(b"value")
        await cluster.stop_all()

    asyncio.run(main())


def test_a_single_store_whose_memory_changed_stops(tmp_path: Path):
    async def main() -> None:
        options = StoreOptions(scrub_interval_s=0.05, scrub_records=7)
        store = await EmbeddedDatastore.open(tmp_path / "store", options=options)
        for number in range(50):
            await store.transact(_put(b"k%d" % number, b"value"))
        await asyncio.sleep(3 * options.scrub_interval_s)
        assert store._state.error is None
        _flip(store, b"k7")
        error = await asyncio.wait_for(store.failed(), 10)
        assert "memory" in str(error)
        await store.close()

    asyncio.run(main())


def test_a_file_without_a_digest_is_read_as_before(tmp_path: Path):
    path = tmp_path / "history.lmdb"
    history = History(path, _MAP_BYTES, SEALER)
    event = Event(1, b"k", b"v", 1, None)
    history.append([HistoryBatch(1, 1, 0, (event,))])
    assert history.digest is None
    assert list(history.newest()) == [Record(b"k", b"v", 1, 1)]
    history.close()
