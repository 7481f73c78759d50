"""A channel to the agent as the API server opens it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from integration.agent.agent_world import World
from podraft.server.auth.certificates import node_server_name
from podraft.server.auth.pki import ensure_pki


@contextlib.asynccontextmanager
async def agent_channel(it: World, make_stub: Callable[[Any], Any]) -> AsyncIterator[Any]:
    pki = ensure_pki(it.api.data_dir / "pki", addresses=())
    pair = pki.clients["apiserver"]
    credentials = grpc.ssl_channel_credentials(pki.authority.node_trust, pair.key, pair.certificate)
    options = [("grpc.ssl_target_name_override", node_server_name("n1"))]
    async with grpc.aio.secure_channel("10.99.0.1:7445", credentials, options=options) as channel:
        yield make_stub(channel)
