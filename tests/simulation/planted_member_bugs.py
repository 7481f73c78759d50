"""Known mistakes around the consensus: in the other decisions of a member's core.

Owns: the bugs.  Each is the product's core composed with a part that is wrong in one place.
"""

from __future__ import annotations

from podraft.server.raft.status import Fate
from podraft.server.replication.core.applying import Applying
from podraft.server.replication.core.compaction import Compaction
from podraft.server.replication.core.events import Command
from podraft.server.replication.core.group_changes import GroupChanges
from podraft.server.replication.core.member_core import MemberParts
from podraft.server.replication.core.own_proposals import OwnProposals
from podraft.server.replication.core.persisting import Persisting
from podraft.server.replication.core.read_barriers import ReadBarriers
from podraft.server.replication.faults import NoLeaderError


class _WaitsForNoWrite(Persisting):
    """Messages that claim persistence leave at once."""

    def may_leave(self, sequence: int) -> bool:
        return True


class _WaitsForAnEarlierWrite(Persisting):
    """Messages leave when the write before their own is durable."""

    def may_leave(self, sequence: int) -> bool:
        return super().may_leave(sequence - 1)


class _WritesBehindMissingState(Persisting):
    """The log begins behind a snapshot that is not installed yet."""

    def must_hold(self) -> bool:
        return False


class _AppliesSkippedEntries(Applying):
    """Entries that wait to be applied are applied although a snapshot has replaced them."""

    def replace(self) -> None:
        waiting = list(self._deliverable)
        super().replace()
        self._deliverable.extend(waiting)


class _ServesTooEarly(ReadBarriers):
    """Readers go on once the question is answered, even if too little is applied."""

    def reached(self, index: int) -> bool:
        return True


class _JoinsTooLate(ReadBarriers):
    """Readers join earlier ones for whom the question has already been asked."""

    @property
    def joinable(self) -> object | None:
        return self._next or self._asking


class _TakesAnyAnswer(ReadBarriers):
    """The answer to an earlier question is taken for the answer to this one."""

    def ready(self, number: int, index: int) -> None:
        super().ready(self._asking_id, index)


class _ForgetsWhatIsPinned(Compaction):
    """Entries that a follower needs behind its snapshot are forgotten."""

    def pin(self, member: int, index: int) -> None:
        pass


class _ForgetsWhatIsNotStored(Compaction):
    """Entries that the state machine has applied but not yet made durable are forgotten."""

    def limit(self, stored: int, applied: int) -> int:
        return super().limit(applied, applied)


class _AcknowledgesOldTerms(OwnProposals):
    """Any applied command is taken for the oldest proposal of an earlier term."""

    def committed(self, number: int) -> Command | None:
        command = super().committed(number)
        if command is None and self._under_way:
            oldest, waiting = next(iter(self._under_way.items()))
            if waiting.term < self._leadership.term:
                return super().committed(oldest)
        return command


class _RepeatsEverything(OwnProposals):
    """Every command that may have arrived is repeated, even if it takes effect each time."""

    def may_repeat(self, command: Command, *, local: bool) -> bool:
        return True


class _CallsUnknownUndone(OwnProposals):
    """A command that may yet take effect is reported as undone."""

    def unknown(self, why: str) -> Exception:
        return NoLeaderError(why)


class _BelievesSnapshots(GroupChanges):
    """A change is reported as done because a snapshot has replaced its entry."""

    def fate(self, index: int, term: int) -> Fate:
        fate = super().fate(index, term)
        return Fate.COMMITTED if fate is Fate.UNKNOWN else fate


PLANTED_MEMBER_BUGS: dict[str, MemberParts] = {
    "message leaves before its write": MemberParts(persisting=_WaitsForNoWrite),
    "message waits for an earlier write": MemberParts(persisting=_WaitsForAnEarlierWrite),
    "log begins behind missing state": MemberParts(persisting=_WritesBehindMissingState),
    "skipped entries applied": MemberParts(applying=_AppliesSkippedEntries),
    "barrier served too early": MemberParts(reads=_ServesTooEarly),
    "barrier joined too late": MemberParts(reads=_JoinsTooLate),
    "barrier takes any answer": MemberParts(reads=_TakesAnyAnswer),
    "compaction beyond a pin": MemberParts(compaction=_ForgetsWhatIsPinned),
    "compaction beyond what is stored": MemberParts(compaction=_ForgetsWhatIsNotStored),
    "old term acknowledged": MemberParts(proposals=_AcknowledgesOldTerms),
    "uncertain proposal repeated": MemberParts(proposals=_RepeatsEverything),
    "uncertain proposal called undone": MemberParts(proposals=_CallsUnknownUndone),
    "replaced change told as done": MemberParts(changes=_BelievesSnapshots),
}
