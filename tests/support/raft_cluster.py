"""A group of members in one process: real files, real gRPC with mutual TLS on loopback."""

from __future__ import annotations

import datetime
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from podraft.server.auth.certificates import CertificateAuthority, member_server_name
from podraft.server.auth.certified import from_certificate
from podraft.server.auth.identity import IdentityError
from podraft.server.raft.member import Role
from podraft.server.raft.options import RaftOptions
from podraft.server.replication.core.roster import Peer
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.opening.member_config import MemberConfig
from podraft.server.replication.raft_datastore import RaftDatastore
from podraft.server.replication.transport.member_link import MemberCredentials
from podraft.server.store.options import StoreOptions

CLUSTER = bytes(range(16, 32))
QUICK = MemberOptions(tick_s=0.02, raft=RaftOptions(election_ticks=15))


def free_ports(count: int) -> list[int]:
    """Return ports that nobody uses."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def name_of(pem: bytes) -> str | None:
    try:
        return from_certificate(pem).member_name
    except IdentityError:
        return None


def credentials(authority: CertificateAuthority, name: str) -> MemberCredentials:
    pair = authority.issue_member(name, datetime.datetime.now(datetime.UTC))
    return MemberCredentials(
        authority.certificate, pair.certificate, pair.key, name_of, member_server_name
    )


@dataclass
class RaftCluster:
    """The members of a group; those that run are in ``stores``."""

    directory: Path
    options: MemberOptions = QUICK
    store_options: StoreOptions | None = None
    size: int = 3

    def __post_init__(self) -> None:
        self.directory.mkdir(exist_ok=True)
        now = datetime.datetime.now(datetime.UTC)
        self.authority = CertificateAuthority.create(now)
        self.peers = tuple(
            Peer(number, f"m{number}", f"127.0.0.1:{port}")
            for number, port in enumerate(free_ports(self.size), 1)
        )
        self.stores: dict[int, RaftDatastore] = {}

    def config(self, number: int) -> MemberConfig:
        me = self.peers[number - 1]
        return MemberConfig(
            directory=self.directory / me.name,
            me=me,
            founders=self.peers,
            cluster_id=CLUSTER,
            listen=me.address,
            credentials=credentials(self.authority, me.name),
            options=self.options,
            store_options=self.store_options or StoreOptions(bookmark_interval_s=0.05),
        )

    async def start(self, number: int) -> RaftDatastore:
        self.stores[number] = await RaftDatastore.open(self.config(number))
        return self.stores[number]

    async def start_all(self) -> None:
        for peer in self.peers:
            await self.start(peer.id)
        for store in self.stores.values():
            await store.caught_up()

    async def stop(self, number: int) -> None:
        await self.stores.pop(number).close()

    async def stop_all(self) -> None:
        for number in list(self.stores):
            await self.stop(number)

    @property
    def leader(self) -> int:
        """The leader of the latest term, or 0 if there is none."""
        leaders = [
            (store.member.status.term, number)
            for number, store in self.stores.items()
            if store.member.status.role is Role.LEADER
        ]
        return max(leaders)[1] if leaders else 0
