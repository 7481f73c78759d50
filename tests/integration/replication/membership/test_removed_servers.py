"""Servers that are taken out of their group, or come back to it as what they are not."""

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path

from support.group_writers import LEARNER, VOTER, names_at, roles, write
from support.membership_processes import (
    GrowingGroup,
    ask,
    listed,
    member_command,
    try_start,
)
from support.raft_cluster import free_ports
from support.raft_processes import Server, ServerGroup
from support.waiting import eventually


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
