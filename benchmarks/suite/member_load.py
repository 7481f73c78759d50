"""Load for the section on members, which starts this as a process of its own.

usage: python -m suite.member_load CONFIG JOB, where JOB is a JSON object; prints a JSON object.
etcd is called in plain text, without reading CONFIG.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from typing import TYPE_CHECKING

import grpc

from podraft.api import kinds
from podraft.api.cluster.v1 import commit_pb2
from podraft.client.calls import writes
from podraft.internal.etcd.v3 import etcd_pb2
from suite.closed_loop import ClosedLoop, Limits
from suite.load import Job, config_map, connection

if TYPE_CHECKING:
    from suite.closed_loop import Unary

    _AsyncUnary = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]

_COMMIT = "/podraft.api.cluster.v1.CommitService/Commit"
_OBJECTS_PER_COMMIT = 100
_COMMITS_AT_ONCE = 4
_PROBES = 4
_PROBE_TIMEOUT_S = 1.0


def etcd_put(_: str, job: Job) -> Job:
    """Put keys as long as podraft's, with values as long as its ConfigMaps'."""
    prefix = f"configmaps/default/{job['prefix']}"
    value = config_map(f"{job['prefix']}-0").SerializeToString() + bytes(job["extra_bytes"])

    def request(index: int) -> bytes:
        key = f"{prefix}-{index}".encode()
        return etcd_pb2.PutRequest(key=key, value=value).SerializeToString()

    with grpc.insecure_channel(job["server"]) as channel:
        method: Unary = channel.unary_unary("/etcdserverpb.KV/Put")
        method(request(0))
        return ClosedLoop(method, request, Limits.of(job)).run(job["clients"])


def etcd_get(_: str, job: Job) -> Job:
    """Get one key, linearizably."""
    put = etcd_pb2.PutRequest(key=b"read", value=bytes(300)).SerializeToString()
    request = etcd_pb2.RangeRequest(key=b"read").SerializeToString()
    with grpc.insecure_channel(job["server"]) as channel:
        puts: Unary = channel.unary_unary("/etcdserverpb.KV/Put")
        puts(put)
        method: Unary = channel.unary_unary("/etcdserverpb.KV/Range")
        return ClosedLoop(method, lambda _: request, Limits.of(job)).run(job["clients"])


def fill(path: str, job: Job) -> Job:
    """Create many ConfigMaps of 1 KiB, a hundred in each transaction."""
    address, credentials, options = connection(path, job)

    def request(index: int) -> bytes:
        commit = commit_pb2.CommitRequest(omit_objects=True)
        for number in range(_OBJECTS_PER_COMMIT):
            obj = config_map(f"{job['prefix']}-{index}-{number}")
            obj.data["filler"] = "x" * 700
            commit.writes.append(writes.create(obj))
        return commit.SerializeToString()

    with grpc.secure_channel(address, credentials, options) as channel:
        method: Unary = channel.unary_unary(_COMMIT)
        limits = Limits(1e9, job["objects"] // _OBJECTS_PER_COMMIT)
        return ClosedLoop(method, request, limits).run(_COMMITS_AT_ONCE)


async def _probe(path: str, job: Job) -> Job:
    """Create objects for some seconds, whatever fails; return when each success came."""
    address, credentials, options = connection(path, job)
    succeeded: list[float] = []
    ends = time.perf_counter() + job["seconds"]
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        method: _AsyncUnary = channel.unary_unary(kinds.CONFIG_MAP.method("Create"))

        async def probe(number: int) -> None:
            index = 0
            while time.perf_counter() < ends:
                index += 1
                obj = config_map(f"{job['prefix']}-{number}-{index}")
                request = kinds.CONFIG_MAP.create_request(config_map=obj).SerializeToString()
                with contextlib.suppress(grpc.aio.AioRpcError):
                    await method(request, timeout=_PROBE_TIMEOUT_S)
                    succeeded.append(time.perf_counter())
                    if len(succeeded) == 10 * _PROBES:
                        print("ready", flush=True)
                await asyncio.sleep(0.005)

        await asyncio.gather(*(probe(number) for number in range(_PROBES)))
    return {"succeeded": succeeded}


def probe(path: str, job: Job) -> Job:
    """Run the probes in an event loop of their own."""
    return asyncio.run(_probe(path, job))


JOBS = {"etcd_put": etcd_put, "etcd_get": etcd_get, "fill": fill, "probe": probe}


def main() -> None:
    """Do the job and print its result."""
    path, text = sys.argv[1:]
    job: Job = json.loads(text)
    print(json.dumps(JOBS[job["job"]](path, job)))


if __name__ == "__main__":
    main()
