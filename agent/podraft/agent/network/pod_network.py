"""Pods' attachment to the node's network.

Owns ``<state_directory>/namespaces/<pod uid>/``: the pinned namespaces ``net``, ``ipc`` and
``uts``, and ``attachment.json``, which is written last, by a rename.

Invariant: an attachment is complete or it is not reported. A folder without the file is
half-made: it is removed and made again; a file without a link is wired again with the same
address. Nothing is known only in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TypeVar

from podraft.agent.network import namespaces
from podraft.agent.network.core import addresses, layout, masquerade
from podraft.agent.network.core.errors import NotConfiguredError
from podraft.agent.network.core.layout import NodeFacts, PodLink
from podraft.agent.network.links import NodeLinks
from podraft.agent.network.nft import Connection
from podraft.client.serving.private_files import write_private

_MARKER = "attachment.json"

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A pod's namespaces, as its containers find them, and the pod's address."""

    net_path: str
    ipc_path: str
    uts_path: str
    address: str


@dataclass(frozen=True, slots=True)
class _Record:
    """The record of what is pinned for one pod."""

    directory: Path
    address: IPv4Address
    host_network: bool

    @property
    def attachment(self) -> Attachment:
        return Attachment(
            net_path=str(self.directory / "net"),
            ipc_path=str(self.directory / "ipc"),
            uts_path=str(self.directory / "uts"),
            address=str(self.address),
        )


class PodNetwork:
    """A network that attaches pods to the namespace it is used in.

    Every method is idempotent and safe to call at any time; all of them run one after another in
    one thread, which stays in the network namespace of the thread that first called `configure`.
    """

    def __init__(self, state_directory: Path) -> None:
        self._directory = state_directory / "namespaces"
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="network")
        self._worker: _Worker | None = None
        self._closed = threading.Event()

    async def configure(
        self,
        pod_cidr: str,
        node_ip: str,
        *,
        cluster_cidr: str | None = None,
        mtu: int | None = None,
    ) -> None:
        """Prepare the node, find what earlier runs pinned, repair or remove what is broken.

        ``cluster_cidr`` holds the pod networks of all nodes (by default there is only this
        node's); ``mtu`` is by default that of the interface that has the node's address.

        Raises:
            InvalidNetworkError: The network or the address cannot be used on this node.
            KernelError: The kernel refused.
        """
        pool = addresses.parse_pool(pod_cidr)
        cluster = addresses.parse_pool(cluster_cidr or pod_cidr).network
        address = addresses.parse_address(node_ip)

        def start() -> _Worker:
            if self._worker is not None:
                self._worker.close()
            return _Worker(self._directory, pool, cluster, address, mtu)

        self._worker = await self._run(start)

    async def attach(self, pod_uid: str, hostname: str, *, host_network: bool) -> Attachment:
        """Return the pod's attachment, making it if necessary.

        Raises:
            AddressesExhaustedError: The node has no address left.
            InvalidNetworkError: The uid or the host name cannot be used.
            KernelError: The kernel refused; nothing of the pod is left.
            NotConfiguredError: `configure` has not succeeded yet.
        """
        layout.check_pod_uid(pod_uid)
        layout.check_hostname(hostname)
        worker = self._configured()
        return await self._run(lambda: worker.attach(pod_uid, hostname, host_network=host_network))

    async def detach(self, pod_uid: str) -> None:
        """Release everything of a pod; do nothing if there is nothing."""
        layout.check_pod_uid(pod_uid)
        worker = self._configured()
        await self._run(lambda: worker.detach(pod_uid))

    async def attachments(self) -> Mapping[str, Attachment]:
        """Return the complete attachments by pod uid, as they are pinned now."""
        worker = self._configured()
        return await self._run(worker.attachments)

    async def close(self) -> None:
        """End the thread; attachments remain."""
        if not self._closed.is_set():
            self._closed.set()
            if self._worker is not None:
                await asyncio.wrap_future(self._executor.submit(self._worker.close))
            self._executor.shutdown(wait=False)

    def _configured(self) -> _Worker:
        if self._worker is None:
            raise NotConfiguredError("the pod network is not configured yet")
        return self._worker

    async def _run(self, work: Callable[[], ResultT]) -> ResultT:
        # Shielded: a cancelled caller must not leave its step unrecorded.
        return await asyncio.shield(asyncio.wrap_future(self._executor.submit(work)))


