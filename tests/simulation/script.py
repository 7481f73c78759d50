"""Scripts that drive a group by hand: commands, each followed by the trace of its effects.

Owns: the commands and the form of the trace.  A script is a text of blocks: a command line, a line
``----``, the expected trace, an empty line.  Nothing is random: patience is always the shortest.

    group 1 2 3          members with ids; the last may be written +4: it knows nobody
    tick ID [COUNT]      propose ID TEXT         read ID NUMBER       persist ID
    deliver FROM TO [COUNT]                      drop FROM TO [COUNT] applied ID
    add|promote|remove ID MEMBER                 transfer ID TARGET   compact ID INDEX
    snapshot FROM TO     restart ID              settle               status
    lead ID              elects without a trace                       announce ID
"""

from __future__ import annotations

from podraft.server.raft.core import Event, RaftCore, Received, Restored
from podraft.server.raft.effects import Effects, Write
from podraft.server.raft.entries import (
    Entry,
    EntryKind,
    HardState,
    Membership,
    SnapshotMark,
    decode_membership,
)
from podraft.server.raft.events import (
    AddLearner,
    AnnounceCommit,
    Applied,
    Change,
    ChangeProposed,
    Compacted,
    Persisted,
    Promote,
    Proposal,
    Proposed,
    ReadsRequested,
    Remove,
    SnapshotSent,
    Tick,
    TransferLeadership,
)
from podraft.server.raft.messages import (
    Append,
    Appended,
    AppendRefused,
    AskRead,
    AskVote,
    CampaignNow,
    CommitNews,
    Declined,
    Forward,
    Heartbeat,
    HeartbeatAnswer,
    InstallSnapshot,
    Message,
    ReadAnswer,
    Vote,
)
from podraft.server.raft.options import RaftOptions

_CHANGES: dict[str, type[AddLearner | Promote | Remove]] = {
    "add": AddLearner,
    "promote": Promote,
    "remove": Remove,
}


class LeastRandom:
    """A random source that always returns the smallest number."""

    def randrange(self, stop: int, /) -> int:
        return 0


class _Host:
    """A member, its disk, and the work that waits for the disk."""

    def __init__(self, identity: int, mark: SnapshotMark, options: RaftOptions) -> None:
        self.id = identity
        self.options = options
        self.mark = mark
        self.hard_state = HardState()
        self.entries: list[Entry] = []
        self.waiting: list[tuple[Write | None, tuple[Message, ...]]] = []
        self.start()

    def start(self) -> None:
        self.waiting.clear()
        restored = Restored(self.mark, self.hard_state, tuple(self.entries))
        self.core = RaftCore(self.id, restored, self.options, LeastRandom())
        self.applied = self.core._log.applied

    def keep(self, write: Write) -> None:
        if write.snapshot is not None:
            self.mark, self.entries = write.snapshot, []
        self.hard_state = write.hard_state or self.hard_state
        if write.entries:
            del self.entries[write.entries[0].index - self.mark.index - 1 :]
            self.entries.extend(write.entries)


