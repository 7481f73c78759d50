"""The choice of the server to ask.

Owns: the known servers, in order of preference, and which of them is in use.

Invariants: the configured ones are never forgotten; a failure is counted against the server that
failed, not against the one that has taken its place meanwhile.  Bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SERVERS_MAX = 16


class Servers:
    """The servers' addresses (``host:port``); pure."""

    def __init__(self, configured: Sequence[str]) -> None:
        if not configured:
            raise ValueError("no server is configured")
        self._configured = tuple(dict.fromkeys(configured))
        self._all = self._configured
        self._current = self._all[0]

    @property
    def current(self) -> str:
        """The server to ask."""
        return self._current

    @property
    def all(self) -> tuple[str, ...]:
        """All known servers."""
        return self._all

    def failed(self, server: str) -> None:
        """Note that ``server`` did not answer: ask the next one from now on."""
        if server == self._current:
            place = self._all.index(server)
            self._current = self._all[(place + 1) % len(self._all)]

    def learn(self, servers: Iterable[str]) -> None:
        """Replace the learned servers; the configured ones stay."""
        known = tuple(dict.fromkeys((*self._configured, *servers)))[:SERVERS_MAX]
        if self._current not in known:
            # Keep the server in use: it either answers, or fails and is abandoned.
            known = (*known[: SERVERS_MAX - 1], self._current)
        self._all = known
