"""Streams between members: who is believed, what is lost, what comes back."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from podraft.internal.raft.v1 import members_pb2
from podraft.server.auth.certificates import CertificateAuthority, member_server_name
from podraft.server.auth.identity import node_identity
from podraft.server.raft import messages as raft
from podraft.server.raft.entries import Entry, EntryKind, Membership, SnapshotMark
from podraft.server.raft.events import Proposal, Refusal
from podraft.server.replication.core.roster import Peer
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.transport.member_link import MemberCredentials
from podraft.server.replication.transport.member_transport import MemberTransport
from podraft.server.replication.transport.message_encoding import (
    Encoder,
    MessageFormatError,
    decode_message,
)
from support.raft_cluster import CLUSTER, credentials, free_ports, name_of
from support.waiting import eventually_async

NOW = datetime.datetime.now(datetime.UTC)
OPTIONS = MemberOptions(reconnect_s=0.02, reconnect_s_max=0.05)


@pytest.fixture
def authority() -> CertificateAuthority:
    return CertificateAuthority.create(NOW)


class End:
    """A transport that keeps what it received."""

    def __init__(
        self,
        me: Peer,
        others: tuple[Peer, ...],
        shown: MemberCredentials,
        cluster: bytes = CLUSTER,
        options: MemberOptions = OPTIONS,
    ) -> None:
        self.received: list[raft.Message] = []
        self.transport = MemberTransport(me, cluster, shown, options)
        self.transport.set_peers(others)

    async def start(self) -> End:
        await self.transport.start(
            self.transport.me.address, self.received.append, self.no_snapshot
        )
        return self

    async def no_snapshot(
        self,
        first: members_pb2.SendSnapshotRequest,
        requests: AsyncIterator[members_pb2.SendSnapshotRequest],
    ) -> AsyncIterator[members_pb2.SendSnapshotResponse]:
        assert not first, "nobody sends snapshots here"
        yield members_pb2.SendSnapshotResponse()


def all_of(received: list[raft.Message], count: int) -> bool:
    return len(received) == count


def peers() -> tuple[Peer, Peer]:
    first, second = free_ports(2)
    return Peer(1, "a", f"127.0.0.1:{first}"), Peer(2, "b", f"127.0.0.1:{second}")


def test_messages_arrive_in_order_and_again_after_a_restart(
    authority: CertificateAuthority,
) -> None:
    async def main() -> None:
        a, b = peers()
        one = await End(a, (a, b), credentials(authority, "a")).start()
        for round_ in range(2):
            two = await End(b, (a, b), credentials(authority, "b")).start()
            await eventually_async(lambda: one.transport.connected == (2,))
            sent = [raft.Appended(1, 2, round_, n) for n in range(1000)]
            for message in sent:
                one.transport.send(message)
            received = two.received
            await eventually_async(partial(all_of, received, 1000))
            assert received == sent
            await two.transport.close()
            await eventually_async(lambda: not one.transport.connected)
            # To nobody: lost, and no error.
            one.transport.send(sent[0])
        await one.transport.close()

    asyncio.run(main())


@pytest.mark.parametrize("problem", ["authority", "node", "name", "cluster", "unknown"])
def test_who_is_no_member_of_this_cluster_is_not_heard(
    authority: CertificateAuthority, problem: str
) -> None:
    async def main() -> None:
        a, b = peers()
        shown = credentials(authority, "a")
        cluster = CLUSTER
        known: tuple[Peer, ...] = (a, b)
        if problem == "authority":
            shown = replace(
                credentials(CertificateAuthority.create(NOW), "a"), authority=authority.certificate
            )
        elif problem == "node":
            pair = authority.issue_client(node_identity("a"), NOW)
            shown = MemberCredentials(
                authority.certificate, pair.certificate, pair.key, name_of, member_server_name
            )
        elif problem == "name":
            shown = credentials(authority, "c")
        elif problem == "cluster":
            cluster = bytes(16)
        elif problem == "unknown":
            known = (b,)
        two = await End(b, known, credentials(authority, "b")).start()
        one = End(a, (a, b), shown, cluster)
        # A member that is believed is connected long before this one has tried some times.
        tries = 0
        connect = one.transport._links[2]._converse

        async def count(call: object) -> None:
            nonlocal tries
            tries += 1
            await connect(call)

        one.transport._links[2]._converse = count  # type: ignore[method-assign]  # Counting only.
        await eventually_async(lambda: tries >= 4)
        assert not one.transport.connected
        assert two.received == []
        await one.transport.close()
        await two.transport.close()

    asyncio.run(main())


def test_a_member_that_speaks_for_another_is_cut_off(authority: CertificateAuthority) -> None:
    async def main() -> None:
        a, b = peers()
        one = await End(a, (a, b), credentials(authority, "a")).start()
        two = await End(b, (a, b), credentials(authority, "b")).start()
        await eventually_async(lambda: one.transport.connected == (2,))
        one.transport.send(raft.Appended(3, 2, 1, 1))
        await eventually_async(lambda: not one.transport.connected)
        assert two.received == []
        await one.transport.close()
        await two.transport.close()

    asyncio.run(main())


def test_what_waits_for_a_member_is_bounded(authority: CertificateAuthority) -> None:
    async def main() -> None:
        a, b = peers()
        small = replace(OPTIONS, send_bytes=10_000)
        one = await End(a, (a, b), credentials(authority, "a"), options=small).start()
        two = await End(b, (a, b), credentials(authority, "b")).start()
        await eventually_async(lambda: one.transport.connected == (2,))
        for number in range(1000):
            # Nothing leaves before this turn of the loop ends.
            one.transport.send(raft.Forward(1, 2, (Proposal(number + 1, bytes(1000)),)))
        one.transport.send(raft.Appended(1, 2, 1, 1))
        await eventually_async(lambda: two.received)
        await eventually_async(lambda: two.received[-1] == raft.Appended(1, 2, 1, 1))
        assert len(two.received) <= 11
        await one.transport.close()
        await two.transport.close()

    asyncio.run(main())


def messages(random: Random) -> Iterator[raft.Message]:
    def number() -> int:
        return random.choice((0, 1, random.getrandbits(31), random.getrandbits(63)))

    def number128() -> int:
        return random.getrandbits(128)

    def entries() -> tuple[Entry, ...]:
        return tuple(
            Entry(n, number(), random.choice(list(EntryKind)), random.randbytes(n), number128())
            for n in range(random.randint(0, 4))
        )

    for _ in range(200):
        ids = tuple(number128() for _ in range(random.randint(0, 3)))
        yes, no = random.random() < 0.5, random.random() < 0.5
        mark = SnapshotMark(number(), number(), Membership.of((1, 2), (3,)))
        yield raft.AskVote(1, 2, number(), number(), number(), yes, no)
        yield raft.Vote(1, 2, number(), yes, no)
        yield raft.Append(1, 2, number(), number(), number(), entries(), number())
        yield raft.CommitNews(1, 2, number(), number(), number(), number())
        yield raft.Appended(1, 2, number(), number())
        yield raft.AppendRefused(1, 2, number(), number(), number(), number())
        yield raft.Heartbeat(1, 2, number(), number(), number())
        yield raft.HeartbeatAnswer(1, 2, number(), number())
        yield raft.InstallSnapshot(1, 2, number(), mark)
        yield raft.CampaignNow(1, 2, number())
        yield raft.Forward(1, 2, tuple(Proposal(i, random.randbytes(9)) for i in ids))
        yield raft.Declined(1, 2, ids, random.choice(list(Refusal)))
        yield raft.AskRead(1, 2, ids)
        yield raft.ReadAnswer(1, 2, ids, number())


def test_every_message_survives_the_wire() -> None:
    print("seed 3")
    encoder = Encoder()
    for message in messages(Random(3)):
        assert decode_message(encoder.encode(message)) == message


def test_damaged_messages_are_refused_or_are_other_messages() -> None:
    print("seed 4")
    random, encoder = Random(4), Encoder()
    refused = 0
    for message in messages(random):
        data = bytearray(encoder.encode(message))
        if random.random() < 0.5:
            del data[random.randrange(len(data)) :]
        else:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        try:
            decode_message(bytes(data))
        except MessageFormatError:
            refused += 1
    assert refused > 500


def test_who_has_parted_can_part_again(authority: CertificateAuthority) -> None:
    async def main() -> None:
        peers = tuple(Peer(n, f"m{n}", f"127.0.0.1:{p}") for n, p in enumerate(free_ports(2), 1))
        end = await End(peers[0], peers, credentials(authority, "m1")).start()
        await end.transport.close()
        # A store that fails while it is closed does this.
        end.transport.set_peers(())

    asyncio.run(main())