class Script:
    """A script that carries out commands and returns their traces."""

    def __init__(self, options: RaftOptions | None = None) -> None:
        self._options = options or RaftOptions(
            election_ticks=5, heartbeat_ticks=1, in_flight_max=2, promotion_lag_max=0
        )
        self.hosts: dict[int, _Host] = {}
        self._links: dict[tuple[int, int], list[Message]] = {}
        self._lines: list[str] = []
        self._proposals = 0

    def run(self, command: str) -> list[str]:
        self._lines = []
        name, *arguments = command.split()
        if name == "group":
            self._group(arguments)
        elif name == "propose":
            self._proposals += 1
            proposal = Proposal(self._proposals, " ".join(arguments[1:]).encode())
            self._step(int(arguments[0]), Proposed((proposal,)))
        else:
            self._command(name, [int(argument) for argument in arguments])
        return self._lines

    def _group(self, ids: list[str]) -> None:
        voters = Membership.of(int(id_) for id_ in ids if not id_.startswith("+"))
        for id_ in ids:
            membership = Membership(()) if id_.startswith("+") else voters
            mark = SnapshotMark(0, 0, membership)
            self.hosts[int(id_)] = _Host(int(id_), mark, self._options)

    def _command(self, name: str, numbers: list[int]) -> None:
        first, second = (*numbers, 0, 0)[:2]
        if name == "tick":
            for _ in range(second or 1):
                self._step(first, Tick())
        elif name == "announce":
            self._step(first, AnnounceCommit())
        elif name == "read":
            self._step(first, ReadsRequested((second,)))
        elif name == "lead":
            self._lead(first)
        elif name in _CHANGES:
            self._proposals += 1
            change: Change = _CHANGES[name](second)
            self._step(first, ChangeProposed(self._proposals, change))
        elif name == "transfer":
            self._proposals += 1
            self._step(first, TransferLeadership(self._proposals, second))
        elif name == "compact":
            host = self.hosts[first]
            mark = host.core.mark_at(second)
            del host.entries[: second - host.mark.index]
            host.mark = mark
            self._step(first, Compacted(second))
        elif name == "applied":
            self._step(first, Applied(self.hosts[first].applied))
        elif name == "snapshot":
            core = self.hosts[first].core
            mark = core.mark_at(core._log.applied)
            message = InstallSnapshot(first, second, core.status.term, mark)
            self._links.setdefault((first, second), []).append(message)
            self._step(first, SnapshotSent(second, mark))
        else:
            self._deliveries(name, first, second, (*numbers, 0, 0, 0)[2])

    def _lead(self, identity: int) -> None:
        """Elect without a trace, once every member's patience with the last leader has ended."""
        for other in self.hosts:
            if other != identity:
                for _ in range(self._options.election_ticks):
                    self.hosts[other].core._member.elapsed_ticks += 1
        for _ in range(self._options.election_ticks):
            self._step(identity, Tick())
        self._settle()
        self._lines.clear()

    def _deliveries(self, name: str, first: int, second: int, count: int) -> None:
        link = self._links.get((first, second), [])
        if name == "deliver":
            for message in self._take(link, count):
                self._step(second, Received(message))
        elif name == "drop":
            self._take(link, count)
        elif name == "persist":
            self._persist(self.hosts[first])
        elif name == "settle":
            self._settle()
        elif name == "restart":
            self.hosts[first].start()
            self._status(self.hosts[first])
        elif name == "status":
            for host in self.hosts.values():
                self._status(host)
        else:
            raise ValueError(f"unknown command {name}")

    def _take(self, link: list[Message], count: int) -> list[Message]:
        taken = link[: count or None]
        del link[: len(taken)]
        return taken

    def _persist(self, host: _Host) -> None:
        waiting, host.waiting = host.waiting, []
        sequence = 0
        for write, messages in waiting:
            if write is not None:
                host.keep(write)
                sequence = write.sequence
            self._send(messages)
        if sequence:
            self._step(host.id, Persisted(sequence))

    def _settle(self) -> None:
        """Persist and deliver everything until nothing moves."""
        for _ in range(1_000):
            busy = False
            for host in self.hosts.values():
                if host.waiting:
                    busy = True
                    self._persist(host)
            for (_, to), link in sorted(self._links.items()):
                for message in self._take(link, 0):
                    busy = True
                    self._step(to, Received(message))
            for host in self.hosts.values():
                if not busy and host.core.unannounced:
                    busy = True
                    self._step(host.id, AnnounceCommit())
            if not busy:
                return
        raise ValueError("the group never settles")

    # Effects.

    def _step(self, identity: int, event: Event) -> None:
        host = self.hosts[identity]
        if isinstance(event, Received):
            self._lines.append(f"{identity} <- {describe(event.message)}")
        effects = host.core.step(event)
        self._lines.extend(f"{identity} {line}" for line in _describe_effects(effects))
        self._send(effects.messages_now)
        if effects.write is not None or host.waiting:
            host.waiting.append((effects.write, effects.messages_after_persist))
        else:
            self._send(effects.messages_after_persist)
        if effects.committed:
            host.applied = effects.committed[-1].index
            self._step(identity, Applied(host.applied))

    def _send(self, messages: tuple[Message, ...]) -> None:
        for message in messages:
            self._links.setdefault((message.sender, message.to), []).append(message)

    def _status(self, host: _Host) -> None:
        status, log = host.core.status, host.core._log
        self._lines.append(
            f"{host.id} is {status.role.value}, term {status.term}, leader {status.leader or '-'},"
            f" log {log.start}..{log.last_index}, commit {log.commit}, persisted {log.persisted},"
            f" members {_describe_membership(log.membership)}"
        )


