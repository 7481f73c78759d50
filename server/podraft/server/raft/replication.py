"""Making every log equal to the leader's, and committing.

Owns: appends and their answers on both sides, heartbeats, flow control, snapshots for members that
are too far behind, the leader's commit index.

Invariants: a leader only ever appends to its log.  A follower acknowledges what is durable,
and only as far as the message proves equality.  An entry is committed by counting only if it is of
the leader's term; earlier entries are committed with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from podraft.server.raft.entries import Entry, EntryKind, MemberId
from podraft.server.raft.errors import ensure
from podraft.server.raft.events import Proposal, SnapshotSent
from podraft.server.raft.member import Member, Role
from podraft.server.raft.messages import (
    Append,
    Appended,
    AppendRefused,
    CommitNews,
    Heartbeat,
    HeartbeatAnswer,
    InstallSnapshot,
)
from podraft.server.raft.progress import Pace, Progress
from podraft.server.raft.quorum import agreed_index


class Replication:
    """The member's part in replication."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._log = member.log
        self._uncommitted_bytes = 0
        self.round = 0
        # Whether something was committed of which perhaps not all followers were told.
        self.unannounced = False

    # The leader's log.

    def lead(self) -> None:
        """Begin to lead, knowing nothing of the others' logs."""
        member, log = self._member, self._log
        member.peers = {}
        self.round += 1
        self._uncommitted_bytes = 0
        member.transfer_target = 0
        memberships = [log.membership]
        if (previous := log.previous_membership) is not None:
            memberships.append(previous)
        for membership in memberships:
            for peer in membership.members:
                self.add_peer(peer)
        self.append(EntryKind.EMPTY, (Proposal(0, b""),))

    def add_peer(self, peer: MemberId) -> None:
        """Replicate to ``peer``, too."""
        member = self._member
        if peer != member.id and peer not in member.peers:
            options = member.options
            member.peers[peer] = Progress(self._log.last_index + 1, options.in_flight_max)

    def overloaded(self, proposals: Sequence[Proposal]) -> bool:
        """Return whether so much is uncommitted that ``proposals`` must be refused."""
        options, log = self._member.options, self._log
        size = sum(len(proposal.payload) for proposal in proposals)
        uncommitted = log.last_index - log.commit
        return uncommitted > 0 and (
            uncommitted + len(proposals) > options.uncommitted_entries_max
            or self._uncommitted_bytes + size > options.uncommitted_bytes_max
        )

    def append(self, kind: EntryKind, proposals: Sequence[Proposal]) -> None:
        """Append to the leader's own log and send it on."""
        log, term = self._log, self._member.term
        first = log.last_index + 1
        log.append(
            [
                Entry(index, term, kind, proposal.payload, proposal.id)
                for index, proposal in enumerate(proposals, first)
            ]
        )
        self._uncommitted_bytes += sum(len(proposal.payload) for proposal in proposals)
        self.broadcast()

    def proposed_by(self, peer: MemberId) -> None:
        """Learn that ``peer`` waits for the entries appended just now."""
        progress = self._member.peers.get(peer)
        if progress is not None:
            progress.proposed(self._log.last_index)

    # Sending.

    def broadcast(self) -> None:
        """Send every follower what it lacks."""
        for peer, progress in self._member.peers.items():
            self._send(peer, progress)

    def _send(self, peer: MemberId, progress: Progress) -> bool:
        """Fill the pipeline to ``peer``; return whether there was anything to send."""
        sent = False
        log = self._log
        while progress.may_send and progress.next <= log.last_index:
            self._send_append(peer, progress, log.last_index)
            sent = True
        return sent

    def _send_append(self, peer: MemberId, progress: Progress, last: int) -> None:
        """Send entries up to ``last``, as many as fit in a message, or a snapshot if need be."""
        member, log = self._member, self._log
        previous = progress.next - 1
        previous_term = log.term_at(previous)
        if previous_term is None:
            progress.await_snapshot()
            member.send_snapshot(peer)
            return
        entries = log.slice(progress.next, last, member.options.message_bytes_max)
        progress.sent(previous + len(entries), entries=bool(entries))
        progress.told = log.commit
        member.send_now(
            Append(member.id, peer, member.term, previous, previous_term, entries, log.commit)
        )

    def committed(self, *, urgent: bool) -> None:
        """Tell the members that wait for the new commit index now, and the others soon.

        Soon means with the next entries, by ``AnnounceCommit``, or by a heartbeat.  ``urgent``:
        all members wait for it.
        """
        self.unannounced = True
        commit = self._log.commit
        for peer, progress in self._member.peers.items():
            if progress.awaits(commit) or urgent:
                self.announce_to(peer)

    def announce(self) -> None:
        """Tell the commit index to the members that have not learnt it from other messages."""
        self.unannounced = False
        for peer in self._member.peers:
            self.announce_to(peer)

    def announce_to(self, peer: MemberId) -> None:
        """Tell ``peer`` the commit index, unless it was told already."""
        member, log = self._member, self._log
        progress = member.peers.get(peer)
        if progress is None or progress.told >= log.commit or progress.pace is not Pace.REPLICATE:
            return
        previous = progress.next - 1
        previous_term = log.term_at(previous)
        if previous_term is not None:
            progress.told = log.commit
            member.send_now(
                CommitNews(member.id, peer, member.term, previous, previous_term, log.commit)
            )

    def heartbeat(self) -> None:
        """Tell all members that the leader is alive, and begin a round of answers."""
        member, commit = self._member, self._log.commit
        self.round += 1
        for peer, progress in member.peers.items():
            known = min(progress.match, commit)
            progress.told = max(progress.told, known)
            member.send_now(Heartbeat(member.id, peer, member.term, known, self.round))

    # The followers' answers.

    def appended(self, answer: Appended) -> None:
        """Learn that a follower has more entries."""
        progress = self._member.peers.get(answer.sender)
        if progress is None:
            return
        log = self._log
        ensure(answer.match <= log.last_index, f"member {answer.sender} has more than its leader")
        progress.active = True
        progress.matched(answer.match)
        if progress.pace is Pace.PROBE and answer.match == progress.match:
            progress.replicate()
        elif progress.pace is Pace.SNAPSHOT and progress.match >= log.start:
            progress.probe()
        self.advance_commit()
        self._send(answer.sender, progress)

    def append_refused(self, answer: AppendRefused) -> None:
        """Retry at the index that a follower suggests, as its log differs or ends earlier."""
        progress = self._member.peers.get(answer.sender)
        if progress is None:
            return
        progress.active = True
        candidate, _ = self._log.last_index_up_to_term(answer.hint_index, answer.hint_term)
        if progress.refused(answer.previous_index, candidate):
            self._send_probe(answer.sender, progress)

    def heartbeat_answered(self, answer: HeartbeatAnswer) -> None:
        """Learn that a follower is alive; find out what it lacks if messages may have been lost."""
        progress = self._member.peers.get(answer.sender)
        if progress is None:
            return
        progress.active = True
        progress.round = max(progress.round, answer.round)
        progress.paused = False
        if progress.match < self._log.last_index or progress.pace is Pace.PROBE:
            self._send_probe(answer.sender, progress)

    def _send_probe(self, peer: MemberId, progress: Progress) -> None:
        if not self._send(peer, progress) and progress.pace is not Pace.SNAPSHOT:
            # Nothing new to send, or the pipeline is full: its refusal shows what was lost.
            self._send_append(peer, progress, progress.next - 1)

    def snapshot_sent(self, report: SnapshotSent) -> None:
        """Probe the follower, as the shell's attempt to send a snapshot has ended."""
        progress = self._member.peers.get(report.to)
        if progress is None or progress.pace is not Pace.SNAPSHOT:
            return
        mark = report.mark
        progress.probe(mark.index + 1 if mark is not None else 0)
        # Wait for a heartbeat's answer: the follower may take time to install the snapshot.
        progress.paused = True

    def advance_commit(self) -> None:
        """Commit what a majority has, if that ends with an entry of this term."""
        member, log = self._member, self._log
        matches = {peer: progress.match for peer, progress in member.peers.items()}
        # The leader's own copy counts like any other: when it is durable.
        matches[member.id] = log.persisted
        index = agreed_index(log.membership.voters, matches)
        if self.may_commit(index):
            for position in range(log.commit + 1, index + 1):
                self._uncommitted_bytes -= len(log.entry(position).payload)
            self._uncommitted_bytes = max(self._uncommitted_bytes, 0)
            log.commit_to(index)

    def may_commit(self, index: int) -> bool:
        """Return whether an entry that a majority has is thereby committed (the paper's 5.4.2)."""
        return index > self._log.commit and self._log.term_at(index) == self._member.term

    # The follower's side.

    def append_received(self, message: Append) -> None:
        """Merge the leader's entries, or answer where the logs may be equal."""
        member, log = self._member, self._log
        ensure(member.role is Role.FOLLOWER, f"two leaders in term {member.term}")
        previous, previous_term, entries = (
            message.previous_index,
            message.previous_term,
            message.entries,
        )
        if previous < log.commit:
            # Committed entries are equal everywhere: look only at the rest of an old message.
            entries = entries[log.commit - previous :]
            previous, previous_term = log.commit, log.term_at(log.commit) or 0
        if log.merge(previous, previous_term, entries):
            proven = previous + len(entries)
            self.learn_commit(message.commit, proven)
            self._acknowledge(message.sender, proven)
            return
        self._refuse(message.sender, previous, previous_term)

    def _refuse(self, leader: MemberId, previous: int, previous_term: int) -> None:
        member = self._member
        hint, hint_term = self._log.last_index_up_to_term(previous, previous_term)
        member.send_after_persist(
            AppendRefused(member.id, leader, member.term, previous, hint, hint_term)
        )

    def commit_news_received(self, message: CommitNews) -> None:
        """Learn the leader's commit index, or report that some of its entries were lost."""
        log, previous, previous_term = self._log, message.previous_index, message.previous_term
        if previous <= log.commit:
            return
        if log.term_at(previous) == previous_term:
            self.learn_commit(message.commit, previous)
        else:
            self._refuse(message.sender, previous, previous_term)

    def learn_commit(self, commit: int, proven: int) -> None:
        """Accept the leader's commit index as far as the logs are proven equal."""
        self._log.commit_to(min(commit, proven))

    def _acknowledge(self, leader: MemberId, match: int) -> None:
        member = self._member
        member.send_after_persist(Appended(member.id, leader, member.term, match))

    def heartbeat_received(self, message: Heartbeat) -> None:
        """Answer at once, as the answer claims nothing about the disk."""
        member = self._member
        self._log.commit_to(message.commit)
        member.send_now(HeartbeatAnswer(member.id, message.sender, member.term, message.round))

    def snapshot_received(self, message: InstallSnapshot) -> None:
        """Replace log and state machine, if the snapshot is ahead of them."""
        log, mark = self._log, message.mark
        if mark.index > log.commit:
            if log.term_at(mark.index) == mark.term:
                # The log already holds everything in it.
                log.commit_to(mark.index)
            else:
                self._member.install(mark)
        self._acknowledge(message.sender, log.commit)
