"""Calls as the audit log hears of them.

Owns: what is remembered of a call from its first byte to its end.  Invariants: without a log
nothing is remembered; what allowed the call is what its last decision said.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError, Message

from podraft.api.cluster.v1 import cluster_pb2, member_pb2
from podraft.server.audit.audit_log import AuditLog, Heard
from podraft.server.audit.calls import AuditedCall, Operation
from podraft.server.auth.authorize import Attributes
from podraft.server.auth.decision import CLUSTER_GROUP, Denied, Verdict
from podraft.server.auth.identity import MASTERS
from podraft.server.registry.access.callers import DECISIONS, Caller
from podraft.server.registry.failures import translate

_ANONYMOUS: Final = "system:anonymous"
_BEGUN: Final = "ResponseStarted"
_ENDED: Final = "ResponseComplete"
_DECIDED_MAX: Final = 200


class Hearing:
    """One call; a call's first decision says what a stream does, and that it has begun."""

    __slots__ = (
        "_auditor",
        "_decided",
        "_is_stream",
        "_method",
        "_peer",
        "_received_s",
        "_verdict",
        "caller",
        "request",
    )

    def __init__(self, auditor: Auditor, method: str, peer: str, *, is_stream: bool) -> None:
        self._auditor = auditor
        self._method = method
        self._peer = peer
        self._is_stream = is_stream
        self._received_s = time.time()
        self._decided: list[Attributes] = []
        self._verdict: Verdict | None = None
        self.caller: Caller | None = None
        self.request: Message | None = None

    def decided(self, attributes: Attributes, verdict: Verdict) -> None:
        """Note a decision about the call."""
        first = not self._decided
        if len(self._decided) < _DECIDED_MAX:
            self._decided.append(attributes)
        if not isinstance(self._verdict, Denied):
            self._verdict = verdict
        if self._is_stream and first and not isinstance(verdict, Denied):
            self._tell(_BEGUN, "OK")

    def end(self, code: str, message: str = "", answer: bytes | None = None) -> None:
        """Tell the log how the call ended."""
        self._tell(_ENDED, code, message, answer)

    def _tell(self, stage: str, code: str, message: str = "", answer: bytes | None = None) -> None:
        log = self._auditor.log
        if log is None:
            return
        caller = self.caller
        acting = caller.acting.identity if caller is not None else None
        impersonated = caller.identity if caller is not None and caller.impersonator else None
        call = AuditedCall(
            method=self._method,
            user=acting.user if acting is not None else _ANONYMOUS,
            groups=acting.groups if acting is not None else frozenset(),
            code=code,
            operations=(),
            stage=stage,
            impersonated=impersonated.user if impersonated is not None else "",
            impersonated_groups=impersonated.groups if impersonated is not None else frozenset(),
            message=message,
            decision=self._decision(),
            peer=_address(self._peer),
            received_s=self._received_s,
            ended_s=time.time(),
        )
        kept = answer if log.keeps_answers else None
        log.hear(Heard(call, tuple(self._decided), self.request, kept))

    def _decision(self) -> str:
        if self._verdict is not None:
            return str(self._verdict)
        if self.caller is not None and self.caller.unrestricted:
            return f'group "{MASTERS}"'
        return ""


class Auditor:
    """The ears of the audit log; ``log`` None: nothing is kept."""

    def __init__(self, log: AuditLog | None = None) -> None:
        self.log = log

    def hear(
        self, method: str, context: grpc.aio.ServicerContext[Any, Any], *, is_stream: bool = False
    ) -> Hearing:
        """Begin to listen to a call, in the present task."""
        if self.log is None:
            return Hearing(self, method, "", is_stream=is_stream)
        hearing = Hearing(self, method, context.peer(), is_stream=is_stream)
        DECISIONS.set(hearing.decided)
        return hearing

    def joining(
        self, method: str, answer: Callable[[bytes, str], Awaitable[bytes]]
    ) -> Callable[[bytes, str], Awaitable[bytes]]:
        """Return ``answer``, a call of the join port, with its end told to the log."""

        async def heard(data: bytes, peer: str) -> bytes:
            received_s, code, message = time.time(), "OK", ""
            try:
                return await answer(data, peer)
            except Exception as error:
                refusal = translate(error)
                code, message = refusal.code.name, refusal.message
                raise
            finally:
                if self.log is not None:
                    name = _joining_name(method, data)
                    call = AuditedCall(
                        method,
                        _ANONYMOUS,
                        frozenset(),
                        code,
                        (Operation("create", CLUSTER_GROUP, "joins", "", "", name),),
                        message=message,
                        decision=message or "a valid join token",
                        peer=_address(peer),
                        received_s=received_s,
                        ended_s=time.time(),
                    )
                    self.log.hear(Heard(call))

        return heard


def _joining_name(method: str, data: bytes) -> str:
    """Return the name under which a machine asks to join; nothing else of the request is kept."""
    try:
        if method.endswith("JoinNode"):
            return cluster_pb2.JoinNodeRequest.FromString(data).node_name
        return member_pb2.JoinMemberRequest.FromString(data).name
    except DecodeError:
        return ""


def _address(peer: str) -> str:
    """Return the address in gRPC's notation of a peer: ``ipv4:127.0.0.1:1234``."""
    return unquote(peer.partition(":")[2]).rpartition(":")[0].strip("[]") or peer
