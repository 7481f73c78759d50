"""What shall go wrong, and when: all of it follows from the seed.

Owns: the kinds of faults and their sequence.  Invariant: never more than a minority of the
members is disturbed at once, except by ``KILL_ALL``, after which all come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random

LEADER = "leader"


class FaultKind(Enum):
    """What happens to a member."""

    KILL = "kill -9"
    FREEZE = "SIGSTOP"
    FULL_DISK = "full disk"
    CUT = "cut off from the other members"
    CUT_IN = "hears no other member"
    CUT_OUT = "is heard by no other member"
    CUT_PAIR = "cut off from one other member"
    ISOLATE = "cut off from everybody"
    LOSSY = "a third of its packets is lost"
    KILL_ALL = "kill -9 of all"


_WEIGHTS = {
    FaultKind.KILL: 6,
    FaultKind.FREEZE: 4,
    FaultKind.FULL_DISK: 3,
    FaultKind.CUT: 2,
    FaultKind.CUT_IN: 2,
    FaultKind.CUT_OUT: 2,
    FaultKind.CUT_PAIR: 2,
    FaultKind.ISOLATE: 2,
    FaultKind.LOSSY: 2,
    FaultKind.KILL_ALL: 1,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """``member`` and ``other`` are names; ``member`` may be ``LEADER``: whoever leads then.

    ``pause_s`` passes before, ``lasts_s`` until it is mended.  ``left_bytes``: what a full disk
    still takes.  ``all_well``: it waits until every member is.
    """

    kind: FaultKind
    member: str
    other: str
    pause_s: float
    lasts_s: float
    left_bytes: int = 0
    all_well: bool = False

    def __str__(self) -> str:
        more = f" ({self.other})" if self.kind is FaultKind.CUT_PAIR else ""
        return f"{self.member}: {self.kind.value}{more} for {self.lasts_s:.1f} s"


def faults(seed: int, members: tuple[str, ...]) -> Iterator[Fault]:
    """Yield the faults of a run, without end; early each kind happens once."""
    random = Random(seed)
    kinds = list(_WEIGHTS)
    random.shuffle(kinds)
    while True:
        kind = kinds.pop() if kinds else random.choices(list(_WEIGHTS), [*_WEIGHTS.values()])[0]
        member, other = random.sample(members, 2)
        if random.random() < 0.5:
            member = LEADER
        yield Fault(
            kind,
            member,
            other,
            pause_s=random.choice((0.0, 0.3, 1.0, 2.0)) * random.random(),
            lasts_s=random.choice((0.3, 1.0, 2.5, 4.0)) * (0.5 + random.random() / 2),
            left_bytes=random.choice((0, 0, 20_000, 500_000)),
        )


def deaths_of_the_leader(seed: int, count: int) -> Iterator[Fault]:
    """Yield ``count`` kills of whoever leads."""
    random = Random(seed)
    for _ in range(count):
        pause_s = 1.0 + random.random()
        yield Fault(FaultKind.KILL, LEADER, "", pause_s, lasts_s=1.5, all_well=True)
