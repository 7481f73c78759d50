"""The parts of the agent that run under one identity, and how they are connected.

Invariant: however a composition ends, containers, network and volumes stay as they are, unless
the cluster has removed this node.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from podraft.agent.arguments import Arguments
from podraft.agent.commands.commands import Commands
from podraft.agent.network.pod_network import PodNetwork
from podraft.agent.node import facts as node_facts
from podraft.agent.node.join import NodeIdentity
from podraft.agent.node.known_servers import KnownServers
from podraft.agent.node.membership import Membership
from podraft.agent.node.registration import Registration
from podraft.agent.node.removal import RemovedError
from podraft.agent.podman.engine import Engine
from podraft.agent.pods.lifecycle.attempts import Runtime
from podraft.agent.pods.lifecycle.exits import ExitWatcher
from podraft.agent.pods.lifecycle.images import Images
from podraft.agent.pods.lifecycle.oom import OutOfMemoryLog
from podraft.agent.pods.lifecycle.starting import Starter
from podraft.agent.pods.lookup import ContainerLookup
from podraft.agent.pods.manager import PodManager
from podraft.agent.pods.node import Node
from podraft.agent.pods.probing.handlers import Handlers
from podraft.agent.pods.probing.probes import ProbeSlots
from podraft.agent.pods.reports.statuses import StatusWriter
from podraft.agent.pods.sandbox.configuration import ConfigurationCache
from podraft.agent.pods.sandbox.ground import Ground
from podraft.agent.proxy.app import ServiceProxy
from podraft.agent.streams import rotation
from podraft.agent.streams.service import NodeAgentService, make_server
from podraft.agent.volumes.manager import VolumeManager
from podraft.client.calls.client import Client
from podraft.client.watching.informer import Informer
from podraft.client.watching.recorder import EventRecorder

_LOG = logging.getLogger("podraft.agent")

# How long pods may take to end once their node has been removed.
_LEAVE_S_MAX = 600.0
_STREAMS_END_WITHIN_S = 0.5


class StartError(Exception):
    """The agent cannot start; the message says why."""


class Anew(Exception):  # noqa: N818 - no error: it ends one composition to begin the next
    """A change of what everything is composed of; the message says what changed."""


async def run_as(
    given: Arguments, membership: Membership, identity: NodeIdentity, engine: Engine
) -> None:
    """Run everything that talks to the cluster under one identity, until cancelled.

    Raises:
        Anew: In a group: the identity, or something that follows from it, has changed.
        RemovedError: In a group: the cluster has removed this node; its pods were ended.
        StartError: In a group or alone: something prevents the start.
        PodmanStartError: Podman no longer answers.
    """
    async with contextlib.AsyncExitStack() as stack:
        servers = KnownServers(given.state_directory, given.node_name, given.server)
        client = await stack.enter_async_context(Client(identity.config(servers.all())))
        client.on_servers(servers.save)
        network = PodNetwork(given.state_directory)
        stack.push_async_callback(network.close)
        network_problem = "the control plane has not assigned the node a pod network yet"

        async def not_ready() -> str:
            if not await engine.podman.ping():
                return "Podman does not answer"
            return network_problem

        recorder = EventRecorder(client, controller="podraft/agent", instance=given.node_name)
        facts = node_facts.read(
            given.node_name,
            given.node_ip,
            given.state_directory,
            await engine.version(),
            _version(),
        )
        registration = Registration(
            client, facts, given.state_directory, not_ready, given.port, recorder
        )
        await registration.register()
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            group.create_task(registration.run())
            group.create_task(_renew_identity(membership, identity, client))
            pod_cidr = await registration.pod_cidr()
            await network.configure(pod_cidr, given.node_ip)
            network_problem = ""
            registration.check_now()
            group.create_task(ServiceProxy(client, pod_cidr, given.node_ip).run())
            group.create_task(_renew_network(registration, pod_cidr))
            pods = _compose_pods(given, client, engine, network, recorder, stack)
            for work in pods.works:
                group.create_task(work)
            await _serve_streams(given, identity, pods.lookup, stack)
            group.create_task(_leave_when_removed(registration, pods.manager))


@dataclass(frozen=True, slots=True)
class _Pods:
    """The parts that run pods, and their continuous work."""

    manager: PodManager
    lookup: ContainerLookup
    works: tuple[Coroutine[Any, Any, None], ...]


def _compose_pods(
    given: Arguments,
    client: Client,
    engine: Engine,
    network: PodNetwork,
    recorder: EventRecorder,
    stack: contextlib.AsyncExitStack,
) -> _Pods:
    handlers = Handlers(Commands(engine.podman, engine.runtime))
    stack.push_async_callback(handlers.close)
    runtime = Runtime(engine.podman, ExitWatcher(), OutOfMemoryLog())
    stack.callback(runtime.exits.close)
    stack.callback(runtime.out_of_memory.close)
    services = Informer(
        client.services, indexes={"namespace": lambda service: (service.metadata.namespace,)}
    )
    pods = Informer(client.pods, field_selector=f"spec.nodeName={given.node_name}")
    configuration = ConfigurationCache(client, lambda uid: manager.configuration_changed(uid))
    stack.push_async_callback(configuration.close)
    volumes = VolumeManager(given.state_directory, given.node_name)
    ground = Ground(given.node_name, given.node_ip, engine.facts, network, volumes, configuration)
    node = Node(
        ground=ground,
        runtime=runtime,
        starter=Starter(engine.podman, ground, services),
        images=Images(engine.podman),
        probes=ProbeSlots(handlers),
        statuses=StatusWriter(client),
        recorder=recorder,
    )
    manager = PodManager(node, pods)
    lookup = ContainerLookup(manager, volumes, network.attachments)
    works = (
        services.run(),
        pods.run(),
        node.statuses.run(),
        manager.run(),
        rotation.keep_all_bounded(lookup.open_logs),
        _resync_after_restarts(engine, manager),
    )
    return _Pods(manager, lookup, works)


async def _serve_streams(
    given: Arguments,
    identity: NodeIdentity,
    lookup: ContainerLookup,
    stack: contextlib.AsyncExitStack,
) -> None:
    service = NodeAgentService(lookup)
    address = f"0.0.0.0:{given.port}"
    try:
        server = make_server(
            service, identity.certificate, identity.key, identity.authority, address
        )
    except RuntimeError as error:
        raise StartError(f"cannot listen on port {given.port}: it is in use") from error
    await server.start()
    stack.push_async_callback(server.stop, _STREAMS_END_WITHIN_S)
    service.connections.start((given.port,))
    stack.push_async_callback(service.connections.stop)
    _LOG.info("node %s (%s) is up", given.node_name, given.node_ip)


async def _resync_after_restarts(engine: Engine, manager: PodManager) -> None:
    """Look at all containers whenever Podman's service was away, if the agent owns that service."""
    service = engine.service
    while service is not None:
        await service.went_away()
        await service.answers.wait()
        manager.resync_soon()


async def _leave_when_removed(registration: Registration, manager: PodManager) -> None:
    """End the pods of a node that was removed: others run in their place."""
    why = await registration.removed()
    _LOG.error("ending all pods: %s", why)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LEAVE_S_MAX):
            await manager.end_all()
    raise RemovedError(why)


async def _renew_identity(membership: Membership, identity: NodeIdentity, client: Client) -> None:
    await membership.renewed(identity, client)
    raise Anew("the node's certificate was renewed")


async def _renew_network(registration: Registration, pod_cidr: str) -> None:
    """Begin anew with other addresses: a Node registered anew may be assigned different ones."""
    other = await registration.pod_cidr(other_than=pod_cidr)
    raise Anew(f"the node's pod network is {other} now")


def _version() -> str:
    try:
        return version("podraft")
    except PackageNotFoundError:
        return "0"
