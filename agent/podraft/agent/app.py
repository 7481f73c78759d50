"""``podraft-agent``: composes the parts of the agent and runs them until it is told to stop.

Invariant: stopping the agent, for whatever reason, leaves containers, network and
volumes as they are; starting it finds them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from podraft.agent import arguments, cleanup, logs, state_lock
from podraft.agent.arguments import Arguments
from podraft.agent.commands.commands import Commands
from podraft.agent.network.pod_network import PodNetwork
from podraft.agent.node import facts as node_facts
from podraft.agent.node import join
from podraft.agent.node.core.status import NodeFacts
from podraft.agent.node.join import IdentityStore, JoinError, NodeIdentity
from podraft.agent.node.known_servers import KnownServers
from podraft.agent.node.registration import Registration
from podraft.agent.node.removal import RemovedError
from podraft.agent.podman import machine
from podraft.agent.podman.client import PodmanClient, PodmanError
from podraft.agent.podman.core.machine import MachineFacts, UnusableMachineError, configuration
from podraft.agent.podman.machine import PodmanDirectories
from podraft.agent.podman.service import PodmanService, PodmanStartError
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
from podraft.agent.state_lock import StateInUseError
from podraft.agent.streams import rotation
from podraft.agent.streams.service import NodeAgentService, make_server
from podraft.agent.volumes.manager import VolumeManager
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError
from podraft.client.serving import grpc_serving
from podraft.client.serving.descriptors import raise_descriptor_limit
from podraft.client.serving.private_files import UnsafeDirectoryError, make_private_directory
from podraft.client.watching.informer import Informer
from podraft.client.watching.recorder import EventRecorder

_log = logging.getLogger("podraft.agent")

_RENEW_CHECK_S = 60.0
# How long pods may take to end once their node was removed.
_LEAVE_S_MAX = 600.0
_VERSION_WITHIN_S = 30.0
_VERSION_RETRY_S = 0.2


class _Anew(Exception):  # noqa: N818 - no error: it ends one composition to begin the next
    """What everything is composed of has changed; the message says what."""


def main() -> None:
    """Run the agent, or clean up; exit code 1 and one line on what a user can mend."""
    if os.geteuid() != 0 and not {"-h", "--help"} & set(sys.argv):
        sys.exit("podraft-agent: must run as root: it makes network namespaces and mounts")
    if sys.argv[1:2] == ["cleanup"]:
        cleanup.main(sys.argv[2:])
        return
    given = arguments.parse()
    logs.configure(verbose=given.verbose)
    raise_descriptor_limit()
    grpc_serving.prepare()
    try:
        asyncio.run(_until_signal(given))
    except _EXPECTED as error:
        sys.exit(f"podraft-agent: {error}")
    except BaseExceptionGroup as group:
        expected, other = group.split(_EXPECTED)
        if expected is None or other is not None:
            raise
        sys.exit(f"podraft-agent: {_first(expected)}")


class StartError(Exception):
    """The agent cannot start; the message says why."""


_EXPECTED = (
    JoinError,
    UnusableMachineError,
    StartError,
    PodmanStartError,
    StateInUseError,
    UnsafeDirectoryError,
)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _until_signal(given: Arguments) -> None:
    running = asyncio.create_task(run(given))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def run(given: Arguments) -> None:
    """Join if need be, then run the agent until cancelled."""
    make_private_directory(given.state_directory)
    with state_lock.held(given.state_directory):
        await _run_with_state(given)


async def _run_with_state(given: Arguments) -> None:
    store = IdentityStore(given.state_directory)
    identity = await _identity(given, store)
    async with _podman(given) as (podman, service, facts):
        while True:
            removal = ""
            try:
                await _run_as(given, store, identity, podman, service, facts)
            except* _Anew as group:
                _log.info("beginning anew: %s", _first(group))
            except* RemovedError as group:
                removal = str(_first(group))
            if removal:
                _log.error("%s", removal)
                await _join(
                    given,
                    store,
                    f"{removal}; what it still runs is ended by `podraft-agent cleanup`",
                )
            renewed = store.load()
            assert renewed is not None
            identity = renewed


async def _identity(given: Arguments, store: IdentityStore) -> NodeIdentity:
    identity = store.load()
    if identity is not None and not identity.expired:
        if identity.node_name != given.node_name:
            raise JoinError(
                f'this machine has joined as node "{identity.node_name}", not '
                f'"{given.node_name}": pass --node-name {identity.node_name}, or remove '
                f"{given.state_directory / 'identity'} to join anew"
            )
        return identity
    return await _join(
        given,
        store,
        "its certificate has expired" if identity else "this machine has not joined yet",
    )


async def _join(given: Arguments, store: IdentityStore, why: str) -> NodeIdentity:
    """Join with the token that was given.

    Raises:
        JoinError: There is none, or it is not good.
    """
    token = given.join_token
    if given.join_token_file is not None:
        try:
            token = given.join_token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise JoinError(f"cannot read the join token: {error}") from error
    if not token:
        raise JoinError(f"{why}: pass --join-token or --join-token-file")
    _log.info("joining the cluster at %s", given.join_server)
    return await join.join(store, given.join_server, token, given.node_name)


@contextlib.asynccontextmanager
async def _podman(
    given: Arguments,
) -> AsyncIterator[tuple[PodmanClient, PodmanService | None, MachineFacts]]:
    """Provide Podman: the agent's own service, or the one that the user named."""
    facts = machine.detect()
    if given.podman_socket is not None:
        async with PodmanClient(given.podman_socket) as podman:
            if not await podman.ping():
                raise StartError(f"no Podman service answers at {given.podman_socket}")
            yield podman, None, facts
        return
    directories = PodmanDirectories(
        storage=given.state_directory / "podman",
        run=given.state_directory / "podman" / "run",
        image_stores=given.image_stores,
    )
    async with PodmanClient(directories.socket) as podman:
        service = PodmanService(
            directories,
            configuration(facts, directories.storage, directories.run, directories.image_stores),
            podman.ping,
            given.image_network_namespace,
        )
        async with service.running():
            yield podman, service, facts


