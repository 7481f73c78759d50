"""``podraft-server --join``: how a server becomes one more member of a group.

Owns: the exchange of a token for the cluster's authority and a place in the group, and the order in
which both reach the disk.

    note an incarnation -> check the authority against the token -> ask -> authority's file
    -> ``member.json``: from now on the directory is a member, whatever happens

Invariants: the token goes only over a connection certified by the authority that it names;
the authority's key comes back over the same.  After a crash at any point the same command goes
on: a server that asks again with the noted incarnation gets the same place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from pathlib import Path
from typing import Any, Final

import grpc

from podraft.api.cluster.v1 import cluster_pb2_grpc, member_pb2
from podraft.client.connecting.authority import AuthorityError, fetch_authority
from podraft.client.connecting.config import SERVER_NAME
from podraft.client.serving.private_files import write_private
from podraft.server.auth.certificates import KeyPair
from podraft.server.auth.pki import keep_authority, read_authority
from podraft.server.auth.tokens import MEMBER, ParsedToken, TokenError, parse_token
from podraft.server.replication.core.roster import INCARNATION_BYTES, Peer
from podraft.server.replication.opening import member_identity
from podraft.server.startup.argument_values import split_address
from podraft.server.startup.arguments import Arguments, StartError
from podraft.server.startup.lost_state import ADMIN_FILE
from podraft.server.startup.member_start import (
    api_addresses,
    member_name,
    new_identity,
    store_directory,
)

_LOG = logging.getLogger(__name__)

MEMBER_PORT: Final = 7447
_TIMEOUT_S: Final = 30.0
# The time for which a joining server bears a group without leader: about two minutes.
_ATTEMPTS: Final = 60
_PAUSE_S: Final = 2.0


async def join(given: Arguments, stop: asyncio.Event) -> None:
    """Become a member, unless the data directory is one already.

    Raises:
        StartError: The token, the server or the data directory cannot be used for this.
        PkiError: The authority's file cannot be used.
    """
    directory = store_directory(given)
    if member_identity.load(directory) is not None:
        _LOG.info("%s is a member's already: --join and --token are not needed", directory)
        return
    try:
        token = parse_token(given.token, MEMBER)
    except TokenError as error:
        raise StartError(f"--token: {error}") from None
    _check_empty(given, token)
    authority = await _authority(given, token)
    note = given.data_dir / "joining"
    incarnation = await asyncio.to_thread(_noted_incarnation, note)
    host = await asyncio.to_thread(_own_host, given)
    request = member_pb2.JoinMemberRequest(
        token=given.token.strip(),
        name=member_name(given),
        peer_address=given.member_address or f"{host}:{MEMBER_PORT}",
        api_addresses=api_addresses(given, split_address(given.listen)[1], host),
        incarnation=incarnation,
    )
    response = await _ask(given.join, authority, request, stop)
    if response is not None:
        await asyncio.to_thread(_keep, given, request, response)
        note.unlink()


def _check_empty(given: Arguments, token: ParsedToken) -> None:
    """Refuse a directory that is not empty, before the token is used up."""
    directory = store_directory(given)
    if any((directory / name).exists() for name in ("wal", "raft", "history.lmdb")):
        raise StartError(
            f"{directory} holds the state of a server already; who joins begins without: "
            "move it away, or choose another --data-dir"
        )
    held = read_authority(given.data_dir / "pki")
    if held is not None and held.fingerprint != token.fingerprint:
        raise StartError(
            f"{given.data_dir / 'pki' / 'ca.pem'} is another cluster's authority: move the "
            "directory away, or choose another --data-dir"
        )


async def _authority(given: Arguments, token: ParsedToken) -> bytes:
    try:
        return await asyncio.to_thread(fetch_authority, given.join, token.fingerprint)
    except AuthorityError as error:
        raise StartError(str(error)) from None


def _noted_incarnation(path: Path) -> bytes:
    """Return the incarnation with which this server asks for its place, now and after a crash."""
    with contextlib.suppress(FileNotFoundError):
        noted = path.read_bytes()
        if len(noted) == INCARNATION_BYTES:
            return noted
    made = member_identity.new_incarnation()
    write_private(path, made)
    return made


def _own_host(given: Arguments) -> str:
    """Return the address of this machine that the others can most probably reach."""
    if given.member_address:
        return given.member_address.rpartition(":")[0]
    host, port = split_address(given.join)
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        # Sends nothing: it only asks which of its addresses the machine would use.
        probe.connect(address)
        own = str(probe.getsockname()[0])
    return f"[{own}]" if ":" in own else own


async def _ask(
    server: str, authority: bytes, request: member_pb2.JoinMemberRequest, stop: asyncio.Event
) -> member_pb2.JoinMemberResponse | None:
    """Ask until there is an answer; return None if this process is to stop."""
    credentials = grpc.ssl_channel_credentials(root_certificates=authority)
    options = (("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.enable_http_proxy", 0))
    async with grpc.aio.secure_channel(server, credentials, options=options) as channel:
        stub: Any = cluster_pb2_grpc.JoinServiceStub(channel)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response: member_pb2.JoinMemberResponse
                response = await stub.JoinMember(request, timeout=_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or attempt == _ATTEMPTS:
                    raise StartError(f"{server} refuses: {error.details()}") from None
                _LOG.warning("%s cannot answer yet: %s", server, error.details())
            else:
                return response
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _PAUSE_S)
            if stop.is_set():
                break
    return None


def _keep(
    given: Arguments,
    request: member_pb2.JoinMemberRequest,
    response: member_pb2.JoinMemberResponse,
) -> None:
    pair = KeyPair(response.certificate_authority, response.certificate_authority_key)
    keep_authority(given.data_dir / "pki", pair)
    known = tuple(Peer(m.id, m.name, m.peer_address) for m in response.members)
    me = Peer(response.id, request.name, request.peer_address)
    identity = new_identity(
        given,
        me,
        response.cluster_id,
        known,
        incarnation=request.incarnation,
        joined=True,
    )
    # That this directory served in an earlier life does not count any more.
    (given.data_dir / ADMIN_FILE).unlink(missing_ok=True)
    member_identity.create(store_directory(given), identity)
    others = ", ".join(peer.name for peer in known if peer.id != me.id)
    _LOG.warning("this server is member %s now, with %s", me.name, others)
