"""Budgets: what one identity may take of a server at once, and what all of a role may in sum.

Owns: the counting.  No clock (moments are arguments), no socket, no waiting: a caller is told
what is exceeded, or how long to wait.

Invariants: what is taken is given back exactly once, by the taker; a role has its own sum, so
that no node, nor all of them, can take what administrators, scheduler and controllers need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final

_MIB: Final = 1024 * 1024
# Beyond this number, holders that hold nothing are forgotten.
_HOLDERS_MAX: Final = 8_192
# A call that would have to wait longer for its turn is refused.
_WAIT_S_MAX: Final = 5.0
_RETRY_S: Final = 1.0
# The past is read from the disk, for each reader anew.
_PAST_AT_ONCE: Final = 4


class Resource(StrEnum):
    """The resources that are counted; the values are the words that callers see."""

    CONNECTIONS = "connections"
    CALLS = "calls at once"
    WATCHES = "watches"
    STREAMS = "log and exec streams"
    RECEIVING = "requests that are being received"
    ANSWERS = "bytes of answers on their way"
    LARGE_ANSWERS = "bytes of large answers on their way"
    PAST = "lists of former states"
    RATE = "calls per second"
    EVENTS = "Events per second"


class Role(Enum):
    """The identities that share a sum."""

    ADMINISTRATORS = "administrators"
    COMPONENTS = "components"
    OTHERS = "nodes"
    STRANGERS = "strangers at the join port"


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate per second in the long run (0: no bound), and a burst allowed after a pause."""

    per_s: float
    burst: float


