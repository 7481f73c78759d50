"""What the attacks share: one real server, and how an attacker comes by a node's certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from local_cluster.server_process import ServerProcess, running
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from podraft.server.auth.certificates import KeyPair
from support.attackers import join_node
from support.identities import everyone

ResultT = TypeVar("ResultT")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A real server with the API only."""
    with running() as process:
        yield process


@pytest.fixture(scope="module")
def configs(
    server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ClusterConfig]:
    """Everyone who can speak to the server, by name."""
    return everyone(server, tmp_path_factory.mktemp("identities"))


@pytest.fixture
def joined(server: ServerProcess) -> Callable[[str], KeyPair]:
    """What joins as a node of any name, and returns its certificate and key."""

    def join(name: str) -> KeyPair:
        config = server.config()
        token = as_client(config, lambda client: client.create_join_token(600)).token
        return join_node(server.join_port, config.certificate_authority, token, name)

    return join


def as_client(config: ClusterConfig, scenario: Callable[[Client], Awaitable[ResultT]]) -> ResultT:
    """Run a scenario with a client of ``config``."""

    async def main() -> ResultT:
        async with Client(config) as client:
            return await scenario(client)

    return asyncio.run(main())
