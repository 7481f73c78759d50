"""Clients that write while a group of servers changes, and questions to the group meanwhile."""

from __future__ import annotations

import asyncio

from podraft.api.cluster.v1 import member_pb2
from podraft.api.core.v1 import config_pb2
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError
from support.membership_processes import (
    GrowingGroup,
    ask,
    listed,
)
from support.raft_processes import Server
from support.waiting import eventually_async


def config_map(name: str) -> config_pb2.ConfigMap:
    sent = config_pb2.ConfigMap(data={"k": name})
    sent.metadata.name, sent.metadata.namespace = name, "default"
    return sent


def write(server: Server, *names: str) -> int:
    """Create objects; return the last one's revision."""

    async def call(client: Client) -> int:
        created = [await client.config_maps.create(config_map(name)) for name in names]
        return int(created[-1].metadata.resource_version)

    return ask(server, call)


def names_at(server: Server) -> set[str]:
    found = ask(server, lambda client: client.config_maps.list("default"))
    return {item.metadata.name for item in found.items}


class Writers:
    """Clients that write unique objects to any server that answers while the group changes."""

    def __init__(self, group: GrowingGroup, count: int = 3) -> None:
        self._group = group
        self._count = count
        self.acknowledged: set[str] = set()
        self.tried: set[str] = set()

    async def __aenter__(self) -> Writers:
        self._stop = asyncio.Event()
        self._tasks = [asyncio.create_task(self._write(n)) for n in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _write(self, writer: int) -> None:
        number = 0
        clients: dict[tuple[str, int], Client] = {}
        while not self._stop.is_set():
            number += 1
            name = f"w{writer}-{number}"
            self.tried.add(name)
            running = [each for each in self._group.running if each.config_path().exists()]
            server = running[number % len(running)]
            client = clients.setdefault((server.name, server.port), Client(server.config()))
            try:
                async with asyncio.timeout(3):
                    await client.config_maps.create(config_map(name))
            except (ApiError, TimeoutError):
                await asyncio.sleep(0.02)
                continue
            self.acknowledged.add(name)
        for client in clients.values():
            await client.close()

    async def more(self, count: int = 30) -> None:
        """Wait until ``count`` more writes have been acknowledged."""
        target = len(self.acknowledged) + count

        def reached() -> bool:
            for task in self._tasks:
                if task.done():
                    task.result()
            return len(self.acknowledged) >= target

        await eventually_async(reached, within_s=30)

    def check(self, server: Server) -> None:
        found = {name for name in names_at(server) if name.startswith("w")}
        assert self.acknowledged <= found, "acknowledged, and lost"
        assert found <= self.tried, "nobody wrote this"


VOTER, LEARNER = member_pb2.MEMBER_ROLE_VOTER, member_pb2.MEMBER_ROLE_LEARNER


def roles(server: Server) -> dict[str, int]:
    return {member.name: member.role for member in listed(server).members}
