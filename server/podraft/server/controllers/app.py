"""The controllers as a process: one of several is the leader and runs them.

Owns: composing client, recorder, manager and election.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import replace
from typing import Final

from podraft.api.core.v1 import namespace_pb2
from podraft.api.kinds import KnownKinds
from podraft.api.objects import well_known
from podraft.client.backoff import Backoff
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from podraft.client.errors import AlreadyExistsError, ApiError
from podraft.client.watching.leader import ElectionOptions, LeaderElector, LeadershipLostError
from podraft.client.watching.recorder import EventRecorder
from podraft.server.controllers.core.controller import ControllerOptions
from podraft.server.controllers.definitions import Definitions
from podraft.server.controllers.every import controllers
from podraft.server.controllers.manager import Manager

# Definitions often come several at once.
_PAUSE_S: Final = 0.2
_LOG = logging.getLogger(__name__)


async def run(
    config: ClusterConfig,
    known: KnownKinds,
    options: ControllerOptions | None = None,
    *,
    pod_cidr: str | None = None,
    node_cidr_mask: int | None = None,
) -> None:
    """Run the controllers whenever this process leads, until cancelled.

    ``pod_cidr`` and ``node_cidr_mask`` take precedence over the same in ``options``.

    The default identity is the host with the server's address: a process that is started
    again in the place of a killed one leads at once.
    """
    options = options or ControllerOptions()
    if pod_cidr is not None:
        options = replace(options, pod_cidr=pod_cidr)
    if node_cidr_mask is not None:
        options = replace(options, node_prefix=node_cidr_mask)
    identity = options.identity or f"{socket.gethostname()}/{config.servers[0]}"
    election = ElectionOptions(options.lease_name, identity, well_known.SYSTEM_NAMESPACE)
    async with Client(config) as client:
        await _ensure_namespace(client)
        while True:
            try:
                await LeaderElector(client.leases, election).run(
                    lambda: _lead(client, identity, options, known)
                )
            except LeadershipLostError as error:
                _LOG.warning("%s; standing for election again", error)


async def _lead(
    client: Client, identity: str, options: ControllerOptions, known: KnownKinds
) -> None:
    """Run the controllers; anew with the kinds that are declared then, whenever these change."""
    while True:
        definitions = await Definitions.read(client)
        present = definitions.known(known)
        recorder = EventRecorder(client, controller="podraft/controllers", instance=identity)
        manager = Manager(client, controllers(options, present), recorder, present)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(recorder.run(), name="event recorder"),
                group.create_task(manager.run(), name="controllers"),
            ]
            await definitions.changed(client)
            for task in tasks:
                task.cancel()
        _LOG.info("other kinds are declared: the controllers begin again")
        await asyncio.sleep(_PAUSE_S)


async def _ensure_namespace(client: Client) -> None:
    """Create the namespace of the election's Lease; wait for a server as long as it takes."""
    namespace = namespace_pb2.Namespace()
    namespace.metadata.name = well_known.SYSTEM_NAMESPACE
    backoff = Backoff(max_s=2.0)
    while True:
        try:
            await client.namespaces.create(namespace)
            return
        except AlreadyExistsError:
            return
        except ApiError as error:
            _LOG.info("waiting for the API server: %s", error)
            await asyncio.sleep(backoff.next_pause_s())
