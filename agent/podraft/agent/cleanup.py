"""``podraft-agent cleanup``: removing the agent and everything of its pods from this machine.

Owns: the order of removal: containers, mounts and namespaces, cgroups, routes
and rules, then the state directory with images and identity.  Runs in the network
namespace that the agent ran in; running it twice is fine.

Invariants: it refuses while the agent runs; only what carries the agent's mark goes: its
own Podman storage, mounts below its state directory, routes with its protocol number, its
two nftables tables.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pyroute2 import IPRoute

from podraft.agent import state_lock
from podraft.agent.network.core import masquerade
from podraft.agent.network.core.layout import ROUTE_PROTOCOL
from podraft.agent.network.core.nft import Batch
from podraft.agent.network.nft import Connection
from podraft.agent.podman import cgroups, engine, machine
from podraft.agent.podman.client import PodmanError
from podraft.agent.podman.core.machine import CGROUP_ROOT, UnusableMachineError
from podraft.agent.podman.machine import PodmanDirectories
from podraft.agent.podman.service import PodmanStartError
from podraft.agent.proxy.core import ruleset
from podraft.agent.state_lock import StateInUseError
from podraft.agent.volumes import manager, mounts

_CGROUPS_WITHIN_S = 5.0
_DIRECTORY_WITHIN_S = 10.0
_REMOVALS_AT_ONCE = 4


def main(arguments: Sequence[str]) -> None:
    """Clean up; exit with code 1 and a one-line message if something remains."""
    parser = argparse.ArgumentParser(
        prog="podraft-agent cleanup",
        description="Remove all pods of this machine and everything that the agent keeps. "
        "Stop the agent first.",
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIRECTORY",
        type=Path,
        default=Path("/var/lib/podraft/agent"),
        help="the agent's state directory (default: %(default)s)",
    )
    directory = parser.parse_args(arguments).state_dir.resolve()
    try:
        clean_up(directory)
    except StateInUseError as error:
        sys.exit(f"podraft-agent cleanup: {error}: stop it first")
    except (OSError, PodmanError, PodmanStartError, UnusableMachineError) as error:
        sys.exit(f"podraft-agent cleanup: {error}")


def clean_up(state_directory: Path) -> None:
    """Remove everything below ``state_directory`` and everything that exists because of it.

    Raises:
        StateInUseError: The agent runs.
        PodmanStartError: Podman cannot be asked to remove the containers.
        PodmanError: A container could not be removed.
        OSError: A mount, cgroup or file could not be removed.
    """
    if state_directory.exists():
        with state_lock.held(state_directory):
            _remove_state(state_directory)
    _remove_routes_and_rules()


def _remove_state(state_directory: Path) -> None:
    if (state_directory / "podman").exists():
        asyncio.run(_remove_containers(state_directory))
    uids = _pod_uids(state_directory)
    _unmount_below(state_directory)
    _remove_cgroups(uids)
    remove_directory(state_directory)


def remove_directory(directory: Path) -> None:
    """Remove a directory with everything that is mounted below it.

    The cleanup of a container's last process runs in parallel: the Podman that conmon calls for
    it mounts the storage once more, perhaps after we have unmounted it.

    Raises:
        OSError: Something remains; the error names it.
    """
    deadline = time.monotonic() + _DIRECTORY_WITHIN_S
    while manager.trees_left([directory]):
        if time.monotonic() > deadline:
            shutil.rmtree(directory)
            return
        time.sleep(0.05)
        _unmount_below(directory)


def _unmount_below(directory: Path) -> None:
    for point in mounts.mounted_below(directory):
        mounts.unmount_all(point)


async def _remove_containers(state_directory: Path) -> None:
    async with engine.own(PodmanDirectories.below(state_directory)) as own:
        slots = asyncio.Semaphore(_REMOVALS_AT_ONCE)

        async def remove(container: str) -> None:
            async with slots:
                await own.podman.remove_container(container)

        containers = await own.podman.list_containers({})
        results = await asyncio.gather(*map(remove, containers), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _pod_uids(state_directory: Path) -> set[str]:
    folders = (state_directory / "pods", state_directory / "namespaces")
    return {entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir()}


def _remove_cgroups(uids: set[str]) -> None:
    """Remove the pods' cgroups; a container's last process may still be ending."""
    facts = machine.detect()
    deadline = time.monotonic() + _CGROUPS_WITHIN_S
    left = {facts.cgroup_parent(uid) for uid in uids}
    while left := {parent for parent in left if not cgroups.remove_cgroups(parent)}:
        if time.monotonic() > deadline:
            raise OSError(f"cgroups in use: {', '.join(sorted(left))}")
        time.sleep(0.02)
    # Pods of another agent on this machine may be in it too: then it stays.
    cgroups.remove_if_empty(CGROUP_ROOT)


def _remove_routes_and_rules() -> None:
    with IPRoute() as route:
        route.flush_routes(proto=ROUTE_PROTOCOL)
    with Connection() as connection:
        for table in (ruleset.TABLE, masquerade.TABLE):
            if connection.has_table(table):
                batch = Batch(table)
                batch.delete_table()
                connection.commit(batch)
