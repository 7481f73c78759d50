"""``podraft-agent``: one process, which makes its machine a node while it runs.

Invariant: stopping the agent, for whatever reason, leaves containers, network and volumes as
they are; the next start finds them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys

from podraft.agent import arguments, cleanup, composition, logs, state_lock
from podraft.agent.arguments import Arguments
from podraft.agent.composition import Anew, StartError
from podraft.agent.node.join import JoinError
from podraft.agent.node.membership import Invitation, Membership
from podraft.agent.node.removal import RemovedError
from podraft.agent.podman import engine
from podraft.agent.podman.core.machine import UnusableMachineError
from podraft.agent.podman.engine import Engine
from podraft.agent.podman.machine import PodmanDirectories
from podraft.agent.podman.service import PodmanStartError
from podraft.agent.state_lock import StateInUseError
from podraft.client.serving import grpc_serving
from podraft.client.serving.descriptors import raise_descriptor_limit
from podraft.client.serving.private_files import UnsafeDirectoryError, make_private_directory

_LOG = logging.getLogger("podraft.agent")

# Errors that a user can fix.
_EXPECTED = (
    JoinError,
    UnusableMachineError,
    StartError,
    PodmanStartError,
    StateInUseError,
    UnsafeDirectoryError,
)


def main() -> None:
    """Run the agent or clean up; on errors that a user can fix, exit with code 1 and one line."""
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


async def _until_signal(given: Arguments) -> None:
    running = asyncio.create_task(run(given))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def run(given: Arguments) -> None:
    """Join the cluster if necessary, then run the agent until cancelled."""
    make_private_directory(given.state_directory)
    with state_lock.held(given.state_directory):
        await _run_with_state(given)


async def _run_with_state(given: Arguments) -> None:
    invitation = Invitation(given.join_server, given.join_token, given.join_token_file)
    membership = Membership(given.state_directory, given.node_name, invitation)
    identity = await membership.identity()
    async with _podman(given) as podman:
        while True:
            removal = ""
            try:
                await composition.run_as(given, membership, identity, podman)
            except* Anew as group:
                _LOG.info("beginning anew: %s", _first(group))
            except* RemovedError as group:
                removal = str(_first(group))
            if removal:
                _LOG.error("%s", removal)
                await membership.join(
                    f"{removal}; what it still runs is ended by `podraft-agent cleanup`"
                )
            identity = membership.stored()


def _podman(given: Arguments) -> contextlib.AbstractAsyncContextManager[Engine]:
    """Return the agent's own Podman, or the one that the user named."""
    if given.podman_socket is not None:
        return engine.provided(given.podman_socket)
    directories = PodmanDirectories.below(given.state_directory, given.image_stores)
    return engine.own(directories, given.image_network_namespace)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