async def _run_as(
    given: Arguments,
    store: IdentityStore,
    identity: NodeIdentity,
    podman: PodmanClient,
    service: PodmanService | None,
    facts: MachineFacts,
) -> None:
    """Run everything that speaks with the cluster under one identity."""
    async with contextlib.AsyncExitStack() as stack:
        servers = KnownServers(given.state_directory, given.node_name, given.server)
        client = await stack.enter_async_context(Client(identity.config(servers.all())))
        client.on_servers(servers.save)
        network = PodNetwork(given.state_directory)
        stack.push_async_callback(network.close)
        network_problem = "the control plane has not assigned the node a pod network yet"

        async def not_ready() -> str:
            if not await podman.ping():
                return "Podman does not answer"
            return network_problem

        recorder = EventRecorder(client, controller="podraft/agent", instance=given.node_name)
        registration = Registration(
            client,
            await _node_facts(given, podman),
            given.state_directory,
            not_ready,
            given.port,
            recorder,
        )
        await registration.register()
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            group.create_task(registration.run())
            group.create_task(_renew_in_time(store, identity, client))
            pod_cidr = await registration.pod_cidr()
            await network.configure(pod_cidr, given.node_ip)
            network_problem = ""
            registration.check_now()
            group.create_task(ServiceProxy(client, pod_cidr, given.node_ip).run())
            group.create_task(_renew_network(registration, pod_cidr))
            manager = await _run_pods(
                given, identity, client, podman, service, facts, network, recorder, stack, group
            )
            group.create_task(_leave_when_removed(registration, manager))


