"""Servers that join the group.

Owns: the answer to ``JoinMember``.

Invariants: the cluster's key leaves only to a server with a member token that is valid and that
nobody else has used; a token is used up for good before the group is changed, so that two servers
that have it cannot both join.  A server that asks again with the same incarnation gets the same
answer.
"""

from __future__ import annotations

import logging
import secrets
from typing import Final

from podraft.api.cluster.v1 import member_pb2
from podraft.server.auth import tokens
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.tokens import MEMBER
from podraft.server.registry.encoded_extent import parsed
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.joining.failed_joins import FailedJoins
from podraft.server.registry.joining.group import (
    LookAtGroup,
    carried_out,
    check_member_name,
    group_of,
    member_message,
)
from podraft.server.registry.joining.join_tokens import checked_token
from podraft.server.replication.core.roster import (
    INCARNATION_BYTES,
    Peer,
    Roster,
    RosterError,
)
from podraft.server.replication.membership.administration import Administration
from podraft.server.state.datastore import Committed, Datastore, Guard, Put, Record, Transaction

_LOG = logging.getLogger(__name__)

_ADDRESSES_MAX: Final = 16
_ADDRESS_CHARACTERS_MAX: Final = 260
# If two servers use one token at once, the loser tries again.
_ATTEMPTS: Final = 3


class MemberJoins:
    """The exchange of a valid member token for a place in the group."""

    def __init__(
        self,
        datastore: Datastore,
        authority: CertificateAuthority,
        look: LookAtGroup,
        administration: Administration | None,
        cluster_id: bytes,
        failed: FailedJoins,
    ) -> None:
        self._failed = failed
        self._datastore = datastore
        self._authority = authority
        self._look = look
        self._administration = administration
        self._cluster_id = cluster_id

    async def answer(self, data: bytes, peer: str) -> bytes:
        """Return the answer to a request from ``peer`` (its address and port).

        Raises:
            RefusedError: The peer does not join.
        """
        request: member_pb2.JoinMemberRequest = parsed(member_pb2.JoinMemberRequest, data)
        with self._failed.counted(peer, f"server {request.name[:64]}"):
            return (await self._join(request)).SerializeToString()

    async def _join(self, request: member_pb2.JoinMemberRequest) -> member_pb2.JoinMemberResponse:
        # The token is checked first: a caller without one learns nothing of the group.
        await self._checked(request)
        _check_request(request)
        administration = group_of(self._administration, self._look())
        number = await self._use_token(request)
        api_addresses = tuple(request.api_addresses)
        peer = Peer(number, request.name, request.peer_address, api_addresses, request.incarnation)
        roster = await carried_out(administration.add(peer))
        _LOG.warning("server %s at %s joins and has the cluster's keys", peer.name, peer.address)
        return self._response(number, roster)

    async def _checked(self, request: member_pb2.JoinMemberRequest) -> Record:
        """Return the stored token.

        Raises:
            RefusedError: The token is not valid, or another server has used it.
        """
        record = await checked_token(self._datastore, request.token, MEMBER)
        use = tokens.use_of(record.value)
        if use.used_by and use.used_by != request.incarnation:
            raise RefusedError(
                Code.UNAUTHENTICATED,
                "the join token was used by another server already; create a new one",
            )
        if use.name and use.name != request.name:
            raise RefusedError(
                Code.UNAUTHENTICATED,
                f'the join token is for a server with the name "{use.name}", not "{request.name}"',
            )
        return record

    async def _use_token(self, request: member_pb2.JoinMemberRequest) -> int:
        """Use the token up; return the new member's number."""
        for _ in range(_ATTEMPTS):
            record = await self._checked(request)
            use = tokens.use_of(record.value)
            if use.used_by:
                return use.member_id
            # Below 2**63, so that it is a positive number everywhere.
            number = secrets.randbits(62) + 1
            self._check_free(number, request)
            value = tokens.used(record.value, request.incarnation, number)
            guard = Guard(record.key, record.mod_revision)
            put = Put(record.key, value, stamped=False)
            outcome = await self._datastore.transact(Transaction((guard,), (put,)))
            if isinstance(outcome, Committed):
                return number
        raise RefusedError(Code.ABORTED, "the join token is being used by others; try again")

    def _check_free(self, number: int, request: member_pb2.JoinMemberRequest) -> None:
        """Refuse a name or address that is taken, before the token is used up for it."""
        known = [Peer(m.id, m.name, m.peer_address) for m in self._look().members]
        try:
            Roster.of(known).joined(Peer(number, request.name, request.peer_address))
        except RosterError as error:
            raise RefusedError(Code.ALREADY_EXISTS, str(error)) from None

    def _response(self, number: int, roster: Roster) -> member_pb2.JoinMemberResponse:
        pair = self._authority.key_pair
        group = self._look()
        seen = {member.id: member for member in group.members}
        response = member_pb2.JoinMemberResponse(
            certificate_authority=pair.certificate,
            certificate_authority_key=pair.key,
            cluster_id=self._cluster_id,
            id=number,
        )
        for peer in roster.members:
            member = response.members.add(
                name=peer.name,
                id=peer.id,
                role=member_pb2.MEMBER_ROLE_LEARNER,
                peer_address=peer.address,
                api_addresses=peer.api_addresses,
            )
            if peer.id in seen:
                member.CopyFrom(member_message(group, seen[peer.id]))
        return response


def _check_request(request: member_pb2.JoinMemberRequest) -> None:
    """Refuse a request that would not fit into the members' records.

    Raises:
        RefusedError: Some part of it does not fit.
    """
    check_member_name(request.name)
    addresses = (request.peer_address, *request.api_addresses)
    if len(addresses) > _ADDRESSES_MAX:
        raise invalid("apiAddresses", f"expected at most {_ADDRESSES_MAX - 1}")
    for address in addresses:
        host, colon, port = address.rpartition(":")
        if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) <= 65535):
            raise invalid("peerAddress", f"{address!r}: expected HOST:PORT")
        if len(address) > _ADDRESS_CHARACTERS_MAX:
            raise invalid("peerAddress", f"an address of {len(address)} characters is too long")
    if len(request.incarnation) != INCARNATION_BYTES:
        raise invalid("incarnation", f"expected {INCARNATION_BYTES} bytes")
