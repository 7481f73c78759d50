"""Real servers whose group is made and changed while clients write."""

from __future__ import annotations

import asyncio
import shutil

from podraft.client.calls.client import Client
from support.group_writers import VOTER, Writers, names_at, roles, write
from support.membership_processes import (
    GrowingGroup,
    listed,
    member_command,
    try_start,
)
from support.raft_processes import Server
from support.waiting import eventually


def test_a_server_alone_grows_to_three_under_writes_and_starts_again_without_arguments(
    group: GrowingGroup,
) -> None:
    alone = group.alone("a")
    cluster = listed(alone).cluster_id
    before = write(alone, "old-1", "old-2")
    alone.stop()

    writers = Writers(group)

    async def grow() -> None:
        await asyncio.to_thread(group.first, "a")
        async with writers:
            await writers.more()
            await asyncio.to_thread(group.joined, "b", group.servers["a"])
            await writers.more()
            await asyncio.to_thread(group.joined, "c", group.servers["b"])
            await writers.more()

    asyncio.run(grow())
    for server in group.running:
        writers.check(server)
        assert roles(server) == {"a": VOTER, "b": VOTER, "c": VOTER}
        assert listed(server).cluster_id == cluster
    # A watch goes on where it was before there was a group, on a server that is newer.
    write(group.servers["b"], "last")
    seen = asyncio.run(seen_after(group.servers["c"], before, "last"))
    assert writers.acknowledged <= seen
    assert not seen & {"old-1", "old-2"}

    for server in group.servers.values():
        assert server.stop() == 0
    for server in group.servers.values():
        assert server.arguments == ()
        server.begin()
    for server in group.servers.values():
        server.await_ready()
    for server in group.servers.values():
        writers.check(server)
        assert {"old-1", "old-2", "last"} <= names_at(server)


async def seen_after(server: Server, revision: int, last: str) -> set[str]:
    seen: set[str] = set()
    async with Client(server.config()) as client, asyncio.timeout(20):
        async for events in client.config_maps.watch("default", resource_version=str(revision)):
            seen |= {event.object.metadata.name for event in events if event.object}
            if last in seen:
                break
    return seen


def test_the_leader_is_removed_under_writes_and_its_name_comes_back_as_another_member(
    group: GrowingGroup,
) -> None:
    group.grown("a", "b", "c")
    leader = group.leader
    old_id = {m.name: m.id for m in listed(leader).members}[leader.name]
    writers = Writers(group)

    async def main() -> None:
        async with writers:
            await writers.more()
            others = [server for server in group.running if server is not leader]
            done = await asyncio.to_thread(member_command, others[0], "remove", leader.name)
            assert (done.returncode, done.stdout) == (0, f'member "{leader.name}" removed\n'), done
            assert leader.process is not None
            status = await asyncio.to_thread(leader.process.wait, 20)
            assert status == 1
            assert f"member {leader.name} was removed from the group" in leader.log()
            await writers.more()
            again = await asyncio.to_thread(try_start, leader.data_dir)
            assert again.returncode == 1
            assert "was removed from the group" in again.stderr
            assert again.stderr.count("podraft-server:") == 1
            # Under the same name, with nothing of the state that it had.
            shutil.rmtree(leader.data_dir / "store")
            await asyncio.to_thread(group.joined, leader.name, others[1])
            await writers.more()

    asyncio.run(main())
    for server in group.running:
        writers.check(server)
        members = {m.name: m for m in listed(server).members}
        assert {m.role for m in members.values()} == {VOTER}
        assert members[leader.name].id != old_id


def test_a_member_that_is_somewhere_else_tells_the_others(group: GrowingGroup) -> None:
    group.grown("a", "b")
    a, b = (group.servers[name] for name in "ab")
    b.stop()
    group.addresses.pop("b")
    b.arguments = (f"--member-address={group.address('b')}",)
    b.start()

    def known() -> bool:
        return {m.name: m.peer_address for m in listed(a).members}["b"] == group.address("b")

    eventually(known)
    assert write(a, "moved")
    for server in (a, b):
        server.stop()
    b.arguments = ()
    for server in (a, b):
        server.begin()
    for server in (a, b):
        server.await_ready()
    assert names_at(b) == {"moved"}
