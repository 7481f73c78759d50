"""The service proxy of one node: it watches, decides and programs the kernel.

Changes only mark a service; what is programmed is derived from the informers' copies when the
service's turn comes, so that any number of changes within a few milliseconds is one transaction.

Invariant: the core's table and the kernel's are the same, or ``_intact`` is false and the
kernel's is written anew. When the proxy stops, the kernel's table stays and keeps working.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address
from typing import Protocol, TypeVar

from podraft.agent.network.conntrack import TrackedFlow, forget_flows, node_addresses
from podraft.agent.network.core.addresses import parse_address, parse_pool
from podraft.agent.network.core.errors import KernelError
from podraft.agent.network.nft import NftError
from podraft.agent.proxy.core.flows import FLOW_PROTOCOLS, Flow, StaleFlow, StaleFlows
from podraft.agent.proxy.core.frontends import (
    Endpoint,
    Frontends,
    ServiceKey,
    frontends_of,
    service_key,
    slice_owner,
)
from podraft.agent.proxy.core.table import Changes, ServiceTable
from podraft.agent.proxy.kernel import ProxyKernel
from podraft.api.core.v1.service_pb2 import Service
from podraft.api.discovery.v1.endpoint_slice_pb2 import EndpointSlice
from podraft.client.calls.following import Watchable
from podraft.client.watching.informer import Informer

_LOG = logging.getLogger(__name__)

COALESCE_S = 0.004
CHECK_INTERVAL_S = 5.0
_RETRY_FIRST_S = 0.1
_RETRY_MAX_S = 10.0
_OWNER_INDEX = "service"

ResultT = TypeVar("ResultT")


class ServiceClient(Protocol):
    """The part of the SDK's client that the proxy needs."""

    @property
    def services(self) -> Watchable[Service]:
        """Services of all namespaces."""

    @property
    def endpoint_slices(self) -> Watchable[EndpointSlice]:
        """Endpoint slices of all namespaces."""