def _describe_membership(membership: Membership) -> str:
    voters = ",".join(map(str, membership.voters))
    learners = ",".join(f"+{learner}" for learner in membership.learners)
    return f"[{voters}{' ' if learners else ''}{learners}]"


def _describe_entry(entry: Entry) -> str:
    if entry.kind is EntryKind.MEMBERSHIP:
        what = f" members {_describe_membership(decode_membership(entry.payload))}"
    else:
        what = f" {entry.payload.decode()}" if entry.payload else ""
    return f"{entry.term}/{entry.index}{what}"


def _describe_entries(entries: tuple[Entry, ...]) -> str:
    return "[" + ", ".join(map(_describe_entry, entries)) + "]"


def _describe_effects(effects: Effects) -> list[str]:
    lines = [f"now: {describe(message)}" for message in effects.messages_now]
    write = effects.write
    if write is not None:
        parts = []
        if write.snapshot is not None:
            mark = write.snapshot
            parts.append(f"snapshot {mark.term}/{mark.index}")
        if write.hard_state is not None:
            parts.append(f"term {write.hard_state.term} vote {write.hard_state.vote or '-'}")
        if write.entries:
            parts.append(f"entries {_describe_entries(write.entries)}")
        lines.append(f"write {write.sequence}: {', '.join(parts)}")
    lines += [f"after persist: {describe(message)}" for message in effects.messages_after_persist]
    if effects.committed:
        lines.append(f"apply: {_describe_entries(effects.committed)}")
    lines += [f"read {ready.id} at {ready.index}" for ready in effects.reads]
    lines += [f"refused {item.id}: {item.reason.value}" for item in effects.refused]
    lines += [f"send a snapshot to {request.to}" for request in effects.snapshots]
    return lines


def describe(message: Message) -> str:
    """Return a message in one line."""
    head = f"{message.sender}->{message.to} {type(message).__name__}"
    match message:
        case AskVote():
            kind = " pre" if message.pre else ""
            kind += " transfer" if message.transfer else ""
            return f"{head}{kind} term {message.term} log {message.last_term}/{message.last_index}"
        case Vote():
            kind = " pre" if message.pre else ""
            answer = "granted" if message.granted else "refused"
            return f"{head}{kind} term {message.term} {answer}"
        case Append() | CommitNews():
            entries = f" {_describe_entries(message.entries)}" if type(message) is Append else ""
            return (
                f"{head} term {message.term} after"
                f" {message.previous_term}/{message.previous_index}{entries}"
                f" commit {message.commit}"
            )
        case Appended():
            return f"{head} term {message.term} match {message.match}"
        case AppendRefused():
            return (
                f"{head} term {message.term} previous {message.previous_index}"
                f" hint {message.hint_term}/{message.hint_index}"
            )
        case Heartbeat():
            return f"{head} term {message.term} commit {message.commit} round {message.round}"
        case HeartbeatAnswer():
            return f"{head} term {message.term} round {message.round}"
        case InstallSnapshot():
            mark = message.mark
            return f"{head} term {message.term} {mark.term}/{mark.index}"
        case CampaignNow():
            return f"{head} term {message.term}"
        case Forward():
            return f"{head} {[proposal.payload.decode() for proposal in message.proposals]}"
        case Declined():
            return f"{head} {list(message.ids)}: {message.reason.value}"
        case AskRead():
            return f"{head} {list(message.ids)}"
        case ReadAnswer():
            return f"{head} {list(message.ids)} index {message.index}"


def rewritten(text: str) -> str:
    """Return the script with the traces that its commands have now."""
    script = Script()
    blocks = []
    for block in text.strip().split("\n\n"):
        command, _, _ = block.partition("\n----")
        lines = command.splitlines()
        commands = [line for line in lines if not line.startswith("#")]
        if not commands:
            blocks.append(command)
            continue
        trace = [line for line_ in commands for line in script.run(line_)]
        blocks.append("\n".join((command, "----", *trace)))
    return "\n\n".join(blocks) + "\n"
