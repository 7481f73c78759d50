"""The requests that took effect lately, remembered so that a repeated one takes effect once.

Owns: the remembered requests of the state, each with the revision that its transaction took
and the digest of its content.

Invariants: what is remembered follows from the applied transactions alone, so it is the same on
every member, after a restart and after a snapshot.  Time is that of the transactions, never a
member's own clock, and never goes back.  The newest ``KEPT_ALWAYS`` are remembered however old
they are, so that one proposer's wrong clock cannot make anyone's retry take effect twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from podraft.server.values import value

REQUEST_BYTES: Final = 16
DIGEST_BYTES: Final = 16
# Every member must forget at the same moment, so these are not configurable.
KEPT_MAX: Final = 120_000
KEPT_ALWAYS: Final = 10_000
KEPT_MS: Final = 300_000


@value
class AppliedRequest:
    """A request whose transaction took ``revision``; ``time_ms`` is the state's time then.

    ``digest`` is the digest of its content; empty if an older version, which kept none, wrote it.
    """

    request: bytes
    revision: int
    time_ms: int
    digest: bytes = b""


class AppliedRequests:
    """The requests that took effect lately, the oldest first."""

    __slots__ = ("_always", "_by_request", "_keep_ms", "_max", "_order")

    def __init__(
        self,
        applied: Iterable[AppliedRequest] = (),
        *,
        kept_max: int = KEPT_MAX,
        kept_always: int = KEPT_ALWAYS,
        keep_ms: int = KEPT_MS,
    ) -> None:
        self._max, self._always, self._keep_ms = kept_max, kept_always, keep_ms
        self._order: deque[AppliedRequest] = deque()
        self._by_request: dict[bytes, AppliedRequest] = {}
        for each in applied:
            self.remember(each.request, each.revision, each.time_ms, each.digest)

    def __len__(self) -> int:
        return len(self._order)

    def find(self, request: bytes) -> AppliedRequest | None:
        """Return what is remembered of ``request``; None if it took no effect or is forgotten."""
        return self._by_request.get(request)

    @property
    def oldest_revision(self) -> int:
        """The revision of the oldest remembered request, 0 if there is none."""
        return self._order[0].revision if self._order else 0

    @property
    def newest(self) -> AppliedRequest | None:
        """The request that was remembered last, None if there is none."""
        return self._order[-1] if self._order else None

    def all(self) -> Sequence[AppliedRequest]:
        """Return the remembered requests in the order in which they took effect."""
        return tuple(self._order)

    def remember(self, request: bytes, revision: int, time_ms: int, digest: bytes = b"") -> None:
        """Remember that ``request``, not known so far, took effect; forget those too old."""
        order = self._order
        if order and order[-1].time_ms > time_ms:
            time_ms = order[-1].time_ms
        applied = self._by_request[request] = AppliedRequest(request, revision, time_ms, digest)
        order.append(applied)
        horizon_ms = time_ms - self._keep_ms
        while len(order) > self._always and (
            order[0].time_ms < horizon_ms or len(order) > self._max
        ):
            del self._by_request[order.popleft().request]
