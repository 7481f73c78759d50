"""A load generator, which the sections start: one process, many concurrent clients.

usage: python -m suite.load CONFIG JOB, where JOB is a JSON object; prints a JSON object.

Requests are encoded once per shape and sent as bytes, so that the generator
takes as little as possible of the machine that it shares with the server.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from podraft.api import kinds
from podraft.api.core.v1 import config_map_service_pb2, config_pb2, pod_pb2
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.request_ids import write_options
from podraft.client.connecting import config as client_config
from suite.closed_loop import ClosedLoop, Limits

if TYPE_CHECKING:
    _Unary = grpc.UnaryUnaryMultiCallable[bytes, bytes]
    _AsyncUnary = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
    _WatchCall = grpc.aio.UnaryStreamMultiCallable[
        bytes, config_map_service_pb2.WatchConfigMapsResponse
    ]

Job = dict[str, Any]


def connection(path: str, job: Job) -> tuple[str, grpc.ChannelCredentials, list[tuple[str, Any]]]:
    """Return the address, credentials and options for a channel to the job's server."""
    config = client_config.load(Path(path))
    credentials = grpc.ssl_channel_credentials(
        config.certificate_authority, config.client_key, config.client_certificate
    )
    options: list[tuple[str, Any]] = [
        ("grpc.ssl_target_name_override", config.server_name),
        ("grpc.max_receive_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return job.get("server", config.servers[0]), credentials, options


def config_map(name: str) -> config_pb2.ConfigMap:
    """Return a small ConfigMap, about 300 bytes."""
    result = config_pb2.ConfigMap()
    result.metadata.name, result.metadata.namespace = name, "default"
    result.metadata.labels["app"] = "bench"
    result.data["settings.ini"] = "key = value\n" * 16
    return result


def pod(name: str) -> pod_pb2.Pod:
    """Return a typical pod: a container with ports, environment, requests and probes."""
    result = pod_pb2.Pod()
    result.metadata.name, result.metadata.namespace = name, "default"
    result.metadata.labels.update({"app": "bench", "tier": "web"})
    container = result.spec.containers.add()
    container.name, container.image = "web", "registry.example/web:1.4"
    container.ports.add(name="http", container_port=8080)
    container.env.add(name="MODE", value="production")
    container.resources.requests["cpu"].string = "10m"
    container.resources.requests["memory"].string = "16Mi"
    container.readiness_probe.handler.http_get.path = "/healthz"
    container.readiness_probe.handler.http_get.port.type = 1
    container.readiness_probe.handler.http_get.port.str_val = "http"
    return result


def _create_request(kind: kinds.AnyKind, name: str) -> bytes:
    obj = config_map(name) if kind is kinds.CONFIG_MAP else pod(name)
    # Encode it as the SDK does.
    options = write_options()
    return kind.create_request(**{kind.field: obj, "options": options}).SerializeToString()


def create(path: str, job: Job) -> Job:
    """Create objects as fast as the server answers."""
    kind = kinds.POD if job["kind"] == "Pod" else kinds.CONFIG_MAP
    prefix = job["prefix"]
    address, credentials, options = connection(path, job)
    with grpc.secure_channel(address, credentials, options) as channel:
        method: _Unary = channel.unary_unary(kind.method("Create"))
        method(_create_request(kind, f"{prefix}-0"))
        loop = ClosedLoop(
            method, lambda index: _create_request(kind, f"{prefix}-{index}"), Limits.of(job)
        )
        return loop.run(job["clients"])


def get(path: str, job: Job) -> Job:
    """Create one ConfigMap, then get it as fast as the server answers."""
    kind, name = kinds.CONFIG_MAP, job["prefix"]
    address, credentials, options = connection(path, job)
    request = requests_pb2.GetRequest(namespace="default", name=name).SerializeToString()
    with grpc.secure_channel(address, credentials, options) as channel:
        creates: _Unary = channel.unary_unary(kind.method("Create"))
        creates(_create_request(kind, name))
        gets: _Unary = channel.unary_unary(kind.method("Get"))
        return ClosedLoop(gets, lambda _: request, Limits.of(job)).run(job["clients"])


async def list_pods(channel: grpc.aio.Channel, job: Job) -> Job:
    """List and decode all pods, again and again."""
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, pod_pb2.PodList] = channel.unary_unary(
        kinds.POD.method("List"), response_deserializer=pod_pb2.PodList.FromString
    )
    request = requests_pb2.ListRequest(namespace="default").SerializeToString()
    latencies = []
    for _ in range(job["times"]):
        started = time.perf_counter()
        response = await method(request)
        latencies.append(time.perf_counter() - started)
    return {"latencies": latencies, "items": len(response.items)}


async def watch(channel: grpc.aio.Channel, job: Job) -> Job:
    """Watch ConfigMaps as several watchers; measure delays from the time in each object's data."""
    method: _WatchCall = channel.unary_stream(
        kinds.CONFIG_MAP.method("Watch"),
        response_deserializer=config_map_service_pb2.WatchConfigMapsResponse.FromString,
    )
    request = requests_pb2.WatchRequest(namespace="default").SerializeToString()
    latencies: list[float] = []
    synced = 0

    async def watcher() -> None:
        nonlocal synced
        seen, counted = 0, False
        async for response in method(request):
            now = time.perf_counter()
            for event in response.events:
                if event.type == requests_pb2.WATCH_EVENT_TYPE_BOOKMARK and not counted:
                    synced, counted = synced + 1, True
                    if synced == job["watchers"]:
                        print("ready", flush=True)
                elif sent := event.object.data.get("sent"):
                    latencies.append(now - float(sent))
                    seen += 1
            if seen >= job["events"]:
                return

    await asyncio.gather(*(watcher() for _ in range(job["watchers"])))
    return {"latencies": latencies}


async def tick(channel: grpc.aio.Channel, job: Job) -> Job:
    """Create ConfigMaps at a fixed rate, each with the time of its sending."""
    method: _AsyncUnary = channel.unary_unary(kinds.CONFIG_MAP.method("Create"))
    begin = time.perf_counter()
    for index in range(job["events"]):
        await asyncio.sleep(max(0.0, begin + index / job["rate"] - time.perf_counter()))
        obj = config_map(f"tick-{index}")
        obj.data["sent"] = repr(time.perf_counter())
        request = kinds.CONFIG_MAP.create_request(config_map=obj)
        await method(request.SerializeToString())
    return {}


CLOSED_LOOPS = {"create": create, "get": get}
JOBS = {"list": list_pods, "watch": watch, "tick": tick}


async def _run(path: str, job: Job) -> Job:
    address, credentials, options = connection(path, job)
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        return await JOBS[job["job"]](channel, job)


def main() -> None:
    """Do the job and print its result."""
    path, text = sys.argv[1:]
    job: Job = json.loads(text)
    loop = CLOSED_LOOPS.get(job["job"])
    result = loop(path, job) if loop is not None else asyncio.run(_run(path, job))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
