"""Checking that callers are members.

Owns: the checks of a caller before anything that it says counts; the answers to refused callers.

Invariants: a caller's certificate, cluster and number belong together, as this member knows them.
A former member, and one that has lost its disk, is told that it must not take part any more:
the former has no vote left, the latter does not know what it has promised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc

from podraft.internal.raft.v1 import members_pb2
from podraft.server.raft.entries import MemberId
from podraft.server.replication.core.roster import Peer, same_incarnation

_LOG = logging.getLogger(__name__)

FORMAT_VERSION: Final = 1
# The status that tells a member that it must not take part any more.
DISMISSED: Final = grpc.StatusCode.FAILED_PRECONDITION


def removed_words(name: str) -> str:
    """Return the message for a removed member."""
    return (
        f"member {name} was removed from the group: if this machine shall join it again, as a new "
        "member, remove DATA_DIR/store and start with --join"
    )


class Introductions:
    """The checks of callers; ``name_of`` returns the member's name in a verified certificate."""

    def __init__(self, cluster_id: bytes, name_of: Callable[[bytes], str | None]) -> None:
        self._cluster_id = cluster_id
        self._name_of = name_of
        self.peers: Mapping[MemberId, Peer] = {}
        self.removed: frozenset[MemberId] = frozenset()

    async def check_certificate(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """End a call without a member's certificate, before anything of it is read."""
        if self._name_in(context) is None:
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED, "the caller's certificate is no member's"
            )

    def _name_in(self, context: grpc.aio.ServicerContext[Any, Any]) -> str | None:
        pem = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
        return self._name_of(pem)

    async def check(
        self, hello: members_pb2.MemberHello, context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """End the call of a caller that is no member; tell a former member that it was removed."""
        name = self._name_in(context)
        why_never = self._why_never(hello, name)
        if why_never is not None:
            _LOG.warning("a member was sent away: %s", why_never)
            await context.abort(DISMISSED, why_never)
        problem = self._problem_with(hello, name)
        if problem is not None:
            _LOG.warning("a member was refused: %s", problem)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, problem)

    def _why_never(self, hello: members_pb2.MemberHello, name: str | None) -> str | None:
        """Return why the caller must never take part again; None if there is no reason."""
        if name is None or hello.cluster_id != self._cluster_id:
            return None
        if hello.member_id in self.removed:
            return removed_words(name)
        peer = self.peers.get(hello.member_id)
        if peer is None or peer.name != name:
            return None
        if not same_incarnation(peer.incarnation, hello.incarnation):
            return (
                f"member {name} has come back without its data: it has forgotten what it promised "
                "the others. Remove it from the group, then let it join as a new member"
            )
        return None

    def _problem_with(self, hello: members_pb2.MemberHello, name: str | None) -> str | None:
        peer = self.peers.get(hello.member_id)
        if name is None:
            return "the caller's certificate is no member's"
        if hello.cluster_id != self._cluster_id:
            return f"member {name} belongs to another cluster"
        if peer is None or peer.name != name:
            return f"member {hello.member_id} with the certificate of {name} is not known here"
        if hello.format != FORMAT_VERSION:
            return f"member {name} speaks format {hello.format}, not {FORMAT_VERSION}"
        return None
