"""The comparison of members' states: a member whose state is not the majority's must stop.

Owns: this member's state at the last marks, what the others reported of theirs, and the verdict.

    leader: an entry that writes nothing -> every member, when it applies it: its digest (a mark)
    every member asks the others for their marks (``probing``) -> equal, in the minority, or split

The mark is an entry of the log, so that all members compare exactly the same moment, even one that
applies it hours later.  Every member judges itself, so a leader is no exception.

Invariant: a member stops only if more than half of the voters agree on a state other than its own.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum

from podraft.server.raft.entries import MemberId
from podraft.server.state.digests import StateMark

_LOG = logging.getLogger(__name__)

MARKS_MAX = 16
# Enough for two rounds of probes of two other members, and more if there are more.
_SPLIT_SEEN_MIN = 4


class StateDivergedError(Exception):
    """This member's state is not that of the majority; the message says what to do."""


class Verdict(Enum):
    """A member's verdict on its state at one mark."""

    OPEN = "open"  # The others have not reported enough.
    EQUAL = "equal"  # More than half of the voters, this member among them or not, have its state.
    SPLIT = "split"  # Others have another state, but no majority shows which is right.
    DIVERGED = "diverged"  # More than half of the voters agree on another state.


def judge(
    me: MemberId, mine: int, others: Mapping[MemberId, int], voters: Collection[MemberId]
) -> Verdict:
    """Compare this member's digest with those that others reported for the same mark."""
    told = {**others, me: mine}
    counts = Counter(digest for member, digest in told.items() if member in voters)
    needed = len(voters) // 2 + 1
    if counts[mine] >= needed:
        return Verdict.EQUAL
    if any(count >= needed for count in counts.values()):
        return Verdict.DIVERGED
    return Verdict.SPLIT if any(digest != mine for digest in others.values()) else Verdict.OPEN


class Comparison:
    """The marks of all members and the judgement on them; lives on the loop.

    ``diverged`` is called once, with the error that must stop this member.
    """

    def __init__(
        self,
        me: MemberId,
        voters: Callable[[], Collection[MemberId]],
        name_of: Callable[[MemberId], str],
        diverged: Callable[[StateDivergedError], None],
    ) -> None:
        self._me = me
        self._voters = voters
        self._name_of = name_of
        self._diverged = diverged
        self.marks: deque[StateMark] = deque(maxlen=MARKS_MAX)
        self._told: dict[int, dict[MemberId, int]] = {}
        self._split_told = 0
        # How often the members were found to differ at the newest such mark.
        self._split_seen = (0, 0)
        # Members that reported nothing on this member's newest mark: they may have restarted since.
        self.lacking: set[MemberId] = set()
        # The last mark at which this member had the majority's state; the last without a majority.
        self.equal_index = 0
        self.split_index = 0

    def marked(self, mark: StateMark) -> None:
        """Take a mark that this member has applied."""
        self.marks.append(mark)
        self._judge(mark)

    def told(self, member: MemberId, marks: Iterable[StateMark]) -> None:
        """Take another member's report of its state at its last marks."""
        said = {mark.index: mark.digest for mark in list(marks)[-MARKS_MAX:]}
        for index, digest in said.items():
            self._told.setdefault(index, {})[member] = digest
        own = {mark.index: mark for mark in self.marks}
        if self.marks and self.marks[-1].index not in said:
            self.lacking.add(member)
        else:
            self.lacking.discard(member)
        for index in sorted(own.keys() & self._told.keys()):
            self._judge(own[index])
        # Marks that this member has yet to reach stay, those behind it are dropped.
        kept = sorted(self._told)[-2 * MARKS_MAX :]
        self._told = {index: self._told[index] for index in kept}

    def _judge(self, mark: StateMark) -> None:
        others = self._told.get(mark.index, {})
        verdict = judge(self._me, mark.digest, others, self._voters())
        if verdict is Verdict.EQUAL:
            self.equal_index = max(self.equal_index, mark.index)
        elif verdict is Verdict.SPLIT and mark.index > self._split_told:
            self._differs(mark, others)
        elif verdict is Verdict.DIVERGED:
            self._diverged(
                StateDivergedError(
                    f"{self._describe(mark, others)}: the majority is right, so this member must "
                    "not serve any longer. Remove it from the group, empty its data directory and "
                    "let it join again (docs/failures.md)"
                )
            )

    def _differs(self, mark: StateMark, others: Mapping[MemberId, int]) -> None:
        """Log that states differ, once the members that have not reported had the time to."""
        index, seen = self._split_seen
        self._split_seen = (mark.index, seen + 1 if index == mark.index else 1)
        if self._split_seen[1] < _SPLIT_SEEN_MIN:
            return
        self.split_index = self._split_told = mark.index
        _LOG.error("%s; no majority tells who is right", self._describe(mark, others))

    def _describe(self, mark: StateMark, others: Mapping[MemberId, int]) -> str:
        said = ", ".join(
            f"{self._name_of(member)} {digest:016x}" for member, digest in sorted(others.items())
        )
        return (
            f"the members' states differ at log index {mark.index}, revision {mark.revision}: "
            f"this member's digest is {mark.digest:016x}, {said}"
        )

    @property
    def split(self) -> bool:
        """Whether members differ at the last conclusive mark and no majority shows who is right."""
        return self.split_index > self.equal_index
