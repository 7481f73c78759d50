"""Seats: how many calls of people are worked on at once, and who is next.

Owns: the order in which calls that wait get a seat.  No clock, no waiting: a caller is told which
tickets have a seat now.

Invariants: no seat stays free while somebody who may have one waits; nobody has more than their
share of the seats, so that others always find some; between two seats that are given to one user's
waiting calls, each other user who waits gets one, however many calls the first one has.
"""

from __future__ import annotations

from collections import deque


class Ticket:
    """One call: whose it is, and whether it has a seat."""

    __slots__ = ("is_seated", "user")

    def __init__(self, user: str) -> None:
        self.user = user
        self.is_seated = False


class Seats:
    """Seats of which each user may have some, given to users in turn."""

    def __init__(self, seats: int, each_max: int) -> None:
        self.free = seats
        self._each_max = each_max
        self._held: dict[str, int] = {}
        # By user, in the order in which they are served next.
        self._waiting: dict[str, deque[Ticket]] = {}

    def enter(self, user: str) -> Ticket:
        """Return a ticket of a call, seated if a seat is free for it."""
        ticket = Ticket(user)
        if self.free and self._may_sit(user):
            self._seat(ticket)
        else:
            self._waiting.setdefault(user, deque()).append(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> list[Ticket]:
        """Take a call's seat, or its place in the queue, from it; return who has a seat now."""
        user = ticket.user
        if not ticket.is_seated:
            queue = self._waiting[user]
            queue.remove(ticket)
            if not queue:
                del self._waiting[user]
            return []
        ticket.is_seated = False
        self.free += 1
        self._held[user] -= 1
        if not self._held[user]:
            del self._held[user]
        return self._seated()

    def _seated(self) -> list[Ticket]:
        """Give free seats to users in turn."""
        seated: list[Ticket] = []
        while self.free:
            user = next((each for each in self._waiting if self._may_sit(each)), None)
            if user is None:
                break
            queue = self._waiting.pop(user)
            ticket = queue.popleft()
            if queue:
                self._waiting[user] = queue  # Behind all others.
            self._seat(ticket)
            seated.append(ticket)
        return seated

    def _may_sit(self, user: str) -> bool:
        return self._held.get(user, 0) < self._each_max

    def _seat(self, ticket: Ticket) -> None:
        ticket.is_seated = True
        self.free -= 1
        self._held[ticket.user] = self._held.get(ticket.user, 0) + 1
