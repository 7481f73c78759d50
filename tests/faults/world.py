"""Three servers, each with a network and a disk of its own.

Owns: the namespaces ``pt-faults-…``, joined by a bridge in a hub where the clients are; the small
file systems; the processes; and how a fault is made and mended.
Invariant: whatever happens, leaving the context leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from faults.plan import LEADER, Fault, FaultKind
from podraft.client.connecting.config import ClusterConfig
from podraft.server.auth.pki import ensure_pki
from support.netns import Namespace, namespace
from support.raft_processes import NAMES, Server
from support.small_disk import SmallDisk, small_disk

_NETWORK = "192.168.251"
_DISK_BYTES = 512 * 1024 * 1024
_END_S = 20.0
_START_ON_FULL_S = 1.5
_NO_SPACE = "No space left on device"
# One chain for what comes in, one for what goes out; a fault fills them, mending flushes them.
_FIREWALL = """
table inet faults {
    chain in { type filter hook input priority 0; }
    chain out { type filter hook output priority 0; }
}
"""


class Member(Server):
    """A server in its namespace, on its disk."""

    def __init__(
        self, name: str, data: Path, network: Namespace, address: str, members: str
    ) -> None:
        arguments = (
            f"--members={members}",
            f"--member-name={name}",
            f"--member-listen={address}:7445",
            f"--listen={address}:7443",
            f"--join-listen={address}:7444",
            f"--advertise-address={address}",
        )
        super().__init__(name, data, arguments)
        self.launcher = ("nsenter", f"--net={network.path}")
        self.disk: SmallDisk | None = None
        # It may just be ending when there is room again.
        self.was_full = False
        self.network = network
        self.member_address = address

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.process is not None:
            self.process.send_signal(number)

    def nft(self, *rules: str) -> None:
        """Carry out nftables commands in the member's namespace."""
        for rule in rules:
            self.network.run("nft", *rule.split())


class World:
    """The members and their faults; blocking work is done in threads."""

    def __init__(self, members: dict[str, Member]) -> None:
        self.members = members
        # Without an admin's file (its disk is full) the clients still know where a member is.
        self.configs: dict[str, ClusterConfig] = {}
        self.problems: list[str] = []

    def start(self) -> None:
        for member in self.members.values():
            member.begin()
        for member in self.members.values():
            member.await_ready()
        self.configs = {name: member.config() for name, member in self.members.items()}

    @property
    def leader(self) -> Member:
        """The running member that was the last to win an election."""
        running = [m for m in self.members.values() if m.running] or [*self.members.values()]
        return max(running, key=lambda member: member.term_led)

    def named(self, fault: Fault) -> tuple[Member, Member]:
        """Return the member that ``fault`` concerns, and another one."""
        member = self.leader if fault.member == LEADER else self.members[fault.member]
        others = [other for other in self.members.values() if other is not member]
        return member, next((o for o in others if o.name == fault.other), others[0])

    async def suffer(self, fault: Fault) -> str:
        """Let ``fault`` happen, last, and be mended; return whom it hit."""
        member, other = await asyncio.to_thread(self.named, fault)
        await asyncio.to_thread(self._begin, fault, member, other)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            await asyncio.to_thread(self._mend, fault, member)
        return member.name

    def _begin(self, fault: Fault, member: Member, other: Member) -> None:
        kind = fault.kind
        others = [o.member_address for o in self.members.values() if o is not member]
        if kind is FaultKind.KILL:
            member.kill()
        elif kind is FaultKind.KILL_ALL:
            for each in self.members.values():
                each.signal(signal.SIGKILL)
        elif kind is FaultKind.FREEZE:
            member.signal(signal.SIGSTOP)
        elif kind is FaultKind.FULL_DISK:
            assert member.disk is not None
            member.disk.fill(fault.left_bytes)
        elif kind is FaultKind.LOSSY:
            lost = "numgen random mod 3 == 0 drop"
            member.nft(f"add rule inet faults in {lost}", f"add rule inet faults out {lost}")
        else:
            self._cut(
                kind, member, [other.member_address] if kind is FaultKind.CUT_PAIR else others
            )

    def _cut(self, kind: FaultKind, member: Member, others: list[str]) -> None:
        if kind is FaultKind.ISOLATE:
            others = [f"{_NETWORK}.0/24"]
        for address in others:
            if kind is not FaultKind.CUT_OUT:
                member.nft(f"add rule inet faults in ip saddr {address} drop")
            if kind is not FaultKind.CUT_IN:
                member.nft(f"add rule inet faults out ip daddr {address} drop")

    def _mend(self, fault: Fault, member: Member) -> None:
        kind = fault.kind
        if kind is FaultKind.FREEZE:
            member.signal(signal.SIGCONT)
        elif kind is FaultKind.FULL_DISK:
            self._after_a_full_disk(member)
        elif kind in (FaultKind.KILL, FaultKind.KILL_ALL):
            self._start_what_ended()
        else:
            member.nft("flush chain inet faults in", "flush chain inet faults out")

    def _after_a_full_disk(self, member: Member) -> None:
        assert member.disk is not None
        assert member.process is not None
        if member.process.poll() is None:
            # It has not needed more than there was, or has not noticed yet.
            member.was_full = True
            member.disk.free()
            return
        self._check_said_full(member, 0, member.end(signal.SIGKILL))
        before = len(member.log())
        member.begin()
        # Where there is no room it may not start, but says why.
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = member.process.wait(_START_ON_FULL_S)
            self._check_said_full(member, before, status)
        member.end(signal.SIGKILL)
        member.disk.free()
        member.begin()

    def _check_said_full(self, member: Member, since: int, status: int) -> None:
        said = member.log()[since:][-3000:]
        if status != 1 or _NO_SPACE not in said or "Traceback" in said:
            self.problems.append(f"{member.name}'s disk is full, it ended with {status}: {said}")

    def _start_what_ended(self) -> None:
        for member in self.members.values():
            if not member.running:
                if member.process is not None:
                    member.process.wait(_END_S)
                    member.end(signal.SIGKILL)
                member.begin()

    def check_running(self) -> None:
        """Note every member that ended by itself, and start it again."""
        for member in self.members.values():
            if member.running or member.process is None:
                continue
            status, log = member.process.returncode, member.log()[-3000:]
            if not (member.was_full and status == 1 and _NO_SPACE in log.splitlines()[-1]):
                self.problems.append(f"{member.name} ended by itself with {status}: {log}")
            member.was_full = False
        self._start_what_ended()

    def stop(self) -> None:
        for member in self.members.values():
            if member.process is not None:
                member.kill()