class ServiceProxy:
    """A proxy that keeps the node's nf_tables in step with services and endpoint slices.

    Raises:
        InvalidNetworkError: The pod network or the node's address is malformed.
    """

    def __init__(self, client: ServiceClient, pod_cidr: str, node_ip: str) -> None:
        self._pod_network = parse_pool(pod_cidr).network
        self._node_address = parse_address(node_ip)
        self._services: Informer[Service] = Informer(client.services)
        self._slices: Informer[EndpointSlice] = Informer(
            client.endpoint_slices, indexes={_OWNER_INDEX: _owner_index}
        )
        self._table = ServiceTable(self._pod_network)
        self._dirty: set[ServiceKey] = set()
        self._wake = asyncio.Event()
        self._stale_flows: set[StaleFlow] = set()
        self._flows_wake = asyncio.Event()
        self._looked_at_all_flows = False
        # Addresses that the node may have no route to.
        self._unrouted: set[IPv4Address] = set()
        self._intact = False
        self._retry_s = _RETRY_FIRST_S
        self._programmed = asyncio.Event()

    async def programmed(self) -> None:
        """Wait until the table has been written for the first time."""
        await self._programmed.wait()

    async def run(self) -> None:
        """Program the kernel until cancelled; the table stays.

        Call it in the node's network namespace.
        """
        self._services.add_handler(self._service_changed)
        self._slices.add_handler(self._slice_changed)
        with (
            ThreadPoolExecutor(1, thread_name_prefix="proxy") as executor,
            ThreadPoolExecutor(1, thread_name_prefix="conntrack") as flow_executor,
        ):
            kernel = await _in(executor, self._open)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._services.run())
                    tasks.create_task(self._slices.run())
                    tasks.create_task(self._forget_flows(flow_executor))
                    await self._services.synced()
                    await self._slices.synced()
                    while True:
                        await self._round(kernel, executor)
                        await self._next_change()
            finally:
                executor.submit(kernel.close)

    def _open(self) -> ProxyKernel:
        return ProxyKernel(self._pod_network, self._node_address)

    async def _round(self, kernel: ProxyKernel, executor: ThreadPoolExecutor) -> None:
        """Bring the kernel to the state that is wanted now, in one transaction."""
        changed = {key: self._wanted(key) for key in self._dirty}
        self._dirty.clear()
        changes = self._table.update(changed)
        self._unrouted.update(_addresses(changed.values()))
        try:
            if self._intact and not changed:
                await self._check(kernel, executor)
            if self._intact and changes.operations:
                await self._apply(kernel, executor, changes)
            if not self._intact:
                operations = self._table.rebuild()
                await _in(executor, partial(kernel.replace, operations))
                self._intact = True
            await _in(executor, partial(kernel.ensure_routes, set(self._unrouted)))
            self._unrouted.clear()
            self._retry_s = _RETRY_FIRST_S
            self._programmed.set()
        except KernelError as error:
            _LOG.warning("services are not up to date on this node: %s", error)
            self._intact = False
        self._stale_flows.update(changes.stale_flows)
        if self._intact and (self._stale_flows or not self._looked_at_all_flows):
            self._flows_wake.set()

    async def _check(self, kernel: ProxyKernel, executor: ThreadPoolExecutor) -> None:
        self._intact = await _in(executor, partial(kernel.is_intact, self._table))
        if not self._intact:
            _LOG.warning("somebody changed the table of services; writing it anew")

    async def _apply(
        self, kernel: ProxyKernel, executor: ThreadPoolExecutor, changes: Changes
    ) -> None:
        try:
            await _in(executor, partial(kernel.apply, changes.operations))
        except NftError as error:
            # Nothing had changed, so the table was not as we left it: write it anew.
            _LOG.warning("changing the table of services failed, writing it anew: %s", error)
            self._intact = False

    async def _next_change(self) -> None:
        """Wait for changes, and a little longer for others that come with them."""
        if not self._intact:
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(self._retry_s * 2, _RETRY_MAX_S)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHECK_INTERVAL_S):
                await self._wake.wait()
                await asyncio.sleep(COALESCE_S)
        self._wake.clear()

    async def _forget_flows(self, executor: ThreadPoolExecutor) -> None:
        while True:
            await self._flows_wake.wait()
            self._flows_wake.clear()
            changed = tuple(self._stale_flows)
            self._stale_flows.clear()
            # Nobody has noted what changed before this proxy ran.
            offered = None if self._looked_at_all_flows else self._table.offered
            try:
                await _in(executor, partial(_forget, StaleFlows(changed, offered)))
                self._looked_at_all_flows = True
            except KernelError as error:
                _LOG.warning("cannot forget stale flows, trying again: %s", error)
                self._stale_flows.update(changed)
                await asyncio.sleep(CHECK_INTERVAL_S)
                self._flows_wake.set()

    def _wanted(self, key: ServiceKey) -> Frontends:
        service = self._services.get(key.name, key.namespace)
        return frontends_of(service, self._slices.by_index(_OWNER_INDEX, _index_value(key)))

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        for service in (old, new):
            if service is not None:
                self._mark(service_key(service))

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for endpoint_slice in (old, new):
            if endpoint_slice is not None and (owner := slice_owner(endpoint_slice)):
                self._mark(owner)

    def _mark(self, key: ServiceKey) -> None:
        self._dirty.add(key)
        self._wake.set()


def _forget(stale: StaleFlows) -> None:
    own = node_addresses()

    def is_stale(flow: TrackedFlow) -> bool:
        destination = Endpoint(flow.destination, flow.port)
        answered_by = Endpoint(flow.answered_by, flow.answering_port)
        return stale.holds(Flow(flow.protocol, destination, answered_by), own)

    forget_flows(FLOW_PROTOCOLS, is_stale)


def _addresses(services: Iterable[Frontends]) -> Iterator[IPv4Address]:
    for frontends in services:
        for frontend in frontends:
            if frontend.address is not None:
                yield frontend.address


def _owner_index(endpoint_slice: EndpointSlice) -> Iterable[str]:
    owner = slice_owner(endpoint_slice)
    return () if owner is None else (_index_value(owner),)


def _index_value(key: ServiceKey) -> str:
    return f"{key.namespace}/{key.name}"


async def _in(executor: ThreadPoolExecutor, work: Callable[[], ResultT]) -> ResultT:
    return await asyncio.wrap_future(executor.submit(work))
