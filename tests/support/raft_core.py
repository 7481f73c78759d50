"""One Raft core, driven by hand.

Owns: a member with a given log, and the few steps with which most of its tests begin.
"""

from __future__ import annotations

from podraft.server.raft.core import RaftCore, Received, Restored
from podraft.server.raft.effects import Effects
from podraft.server.raft.entries import (
    NOBODY,
    Entry,
    EntryKind,
    HardState,
    Membership,
    SnapshotMark,
)
from podraft.server.raft.events import Persisted, Tick
from podraft.server.raft.member import Role
from podraft.server.raft.messages import Appended, Message, Vote
from podraft.server.raft.options import RaftOptions
from simulation.script import LeastRandom

THREE = Membership.of((1, 2, 3))
FIVE = Membership.of((1, 2, 3, 4, 5))
OPTIONS = RaftOptions(election_ticks=5, heartbeat_ticks=1)


def entries(*terms: int, first: int = 1) -> tuple[Entry, ...]:
    return tuple(
        Entry(index, term, EntryKind.COMMAND, b"%d/%d" % (term, index))
        for index, term in enumerate(terms, first)
    )


def member(
    *terms: int,
    term: int = 0,
    vote: int = NOBODY,
    membership: Membership = THREE,
    options: RaftOptions = OPTIONS,
) -> RaftCore:
    """Return member 1 with a durable log of these terms."""
    mark = SnapshotMark(0, 0, membership)
    hard_state = HardState(max(term, *terms, 0), vote)
    return RaftCore(1, Restored(mark, hard_state, entries(*terms)), options, LeastRandom())


def ticks(core: RaftCore, count: int) -> Effects:
    effects = Effects()
    for _ in range(count):
        effects = core.step(Tick())
    return effects


def persist(core: RaftCore, effects: Effects) -> Effects:
    assert effects.write is not None
    return core.step(Persisted(effects.write.sequence))


def elect(core: RaftCore) -> Effects:
    """Make the member win its election; its own entry is not durable yet."""
    ticks(core, 5)
    voters = core._log.membership.voters
    for voter in voters[1:]:
        effects = core.step(Received(Vote(voter, 1, core._member.term + 1, granted=True, pre=True)))
        if effects.write is not None:
            break
    persist(core, effects)
    for voter in voters[1:]:
        effects = core.step(Received(Vote(voter, 1, core._member.term, granted=True)))
        if core._member.role is Role.LEADER:
            return effects
    raise AssertionError("not elected")


def appended(core: RaftCore, match: int, *followers: int) -> list[Message]:
    """Acknowledge entries up to ``match`` for the followers; return the leader's messages."""
    sent: list[Message] = []
    for follower in followers:
        effects = core.step(Received(Appended(follower, 1, core._member.term, match)))
        sent += effects.messages_now
    return sent