@contextmanager
def world(directory: Path, *, own_disks: bool = True) -> Iterator[World]:
    """Make three members; the calling thread and its new threads are in the hub meanwhile."""
    with ExitStack() as stack:
        hub = stack.enter_context(namespace("faults"))
        hub.run("ip", "link", "add", "br0", "type", "bridge")
        hub.run("ip", "address", "add", f"{_NETWORK}.1/24", "dev", "br0")
        hub.run("ip", "link", "set", "br0", "up")
        addresses = {name: f"{_NETWORK}.{11 + number}" for number, name in enumerate(NAMES)}
        members = ",".join(f"{name}={address}:7445" for name, address in addresses.items())
        made = {}
        for name, address in addresses.items():
            network = stack.enter_context(namespace("faults"))
            _join(hub, network, f"{address}/24", f"port-{name}")
            made[name] = member = Member(name, directory / name, network, address, members)
            if own_disks:
                member.disk = stack.enter_context(small_disk(member.data_dir, _DISK_BYTES))
            _give_authority(member.data_dir, directory / NAMES[0])
        servers = World(made)
        stack.callback(servers.stop)
        with hub.entered():
            yield servers


def _join(hub: Namespace, network: Namespace, address: str, port: str) -> None:
    hub.run("ip", "link", "add", port, "type", "veth", "peer", "eth0", "netns", network.name)
    hub.run("ip", "link", "set", port, "master", "br0", "up")
    network.run("ip", "address", "add", address, "dev", "eth0")
    network.run("ip", "link", "set", "eth0", "up")
    subprocess.run(
        ["nsenter", f"--net={network.path}", "nft", "-f", "-"],
        input=_FIREWALL,
        text=True,
        check=True,
    )


def _give_authority(data: Path, first: Path) -> None:
    if data == first:
        ensure_pki(data / "pki", addresses=())
    else:
        (data / "pki").mkdir(parents=True)
        shutil.copy(first / "pki" / "ca.pem", data / "pki" / "ca.pem")