NO_BOUND: Final = Rate(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of each resource at once, and of the rates of calls and of new Events.

    A call costs one, and one more for each KiB of its request.
    """

    at_once: Mapping[Resource, int]
    calls: Rate = NO_BOUND
    events: Rate = NO_BOUND


@dataclass(frozen=True, slots=True)
class RoleLimits:
    """The limits of each identity of a role, and those of all of them in sum."""

    each: Limits
    in_sum: Mapping[Resource, int]


def _at_once(
    connections: int, calls: int, watches: int, streams: int, receiving: int, answers: int
) -> dict[Resource, int]:
    return {
        Resource.CONNECTIONS: connections,
        Resource.CALLS: calls,
        Resource.WATCHES: watches,
        Resource.STREAMS: streams,
        Resource.RECEIVING: receiving,
        # Large answers count separately: callers slow to read them keep nobody's watch waiting.
        Resource.ANSWERS: answers * _MIB,
        Resource.LARGE_ANSWERS: answers * _MIB,
        Resource.PAST: _PAST_AT_ONCE,
    }


# A request that is being received may take 8 MiB; an answer is in memory twice until it is sent.
# A node has one connection and watches its pods, services, slices, and each ConfigMap and Secret
# that its pods mention.
LIMITS: Final[Mapping[Role, RoleLimits]] = {
    Role.ADMINISTRATORS: RoleLimits(
        Limits(_at_once(1_024, 4_096, 4_096, 512, 64, 48)),
        _at_once(1_024, 4_096, 4_096, 512, 64, 48),
    ),
    Role.COMPONENTS: RoleLimits(
        Limits(_at_once(64, 1_024, 512, 16, 16, 32), events=Rate(50.0, 5_000.0)),
        _at_once(256, 4_096, 2_048, 64, 16, 32),
    ),
    Role.OTHERS: RoleLimits(
        # Events live for an hour: there are never more than some 9,000 of one node.
        Limits(_at_once(8, 128, 1_024, 16, 4, 8), Rate(200.0, 400.0), Rate(2.0, 2_000.0)),
        _at_once(16_384, 4_096, 20_000, 256, 12, 32),
    ),
    Role.STRANGERS: RoleLimits(
        Limits(_at_once(64, 64, 1, 1, 32, 1), Rate(50.0, 100.0)), _at_once(64, 64, 1, 1, 32, 1)
    ),
}


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A refusal of more of ``resource`` than ``limit``; trying again may help after a while."""

    resource: Resource
    limit: int
    whose: str
    retry_s: float = _RETRY_S

    def __str__(self) -> str:
        return f"{self.whose}: at most {self.limit:,} {self.resource}; try again later"


@dataclass(slots=True)
class _Sum:
    role: Role
    limits: RoleLimits
    used: dict[Resource, int] = field(default_factory=lambda: dict.fromkeys(Resource, 0))
    refused: dict[Resource, int] = field(default_factory=lambda: dict.fromkeys(Resource, 0))


class _Bucket:
    """A bucket that knows when the next call may come."""

    __slots__ = ("_rate", "_ready_s")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        # The time of the next call if there was no pause; in the past if there was one.
        self._ready_s = float("-inf")

    def wait_s(self, now_s: float) -> float:
        return max(self._ready_s - now_s, 0.0) if self._rate.per_s else 0.0

    def take(self, cost: float, now_s: float) -> None:
        rate = self._rate
        if rate.per_s:
            unused_since_s = now_s - rate.burst / rate.per_s
            self._ready_s = max(self._ready_s, unused_since_s) + cost / rate.per_s


class Holder:
    """One identity, and the resources that it has taken."""

    __slots__ = ("_calls", "_events", "_limits", "_sum", "name", "used")

    def __init__(self, name: str, of_role: _Sum) -> None:
        self.name = name
        self.used = dict.fromkeys(Resource, 0)
        self._sum = of_role
        self._limits = of_role.limits.each
        self._calls = _Bucket(self._limits.calls)
        self._events = _Bucket(self._limits.events)

    @property
    def role(self) -> Role:
        """The role whose sum the holder shares."""
        return self._sum.role

    @property
    def idle(self) -> bool:
        """Whether the holder holds nothing."""
        return not any(self.used.values())

    def take(self, resource: Resource, amount: int = 1) -> Exceeded | None:
        """Take ``amount``; return what is exceeded, and take nothing, if it is too much.

        A holder without any of a resource may take any amount that the role has left, and if nobody
        of the role holds any, any amount: what is large has to pass, but alone.
        """
        total = self._sum
        mine, ours = self.used[resource], total.used[resource]
        limit, limit_in_sum = self._limits.at_once[resource], total.limits.in_sum[resource]
        if mine and mine + amount > limit:
            return Exceeded(resource, limit, self.name)
        if ours and ours + amount > limit_in_sum:
            return Exceeded(resource, limit_in_sum, f"all {total.role.value}")
        self.used[resource] = mine + amount
        total.used[resource] = ours + amount
        return None

    def fits(self, resource: Resource, amount: int) -> bool:
        """Return whether ``take`` would take ``amount``."""
        total = self._sum
        mine, ours = self.used[resource], total.used[resource]
        return (not mine or mine + amount <= self._limits.at_once[resource]) and (
            not ours or ours + amount <= total.limits.in_sum[resource]
        )

    def give_back(self, resource: Resource, amount: int = 1) -> None:
        """Give back ``amount`` of what was taken."""
        self.used[resource] -= amount
        self._sum.used[resource] -= amount

    def charge(self, cost: float, now_s: float) -> float | Exceeded:
        """Count a call; return the seconds after which it may go on, or what is exceeded."""
        if not self._limits.calls.per_s:
            return 0.0
        wait_s = self._calls.wait_s(now_s)
        if wait_s > _WAIT_S_MAX:
            return Exceeded(Resource.RATE, int(self._limits.calls.per_s), self.name, wait_s)
        self._calls.take(cost, now_s)
        return wait_s

    def charge_event(self, now_s: float) -> Exceeded | None:
        """Count a new Event; return what is exceeded if it is one too many."""
        wait_s = self._events.wait_s(now_s)
        if wait_s > 0:
            return Exceeded(Resource.EVENTS, int(self._limits.events.per_s), self.name, wait_s)
        self._events.take(1, now_s)
        return None

    def refused(self, resource: Resource) -> None:
        """Count a refusal."""
        self._sum.refused[resource] += 1

    # Connections are counted when they are noticed; one too many is refused at its next call.

    def connected(self) -> bool:
        """Count one more connection; return whether it is one too many."""
        self.used[Resource.CONNECTIONS] += 1
        self._sum.used[Resource.CONNECTIONS] += 1
        return self.used[Resource.CONNECTIONS] > self._limits.at_once[Resource.CONNECTIONS]

    def disconnected(self) -> None:
        """Count one connection less."""
        self.give_back(Resource.CONNECTIONS)

    def too_many_connections(self) -> Exceeded:
        """Return the refusal of one connection too many."""
        return Exceeded(Resource.CONNECTIONS, self._limits.at_once[Resource.CONNECTIONS], self.name)


@dataclass(frozen=True, slots=True)
class Use:
    """The use of a resource by a role: taken, allowed, and how often more was refused."""

    role: Role
    resource: Resource
    used: int
    limit: int
    refused: int


class Budgets:
    """All holders of a server."""

    def __init__(self, limits: Mapping[Role, RoleLimits] = LIMITS) -> None:
        self._sums = {role: _Sum(role, each) for role, each in limits.items()}
        self._holders: dict[tuple[Role, str], Holder] = {}

    def holder(self, role: Role, name: str) -> Holder:
        """Return the holder of a name, the same one each time while it holds anything."""
        key = (role, name)
        found = self._holders.get(key)
        if found is None:
            if len(self._holders) >= _HOLDERS_MAX:
                self._holders = {k: each for k, each in self._holders.items() if not each.idle}
            found = self._holders[key] = Holder(name, self._sums[role])
        return found

    def uses(self) -> list[Use]:
        """Return the uses and refusals of all roles."""
        return [
            Use(role, resource, each.used[resource], limit, each.refused[resource])
            for role, each in self._sums.items()
            for resource, limit in each.limits.in_sum.items()
        ] + [
            Use(role, resource, 0, int(rate.per_s), each.refused[resource])
            for role, each in self._sums.items()
            for resource, rate in (
                (Resource.RATE, each.limits.each.calls),
                (Resource.EVENTS, each.limits.each.events),
            )
        ]
