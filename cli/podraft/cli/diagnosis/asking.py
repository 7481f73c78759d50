"""Asking every server for its diagnosis.

Owns: which addresses are asked, and how the difference between clocks is measured.

Invariant: each server is asked by itself, under its own address, and none for longer than
``_SERVER_S``; one that does not answer is a finding, not an error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata

from podraft.api.cluster.v1 import diagnosis_pb2, member_pb2
from podraft.api.core.v1 import node_pb2
from podraft.cli.diagnosis.core.findings import Answered, Examination
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from podraft.client.errors import ApiError, UnavailableError

_SERVER_S = 5.0
_CLOCK_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class _Found:
    """The answer from one address."""

    address: str
    listing: member_pb2.ListMembersResponse | None
    answered: Answered | None
    problem: str


async def examine(config: ClusterConfig, *, try_disks: bool) -> Examination:
    """Ask all known servers, and those that they know of."""
    found = await _find(config, config.servers)
    listing = _best([each.listing for each in found])
    known = {each.address for each in found}
    more = [
        address
        for member in (listing.members if listing is not None else ())
        for address in member.api_addresses
        if address not in known
    ]
    found += await _find(config, dict.fromkeys(more))
    servers = _distinct(found)
    if try_disks:
        # One after another: members on one disk would disturb each other's measurement.
        servers = [await _with_disk(config, server) for server in servers]
    nodes, problem = await _nodes(config, servers)
    names = {server.diagnosis.name for server in servers}
    return Examination(
        now_s=time.time(),
        client_version=metadata.version("podraft"),
        listing=listing,
        answered=servers,
        unanswered=[
            (each.address, each.problem)
            for each in found
            if each.answered is None and not _answers_elsewhere(each.address, listing, names)
        ],
        nodes=nodes,
        nodes_problem=problem,
    )


def _best(
    listings: Iterable[member_pb2.ListMembersResponse | None],
) -> member_pb2.ListMembersResponse | None:
    """Return the listing that knows most: the leader's, of the latest term."""
    there = [listing for listing in listings if listing is not None]

    def knowledge(listing: member_pb2.ListMembersResponse) -> tuple[int, bool]:
        return listing.term, listing.answering_id == listing.leader_id

    return max(there, key=knowledge, default=None)


def _answers_elsewhere(
    address: str, listing: member_pb2.ListMembersResponse | None, names: set[str]
) -> bool:
    members = listing.members if listing is not None else ()
    return any(address in each.api_addresses and each.name in names for each in members)


async def _find(config: ClusterConfig, addresses: Iterable[str]) -> list[_Found]:
    return list(await asyncio.gather(*(_ask(config, address) for address in addresses)))


def _distinct(found: Sequence[_Found]) -> list[Answered]:
    """Return each server once, however many addresses it has."""
    servers: dict[tuple[str, int, int], Answered] = {}
    for each in found:
        if each.answered is not None:
            servers.setdefault(_process(each.answered.diagnosis), each.answered)
    return sorted(servers.values(), key=lambda server: server.diagnosis.name)


async def _ask(config: ClusterConfig, address: str) -> _Found:
    listing = None
    try:
        async with (
            asyncio.timeout(_SERVER_S),
            Client(
                replace(config, servers=(address,)), timeout_s=_SERVER_S, learn_servers=False
            ) as client,
        ):
            listing = await client.members.list()
            return _Found(address, listing, await _diagnosed(client, address), "")
    except TimeoutError:
        return _Found(address, listing, None, f"does not answer within {_SERVER_S:g} s")
    except ApiError as error:
        return _Found(address, listing, None, _problem(error))


def _process(diagnosis: diagnosis_pb2.Diagnosis) -> tuple[str, int, int]:
    """Return the identity of the answering server process; one machine may have several."""
    started = diagnosis.started_at
    return diagnosis.name, started.seconds, started.nanos


def _problem(error: ApiError) -> str:
    if isinstance(error, UnavailableError):
        # gRPC repeats the address and adds its own states.
        return error.message.rpartition(": ")[2] or "no answer"
    return error.message


async def _diagnosed(client: Client, address: str) -> Answered:
    """Ask a server several times, as the quickest answer tells its clock best."""
    best: Answered | None = None
    for _ in range(_CLOCK_SAMPLES):
        began_ns, began_s = time.time_ns(), time.perf_counter()
        diagnosis = await client.diagnosis.diagnose()
        taken_ns = int((time.perf_counter() - began_s) * 1e9)
        answered = _answered(address, diagnosis, began_ns, taken_ns)
        if best is None or answered.clock_error_s < best.clock_error_s:
            best = answered
    assert best is not None
    return best


def _answered(
    address: str, diagnosis: diagnosis_pb2.Diagnosis, began_ns: int, taken_ns: int
) -> Answered:
    ahead_ns = (diagnosis.received_unix_ns - began_ns) + (
        diagnosis.sent_unix_ns - began_ns - taken_ns
    )
    way_ns = taken_ns - (diagnosis.sent_unix_ns - diagnosis.received_unix_ns)
    return Answered(address, diagnosis, ahead_ns / 2e9, max(way_ns, 0) / 2e9)


async def _with_disk(config: ClusterConfig, server: Answered) -> Answered:
    try:
        only = replace(config, servers=(server.address,))
        async with Client(only, timeout_s=10.0, learn_servers=False) as client:
            diagnosis = await client.diagnosis.diagnose(try_disk=True)
        # A client that has lost its server turns to another.
        problem = "" if _process(diagnosis) == _process(server.diagnosis) else "it has gone"
    except ApiError as error:
        problem = error.message
    if not problem:
        return replace(server, diagnosis=diagnosis)
    tried = diagnosis_pb2.Diagnosis()
    tried.CopyFrom(server.diagnosis)
    tried.disk.problem = f"cannot be tried: {problem}"
    return replace(server, diagnosis=tried)


async def _nodes(
    config: ClusterConfig, servers: Sequence[Answered]
) -> tuple[list[node_pb2.Node] | None, str]:
    """Return the nodes from a server that can list them, or None and the reason."""
    ready = [server.address for server in servers if not server.diagnosis.unready]
    if not ready:
        return None, "no server takes calls"
    chosen = replace(config, servers=(ready[0],))
    try:
        async with Client(chosen, timeout_s=_SERVER_S) as client:
            return list((await client.nodes.list()).items), ""
    except ApiError as error:
        return None, error.message