async def _run_pods(
    given: Arguments,
    identity: NodeIdentity,
    client: Client,
    podman: PodmanClient,
    service: PodmanService | None,
    facts: MachineFacts,
    network: PodNetwork,
    recorder: EventRecorder,
    stack: contextlib.AsyncExitStack,
    group: asyncio.TaskGroup,
) -> PodManager:
    handlers = Handlers(Commands(podman, facts.runtime if service else None))
    stack.push_async_callback(handlers.close)
    exits = ExitWatcher()
    stack.callback(exits.close)
    out_of_memory = OutOfMemoryLog()
    stack.callback(out_of_memory.close)
    services = Informer(
        client.services, indexes={"namespace": lambda service: (service.metadata.namespace,)}
    )
    pods = Informer(client.pods, field_selector=f"spec.nodeName={given.node_name}")
    configuration = ConfigurationCache(client, lambda uid: manager.configuration_changed(uid))
    stack.push_async_callback(configuration.close)
    volumes = VolumeManager(given.state_directory, given.node_name)
    ground = Ground(given.node_name, given.node_ip, facts, network, volumes, configuration)
    node = Node(
        ground=ground,
        runtime=Runtime(podman, exits, out_of_memory),
        starter=Starter(podman, ground, services),
        images=Images(podman),
        probes=ProbeSlots(handlers),
        statuses=StatusWriter(client),
        recorder=recorder,
    )
    manager = PodManager(node, pods)
    lookup = ContainerLookup(manager, volumes)
    for work in (services.run(), pods.run(), node.statuses.run(), manager.run()):
        group.create_task(work)
    group.create_task(_rotate_logs(lookup))
    if service is not None:
        group.create_task(_resync_after_restarts(service, manager))
    await _serve_streams(given, identity, lookup, stack)
    return manager


async def _serve_streams(
    given: Arguments,
    identity: NodeIdentity,
    lookup: ContainerLookup,
    stack: contextlib.AsyncExitStack,
) -> None:
    service = NodeAgentService(lookup)
    try:
        server = make_server(
            service,
            identity.certificate,
            identity.key,
            identity.authority,
            f"0.0.0.0:{given.port}",
        )
    except RuntimeError as error:
        raise StartError(f"cannot listen on port {given.port}: it is in use") from error
    await server.start()
    stack.push_async_callback(server.stop, 0.5)
    service.connections.start((given.port,))
    stack.push_async_callback(service.connections.stop)
    _log.info("node %s (%s) is up", given.node_name, given.node_ip)


async def _rotate_logs(lookup: ContainerLookup) -> None:
    pause_s = rotation.PERIOD_S
    while True:
        await asyncio.sleep(pause_s)
        pause_s = await rotation.keep_bounded(lookup.open_logs())


async def _resync_after_restarts(service: PodmanService, manager: PodManager) -> None:
    """Look at all containers whenever Podman's service was away."""
    while True:
        await service.went_away()
        await service.answers.wait()
        manager.resync_soon()


async def _leave_when_removed(registration: Registration, manager: PodManager) -> None:
    """End the pods of a node that is none any more: others run in their place."""
    why = await registration.removed()
    _log.error("ending all pods: %s", why)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LEAVE_S_MAX):
            await manager.end_all()
    raise RemovedError(why)


async def _renew_in_time(store: IdentityStore, identity: NodeIdentity, client: Client) -> None:
    # A certificate of the older kind is exchanged at once, unless there is no newer kind yet.
    older = identity.is_older
    while True:
        if older or time.time() >= identity.renew_at_s:
            try:
                renewed = await join.renew(store, client)
            except ApiError as error:
                _log.warning("cannot renew the node's certificate: %s", error.message)
            else:
                if not renewed.is_older or not older:
                    raise _Anew("the node's certificate was renewed")
                older = False
        await asyncio.sleep(_RENEW_CHECK_S)


async def _renew_network(registration: Registration, pod_cidr: str) -> None:
    """A Node that was deleted and registered anew may be assigned other addresses."""
    other = await registration.pod_cidr(other_than=pod_cidr)
    raise _Anew(f"the node's pod network is {other} now")


async def _podman_version(podman: PodmanClient) -> str:
    """Return Podman's version; its service may have died since it answered and be back soon."""
    deadline_s = time.monotonic() + _VERSION_WITHIN_S
    while True:
        try:
            return await podman.version()
        except PodmanError as error:
            if time.monotonic() > deadline_s:
                raise StartError(f"Podman's service fails: {error.message}") from error
            await asyncio.sleep(_VERSION_RETRY_S)


async def _node_facts(given: Arguments, podman: PodmanClient) -> NodeFacts:
    podman_version = await _podman_version(podman)
    return node_facts.read(
        given.node_name, given.node_ip, Path(given.state_directory), podman_version, _version()
    )


def _version() -> str:
    try:
        return version("podraft")
    except PackageNotFoundError:
        return "0"


__all__: Sequence[str] = ("main", "run")
