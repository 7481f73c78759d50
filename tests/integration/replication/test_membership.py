"""Real servers whose group is made and changed while clients write."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import grpc
import pytest

from podraft.api.cluster.v1 import cluster_pb2, cluster_pb2_grpc, member_pb2
from podraft.api.core.v1 import config_pb2
from podraft.client.calls.client import Client
from podraft.client.connecting.authority import fetch_authority
from podraft.client.errors import ApiError
from podraft.server.auth import tokens
from podraft.server.auth.pki import read_authority
from podraft.server.encryption.key_file import beside
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions
from support.membership_processes import (
    GrowingGroup,
    ask,
    listed,
    member_command,
    try_start,
)
from support.raft_cluster import free_ports
from support.raft_processes import Server, ServerGroup
from support.waiting import eventually, eventually_async


@pytest.fixture
def group(tmp_path: Path) -> Iterator[GrowingGroup]:
    servers = GrowingGroup(tmp_path)
    try:
        yield servers
    finally:
        servers.kill_all()


def config_map(name: str) -> config_pb2.ConfigMap:
    sent = config_pb2.ConfigMap(data={"k": name})
    sent.metadata.name, sent.metadata.namespace = name, "default"
    return sent


def write(server: Server, *names: str) -> int:
    """Create objects; return the last one's revision."""

    async def call(client: Client) -> int:
        created = [await client.config_maps.create(config_map(name)) for name in names]
        return int(created[-1].metadata.resource_version)

    return ask(server, call)


def names_at(server: Server) -> set[str]:
    found = ask(server, lambda client: client.config_maps.list("default"))
    return {item.metadata.name for item in found.items}