class _Worker:
    """The blocking side of `PodNetwork`; lives in its thread."""

    def __init__(
        self,
        directory: Path,
        pool: addresses.AddressPool,
        cluster_network: IPv4Network,
        node_address: IPv4Address,
        mtu: int | None,
    ) -> None:
        self._directory = directory
        self._pool = pool
        self._links = NodeLinks()
        try:
            self._facts = NodeFacts(
                pod_network=pool.network,
                address=node_address,
                mtu=mtu or self._links.node_mtu(node_address),
            )
            self._links.prepare_node(self._facts)
            with Connection() as connection:
                connection.commit(masquerade.ruleset(pool.network, cluster_network))
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._records = self._recover()
        except BaseException:
            self._links.close()
            raise
        self._last_address = self._newest_address()

    def close(self) -> None:
        self._links.close()

    def attachments(self) -> dict[str, Attachment]:
        return {uid: record.attachment for uid, record in self._records.items()}

    def attach(self, pod_uid: str, hostname: str, *, host_network: bool) -> Attachment:
        record = self._records.get(pod_uid)
        if record is not None and self._intact(record):
            return record.attachment
        self.detach(pod_uid)
        try:
            record = self._make(pod_uid, hostname, host_network=host_network)
        except BaseException:
            self.detach(pod_uid)
            raise
        self._records[pod_uid] = record
        return record.attachment

    def detach(self, pod_uid: str) -> None:
        """Release a pod's namespaces; the kernel then removes the link that ends in them.

        Removing the link ourselves would hold up every other pod for 30 ms; the kernel removes
        those of many pods together. The pod's route goes first and at once.
        """
        record = self._records.get(pod_uid)
        if record is not None and not record.host_network:
            self._links.unroute_pod(PodLink(pod_uid, record.address))
        directory = self._directory / pod_uid
        # The marker goes first: if the rest is interrupted, the attachment counts as half-made.
        with contextlib.suppress(FileNotFoundError):
            (directory / _MARKER).unlink()
        namespaces.release(directory)
        with contextlib.suppress(FileNotFoundError):
            for rest in directory.iterdir():
                rest.unlink()
            directory.rmdir()
        self._records.pop(pod_uid, None)

    def _make(self, pod_uid: str, hostname: str, *, host_network: bool) -> _Record:
        directory = self._directory / pod_uid
        directory.mkdir(mode=0o700)
        if host_network:
            address = self._facts.address
        else:
            used = {r.address for r in self._records.values() if not r.host_network}
            address = self._pool.allocate(used, self._last_address)
            self._last_address = address
        namespaces.pin(directory, hostname, host_network=host_network)
        if not host_network:
            self._links.wire(self._facts, PodLink(pod_uid, address), directory / "net")
        record = _Record(directory, address, host_network)
        _write_marker(record)
        return record

    def _intact(self, record: _Record) -> bool:
        """Return whether a recorded attachment still holds, rewiring its link if that is gone."""
        if not namespaces.is_pinned(record.directory):
            return False
        if not record.host_network:
            pod = PodLink(record.directory.name, record.address)
            if not self._links.exists(pod):
                self._links.wire(self._facts, pod, record.directory / "net")
        return True

    def _recover(self) -> dict[str, _Record]:
        """Read what is pinned; rewire attachments without a link, remove incomplete ones."""
        self._records = {}
        for directory in sorted(self._directory.iterdir()):
            record = _read_marker(directory)
            if record is None or not self._usable(record):
                self.detach(directory.name)
                continue
            if not record.host_network:
                pod = PodLink(directory.name, record.address)
                if self._links.exists(pod):
                    self._links.route_pod(self._facts, pod)  # The node's address may have changed.
                else:
                    self._links.wire(self._facts, pod, directory / "net")
            self._records[directory.name] = record
        return self._records

    def _usable(self, record: _Record) -> bool:
        if not namespaces.is_pinned(record.directory):
            return False  # The machine was restarted: the file outlived the mounts.
        if record.host_network:
            return record.address == self._facts.address
        return self._pool.contains(record.address)

    def _newest_address(self) -> IPv4Address | None:
        pods = [record for record in self._records.values() if not record.host_network]
        if not pods:
            return None
        return max(pods, key=lambda r: (r.directory / _MARKER).stat().st_mtime_ns).address


def _write_marker(record: _Record) -> None:
    content = {"address": str(record.address), "hostNetwork": record.host_network}
    write_private(record.directory / _MARKER, json.dumps(content).encode(), durable=False)


def _read_marker(directory: Path) -> _Record | None:
    try:
        content = json.loads((directory / _MARKER).read_text())
        address = IPv4Address(content["address"])
        host_network = content["hostNetwork"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _Record(directory, address, host_network) if isinstance(host_network, bool) else None
