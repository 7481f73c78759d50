"""A channel to the agent as the API server opens it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from integration.agent.agent_world import World


@contextlib.asynccontextmanager
async def agent_channel(it: World, make_stub: Callable[[Any], Any]) -> AsyncIterator[Any]:
    config = it.client.config
    credentials = grpc.ssl_channel_credentials(
        config.certificate_authority, config.client_key, config.client_certificate
    )
    options = [("grpc.ssl_target_name_override", "n1")]
    async with grpc.aio.secure_channel("10.99.0.1:7445", credentials, options=options) as channel:
        yield make_stub(channel)