class Writers:
    """Clients that write unique objects, wherever a server answers, while the group changes."""

    def __init__(self, group: GrowingGroup, count: int = 3) -> None:
        self._group = group
        self._count = count
        self.acknowledged: set[str] = set()
        self.tried: set[str] = set()

    async def __aenter__(self) -> Writers:
        self._stop = asyncio.Event()
        self._tasks = [asyncio.create_task(self._write(n)) for n in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _write(self, writer: int) -> None:
        number = 0
        clients: dict[tuple[str, int], Client] = {}
        while not self._stop.is_set():
            number += 1
            name = f"w{writer}-{number}"
            self.tried.add(name)
            running = [each for each in self._group.running if each.config_path().exists()]
            server = running[number % len(running)]
            client = clients.setdefault((server.name, server.port), Client(server.config()))
            try:
                async with asyncio.timeout(3):
                    await client.config_maps.create(config_map(name))
            except (ApiError, TimeoutError):
                await asyncio.sleep(0.02)
                continue
            self.acknowledged.add(name)
        for client in clients.values():
            await client.close()

    async def more(self, count: int = 30) -> None:
        """Return when so many more writes were acknowledged."""
        target = len(self.acknowledged) + count

        def reached() -> bool:
            for task in self._tasks:
                if task.done():
                    task.result()
            return len(self.acknowledged) >= target

        await eventually_async(reached, within_s=30)

    def check(self, server: Server) -> None:
        found = {name for name in names_at(server) if name.startswith("w")}
        assert self.acknowledged <= found, "acknowledged, and lost"
        assert found <= self.tried, "nobody wrote this"


def roles(server: Server) -> dict[str, int]:
    return {member.name: member.role for member in listed(server).members}


VOTER, LEARNER = member_pb2.MEMBER_ROLE_VOTER, member_pb2.MEMBER_ROLE_LEARNER


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


def test_who_has_no_valid_token_for_a_server_becomes_none(group: GrowingGroup) -> None:
    a = group.first("a")
    member_token = ask(a, lambda client: client.members.add()).token
    node_token = ask(a, lambda client: client.create_join_token(60)).token
    kind, identifier, secret, fingerprint = member_token.split(".")
    other_secret = ("0" if secret[0] != "0" else "1") + secret[1:]
    other_cluster = f"{kind}.{identifier}.{secret}.{fingerprint[::-1]}"
    named = ask(a, lambda client: client.members.add("x")).token
    expected = {
        "": "malformed join token",
        node_token: "makes a machine a node, not a server",
        f"{kind}.{'0' * 12}.{secret}.{fingerprint}": "unknown join token",
        f"{kind}.{identifier}.{other_secret}.{fingerprint}": "the join token's secret is wrong",
        other_cluster: "does not belong to the cluster of the join token",
        named: 'is for a server with the name "x", not "b"',
    }
    for token, problem in expected.items():
        data = group.directory / "refused"
        done = try_start(data, *group.join_arguments("b", a, token))
        assert done.returncode == 1, (token, done)
        assert problem in done.stderr
        assert done.stderr.count("podraft-server:") == 1
        assert not (data / "store").exists()
        assert not (data / "pki").exists()
    assert roles(a) == {"a": VOTER}

    # A name that is taken does not use the token up, one that joins does.
    done = try_start(group.directory / "d", *group.join_arguments("a", a, member_token)[:3])
    assert "there is a member a already" in done.stderr
    b = group.servers["b"] = Server("b", group.directory / "b", ())
    b.arguments = group.join_arguments("b", a, member_token)
    b.start()
    done = try_start(group.directory / "e", *group.join_arguments("e", a, member_token))
    assert "was used by another server already" in done.stderr
    # Neither does a server's token make a node.
    assert "makes a machine a server, not a node" in join_as_node(a, named)
    # What is a member already needs no token any more.
    b.stop()
    b.start()
    assert roles(b) == {"a": VOTER, "b": VOTER}


def join_as_node(server: Server, token: str) -> str:
    """Return why a node may not join."""
    target = f"127.0.0.1:{server.join_port}"
    credentials = grpc.ssl_channel_credentials(fetch_authority(target, token.rpartition(".")[2]))
    options = (("grpc.ssl_target_name_override", "podraft-server"),)
    with grpc.secure_channel(target, credentials, options) as channel:
        request = cluster_pb2.JoinNodeRequest(token=token, node_name="n")
        with pytest.raises(grpc.RpcError) as caught:
            cluster_pb2_grpc.JoinServiceStub(channel).JoinNode(request, timeout=10)
        return str(caught.value)


def test_a_server_that_is_killed_while_it_joins_goes_on_with_the_same_command(
    group: GrowingGroup,
) -> None:
    seed = 11
    print(f"seed {seed}")
    random = Random(seed)
    a = group.first("a")
    write(a, *(f"w-{number}" for number in range(30)))
    token = ask(a, lambda client: client.members.add()).token
    b = group.servers["b"] = Server("b", group.directory / "b", ())
    b.arguments = group.join_arguments("b", a, token)
    for _ in range(4):
        b.begin()
        assert b.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            b.process.wait(random.uniform(0.3, 1.2))
        b.end(signal.SIGKILL)
    b.start()
    assert roles(b) == {"a": VOTER, "b": VOTER}
    assert names_at(b) == names_at(a) == {f"w-{number}" for number in range(30)}
    # Who has a state of its own takes no other one.
    alone = group.alone("c")
    alone.stop()
    token = ask(a, lambda client: client.members.add()).token
    done = try_start(alone.data_dir, *group.join_arguments("c", a, token))
    assert done.returncode == 1
    assert "holds the state of a server already" in done.stderr
    alone.start()
    assert member_command(alone, "add").stderr.count("--member-address") == 1


def test_a_learner_that_is_removed_before_it_votes_ends(group: GrowingGroup) -> None:
    a = group.first("a")
    token = ask(a, lambda client: client.members.add()).token
    b = group.servers["b"] = Server("b", group.directory / "b", ())
    b.arguments = group.join_arguments("b", a, token)
    b.begin()
    eventually(lambda: "this server is member b now" in b.log(), within_s=30)
    assert b.process is not None
    b.process.send_signal(signal.SIGSTOP)
    assert roles(a) == {"a": VOTER, "b": LEARNER}
    assert member_command(a, "remove", "b").returncode == 0
    b.process.send_signal(signal.SIGCONT)
    assert b.process.wait(30) == 1
    assert "member b was removed from the group" in b.log()
    assert roles(a) == {"a": VOTER}


def test_an_expired_token_makes_no_server(group: GrowingGroup) -> None:
    a = group.alone("a")
    a.stop()
    authority = read_authority(a.data_dir / "pki")
    assert authority is not None
    made = tokens.make_token(bytes(26), authority.fingerprint, 1e9, 60, tokens.MEMBER)

    async def store() -> None:
        # Not by waiting until it has expired: a minute is the shortest.
        datastore = await EmbeddedDatastore.open(
            a.data_dir / "store", options=StoreOptions(keys=beside(a.data_dir))
        )
        await datastore.transact(Transaction((), (Put(made.key, made.stored, stamped=False),)))
        await datastore.close()

    asyncio.run(store())
    group.first("a")
    # Another token is valid: else the port would not even be open.
    ask(a, lambda client: client.create_join_token(600))
    done = try_start(group.directory / "b", *group.join_arguments("b", a, made.text))
    assert done.returncode == 1
    assert "the join token has expired" in done.stderr


def test_removing_refuses_to_leave_no_majority_unless_it_is_forced(group: GrowingGroup) -> None:
    group.grown("a", "b", "c")
    a, b, c = (group.servers[name] for name in "abc")
    done = member_command(a, "transfer-leader", "a")
    assert done.stdout == 'member "a" leads\n'
    c.end(signal.SIGKILL)
    eventually(lambda: not {m.name: m.reachable for m in listed(a).members}["c"])
    done = member_command(a, "remove", "b")
    assert done.returncode == 1
    assert "(c: unreachable)" in done.stderr
    assert roles(a) == {"a": VOTER, "b": VOTER, "c": VOTER}
    # The one that is away may go; then the one that leads hands over, and the last one stays.
    assert member_command(b, "remove", "c").returncode == 0
    assert member_command(b, "transfer-leader").stdout == 'member "b" leads\n'
    assert member_command(b, "remove", "a").returncode == 0
    assert roles(b) == {"b": VOTER}
    done = member_command(b, "remove", "b", "--force")
    assert "the last voter" in done.stderr
    assert write(b, "alone-again")
    # What was away when it was removed learns it when it comes back.
    done = try_start(c.data_dir)
    assert done.returncode == 1
    assert "member c was removed from the group" in done.stderr
    for word, problem in (("nobody", 'no member "nobody"'), ("Q q", 'no member "Q q"')):
        assert problem in member_command(b, "remove", word).stderr


def test_a_forced_removal_leaves_a_group_that_waits_for_the_unreachable(
    group: GrowingGroup,
) -> None:
    group.grown("a", "b", "c")
    a, b, c = (group.servers[name] for name in "abc")
    assert member_command(a, "transfer-leader", "a").returncode == 0
    c.end(signal.SIGKILL)
    eventually(lambda: not {m.name: m.reachable for m in listed(a).members}["c"])
    # Not committed before a majority of the others, which is both of them, is there again.
    removed = asyncio.run(removed_while_c_comes_back(b, c))
    assert removed
    assert b.process is not None
    assert b.process.wait(20) == 1
    eventually(lambda: roles(a) == {"a": VOTER, "c": VOTER}, within_s=20)
    assert write(c, "both")


async def removed_while_c_comes_back(b: Server, c: Server) -> bool:
    forced = asyncio.create_task(asyncio.to_thread(member_command, b, "remove", "b", "--force"))
    await asyncio.to_thread(c.start)
    done = await forced
    return done.returncode == 0 or "try again" in done.stderr or "may have been" in done.stderr


def test_a_founder_that_comes_back_without_its_data_is_sent_away(tmp_path: Path) -> None:
    founders = ServerGroup(tmp_path)
    try:
        founders.start()
        a, c = founders.servers["a"], founders.servers["c"]
        # What a member tells of itself when its API answers includes which life of it this is.
        eventually(lambda: all(member.api_addresses for member in listed(a).members))
        c.end(signal.SIGKILL)
        shutil.rmtree(c.data_dir / "store")
        # Else it would notice by itself that it has run before.
        (c.data_dir / "admin.conf").unlink()
        c.begin()
        assert c.process is not None
        assert c.process.wait(30) == 1
        assert "member c has come back without its data" in c.log()
        assert member_command(a, "remove", "c").returncode == 0
        token = ask(a, lambda client: client.members.add("c")).token
        shutil.rmtree(c.data_dir)
        c.arguments = (
            f"--join=127.0.0.1:{a.join_port}",
            f"--token={token}",
            "--member-name=c",
            f"--member-address=127.0.0.1:{free_ports(1)[0]}",
        )
        c.start()
        write(c, "written")
        # Founders, too, start again without their command line.
        for server in founders.servers.values():
            server.stop()
            server.arguments = ()
        founders.start()
        assert all(names_at(server) == {"written"} for server in founders.servers.values())
        assert roles(a) == {"a": VOTER, "b": VOTER, "c": VOTER}
    finally:
        founders.stop()


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


def test_the_last_member_of_a_lost_group_becomes_one_of_its_own_by_force(
    group: GrowingGroup,
) -> None:
    group.grown("a", "b", "c")
    a, b, c = (group.servers[name] for name in "abc")
    write(b, "kept")
    ask(c, lambda client: client.config_maps.get("kept", "default"))
    revision = ask(c, lambda client: client.version()).resource_version
    old_id = {m.name: m.id for m in listed(c).members}["c"]
    for server in (a, b):
        server.end(signal.SIGKILL)
    done = member_command(c, "remove", "a")
    assert done.returncode == 1
    assert "a, b cannot be reached" in done.stderr
    assert "podraft-server recover" in done.stderr
    c.end(signal.SIGKILL)
    recover = ("recover", f"--data-dir={c.data_dir}")
    asked = run_server_command(*recover)
    assert asked.returncode == 2
    assert f"member c has revision {revision}" in asked.stdout
    assert "a, b acknowledged after that would be LOST" in asked.stdout
    done = run_server_command(*recover, "--accept-data-loss")
    assert done.returncode == 0
    assert f"begins with revision {revision}" in done.stdout
    c.start()
    assert names_at(c) == {"kept"}
    assert roles(c) == {"c": VOTER}
    assert listed(c).members[0].id != old_id
    write(c, "new-life")
    # The old ones find each other, but also the one that has gone on without them: they leave.
    for server in (a, b):
        server.begin()
    for server in (a, b):
        assert server.process is not None
        assert server.process.wait(30) == 1
        assert "was removed from the group" in server.log()
    for server in (a, b):
        shutil.rmtree(server.data_dir)
        group.joined(server.name, c)
    assert names_at(a) == names_at(b) == {"kept", "new-life"}


def run_server_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "podraft.server.app", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_recover_is_for_members_only(group: GrowingGroup) -> None:
    alone = group.alone("a")
    recover = ("recover", f"--data-dir={alone.data_dir}", "--accept-data-loss")
    done = run_server_command(*recover)
    assert done.returncode == 1
    assert "is not that of a group's member" in done.stderr
    alone.stop()
    group.first("a")
    done = run_server_command(*recover)
    assert done.returncode == 1
    assert "in use" in done.stderr
