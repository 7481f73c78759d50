"""How this server becomes a member of a group of servers that keep the state together.

Owns: what follows from ``--members``: the group's identity, the members' numbers, the certificate
it shows.  Invariant: members with the same authority and the same names agree on all of
it without asking each other.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import logging
from pathlib import Path

from podraft.server.arguments import Arguments, StartError, split_address
from podraft.server.auth.certificates import CertificateAuthority, member_server_name
from podraft.server.auth.identity import IdentityError, from_certificate
from podraft.server.auth.pki import Pki
from podraft.server.replication.faults import NoLeaderError
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.members import MemberConfig, RaftDatastore
from podraft.server.replication.options import StoreOptions
from podraft.server.replication.transport import MemberCredentials, Peer

_LOG = logging.getLogger(__name__)


def check_authority(given: Arguments) -> None:
    """Refuse to make a second authority: only the first member makes one.

    Raises:
        StartError: The authority's file must be copied here first.
    """
    path = given.data_dir / "pki" / "ca.pem"
    first = given.members[0][0]
    if given.member_name != first and not path.exists():
        raise StartError(
            f"{path} is missing: start member {first} first, then copy its file to here "
            "(it holds the cluster's key: keep it as secret)"
        )


async def open_member(given: Arguments, pki: Pki, stop: asyncio.Event) -> RaftDatastore:
    """Take part in the group; return when this member knows what was committed, or is stopped.

    Raises:
        StoreOpenError: The data directory or the address cannot be used.
        StoreFailedError: The store stopped meanwhile.
    """
    store = await RaftDatastore.open(member_config(given, pki.authority, given.data_dir / "store"))
    stopping = asyncio.ensure_future(stop.wait())
    catching_up = asyncio.ensure_future(_caught_up(store))
    try:
        await asyncio.wait((stopping, catching_up), return_when=asyncio.FIRST_COMPLETED)
        if catching_up.done():
            catching_up.result()
    except BaseException:
        await store.close()
        raise
    finally:
        stopping.cancel()
        catching_up.cancel()
    return store


async def _caught_up(store: RaftDatastore) -> None:
    while True:
        try:
            await store.caught_up()
        except NoLeaderError:
            _LOG.warning("waiting for a majority of the members")
        else:
            return


def member_config(
    given: Arguments, authority: CertificateAuthority, directory: Path
) -> MemberConfig:
    """Return what the command line and the authority say of this member and its group."""
    cluster_id = hashlib.sha256(b"podraft members " + authority.certificate).digest()[:16]
    peers = tuple(Peer(_number(cluster_id, name), name, address) for name, address in given.members)
    me = next(peer for peer in peers if peer.name == given.member_name)
    pair = authority.issue_member(me.name, datetime.datetime.now(datetime.UTC))
    return MemberConfig(
        directory=directory,
        me=me,
        founders=peers,
        cluster_id=cluster_id,
        listen=given.member_listen or f"[::]:{split_address(me.address)[1]}",
        credentials=MemberCredentials(
            authority.certificate, pair.certificate, pair.key, _name_of, member_server_name
        ),
        options=MemberOptions.timed(given.heartbeat_s, given.election_s),
        store_options=StoreOptions(retention=given.retention),
    )


def _number(cluster_id: bytes, name: str) -> int:
    """Return a member's number: above 0, below 2**63, the same wherever it is asked for."""
    digest = hashlib.sha256(cluster_id + name.encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1 | 1


def _name_of(pem: bytes) -> str | None:
    try:
        return from_certificate(pem).member_name
    except IdentityError:
        return None
