"""The start of a member of a group of servers that keep the state together.

Owns: which member a data directory is, and what follows from the command line for it:

    --members           founds a group: all of them know each other beforehand
    --member-address    makes a server alone the first member of a group
    --join              enters a group (``joining``)
    nothing             goes on as the member that the data directory is

Invariant: founders with the same authority and the same names agree on the group's identity and the
members' numbers without asking each other.  Once a directory is a member, it says so itself.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import logging
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from podraft.client.serving.private_files import make_private_directory
from podraft.server.auth.certificates import CertificateAuthority, member_server_name
from podraft.server.auth.certified import parsed
from podraft.server.auth.identity import IdentityError
from podraft.server.auth.pki import Pki
from podraft.server.auth.recognition import recognized
from podraft.server.raft.entries import Membership
from podraft.server.replication.core.roster import MEMBER_NAME, Peer, Roster
from podraft.server.replication.faults import NoLeaderError
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.opening import converting, member_identity
from podraft.server.replication.opening.member_config import MemberConfig
from podraft.server.replication.opening.member_identity import MemberIdentity
from podraft.server.replication.raft_datastore import RaftDatastore
from podraft.server.replication.transport.member_link import MemberCredentials
from podraft.server.startup.argument_values import split_address
from podraft.server.startup.arguments import Arguments, StartError
from podraft.server.store.options import StoreOptions

_LOG = logging.getLogger(__name__)

_TELL_EVERY_S: Final = 1.0


def is_member(given: Arguments) -> bool:
    """Return whether this server is, or is to become, a member of a group.

    Raises:
        StoreOpenError: The data directory does not say it clearly.
    """
    wanted = bool(given.members or given.member_address or given.join)
    return wanted or member_identity.load(store_directory(given)) is not None


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
    """Take part in the group; return when this member has caught up, or is stopped.

    Raises:
        StartError: The command line does not fit the data directory.
        StoreOpenError: The data directory or the address cannot be used.
        StoreFailedError: The store stopped meanwhile.
    """
    identity = await asyncio.to_thread(_identity, given, pki.authority)
    store = await RaftDatastore.open(_config(given, identity, pki.authority))
    stopping = asyncio.ensure_future(stop.wait())
    taking_part = asyncio.ensure_future(_take_part(store, identity))
    # A learner may be removed before it votes.
    failing = asyncio.ensure_future(store.failed())
    waited_for = (stopping, taking_part, failing)
    try:
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            raise failing.result()
        if taking_part.done():
            taking_part.result()
    except BaseException:
        await store.close()
        raise
    finally:
        for each in waited_for:
            each.cancel()
    return store


async def _take_part(store: RaftDatastore, identity: MemberIdentity) -> None:
    """Return when this member has caught up and, if it joins, votes."""
    while True:
        try:
            await store.caught_up()
        except NoLeaderError:
            _LOG.warning("waiting for %s", store.member.group.waiting_for())
        else:
            break
    if identity.id in store.member.group.membership.learners:
        _LOG.warning("member %s gets what the others have", identity.name)
        await store.member.administration.become_voter(_tell_progress())
        _LOG.warning("member %s has caught up and votes now", identity.name)


def _tell_progress() -> Callable[[int], None]:
    """Return a function that logs now and then how much is still missing."""
    told_s = 0.0

    def tell(lag: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= _TELL_EVERY_S:
            told_s = time.monotonic()
            _LOG.warning("catching up: %d entries of the log to go", lag)

    return tell


def _config(
    given: Arguments, identity: MemberIdentity, authority: CertificateAuthority
) -> MemberConfig:
    pair = authority.issue_member(identity.name, datetime.datetime.now(datetime.UTC))
    return MemberConfig(
        directory=store_directory(given),
        me=identity.peer,
        founders=identity.known,
        cluster_id=identity.cluster_id,
        listen=identity.listen,
        credentials=MemberCredentials(
            authority.certificate,
            pair.certificate,
            pair.key,
            partial(_name_of, authority),
            member_server_name,
        ),
        options=MemberOptions.timed(given.heartbeat_s, given.election_s),
        store_options=_store_options(given),
        addresses=dict(given.members),
        joins=identity.joined,
    )


# The member's identity


def _identity(given: Arguments, authority: CertificateAuthority) -> MemberIdentity:
    """Return the member that the data directory is, after making it one if it is none."""
    directory = store_directory(given)
    identity = member_identity.load(directory)
    if identity is None:
        if given.members:
            converting.check_founder(directory)
            made = _founder(given, authority)
        else:
            made = _first(given, directory)
        identity = member_identity.create(directory, made)
    if given.member_name not in ("", identity.name):
        raise StartError(
            f"{directory} is that of member {identity.name}, not of {given.member_name}"
        )
    identity = _moved(given, identity)
    if identity.known == (identity.known[0],) and not identity.joined:
        first = Membership.of((identity.id,), (), Roster.of(identity.known).encode())
        converting.convert(directory, first, _store_options(given))
    return identity


def _founder(given: Arguments, authority: CertificateAuthority) -> MemberIdentity:
    cluster_id = hashlib.sha256(b"podraft members " + authority.certificate).digest()[:16]
    peers = tuple(Peer(_number(cluster_id, name), name, address) for name, address in given.members)
    me = next(peer for peer in peers if peer.name == given.member_name)
    return new_identity(given, me, cluster_id, peers)


def _first(given: Arguments, directory: Path) -> MemberIdentity:
    make_private_directory(directory)
    cluster_id = converting.cluster_of(directory, _store_options(given))
    me = Peer(secrets.randbits(62) + 1, member_name(given), given.member_address)
    return new_identity(given, me, cluster_id, (me,))


def new_identity(
    given: Arguments,
    me: Peer,
    cluster_id: bytes,
    known: tuple[Peer, ...],
    *,
    incarnation: bytes = b"",
    joined: bool = False,
) -> MemberIdentity:
    """Return the identity that a data directory gets, for good."""
    listen = given.member_listen or listen_everywhere(me.address)
    made = incarnation or member_identity.new_incarnation()
    return MemberIdentity(me.id, me.name, made, cluster_id, me.address, listen, known, joined)


def member_name(given: Arguments) -> str:
    """Return the name on the command line, else the machine's.

    Raises:
        StartError: The machine's name cannot be a member's.
    """
    name = given.member_name or socket.gethostname().partition(".")[0].lower()
    if not MEMBER_NAME.fullmatch(name):
        raise StartError(f"the machine's name, {name!r}, can be no member's: give --member-name")
    return name


def api_addresses(given: Arguments, port: int, host: str = "") -> tuple[str, ...]:
    """Return the addresses at which clients reach the API; none if they cannot be known.

    ``host``: the address of this machine if the command line gives no better one.
    """
    listens = given.listen.rpartition(":")[0]
    usual = listens if listens not in ("0.0.0.0", "[::]") else host
    hosts = given.advertise_addresses or ((usual,) if usual else ())
    if not port:
        return ()
    bracketed = (f"[{h}]" if ":" in h and not h.startswith("[") else h for h in hosts)
    return tuple(f"{h}:{port}" for h in bracketed)


def listen_everywhere(address: str) -> str:
    """Return the address on which to listen unless the command line gives one."""
    return f"[::]:{split_address(address)[1]}"


def _moved(given: Arguments, identity: MemberIdentity) -> MemberIdentity:
    """Return the identity with the addresses of the command line, if it gives any."""
    address = given.member_address or dict(given.members).get(identity.name, identity.address)
    listen = identity.listen
    if given.member_listen:
        listen = given.member_listen
    elif address != identity.address:
        listen = listen_everywhere(address)
    moved = replace(identity, address=address, listen=listen)
    if moved != identity:
        member_identity.replace(store_directory(given), moved)
    return moved


def store_directory(given: Arguments) -> Path:
    """Return the directory in which this server keeps the state."""
    return given.data_dir / "store"


def _store_options(given: Arguments) -> StoreOptions:
    return StoreOptions(retention=given.retention, keys=given.keys)


def _number(cluster_id: bytes, name: str) -> int:
    """Return a founder's number: above 0, below 2**63, the same on every server."""
    digest = hashlib.sha256(cluster_id + name.encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1 | 1


def _name_of(authority: CertificateAuthority, pem: bytes) -> str | None:
    """Return the member that a certificate proves; None if it is no member's."""
    try:
        return recognized(parsed(pem), authority).identity.member_name
    except IdentityError:
        return None
