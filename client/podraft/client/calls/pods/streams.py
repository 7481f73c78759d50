"""The streams of a pod as gRPC has them: its logs, a command in it, a connection to a port."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from podraft.api import kinds
from podraft.api.core.v1 import pod_streams_pb2
from podraft.client.connecting.connection import Connection


async def logs(
    connection: Connection, request: pod_streams_pb2.StreamPodLogsRequest
) -> AsyncIterator[bytes]:
    """Yield a container's output as it arrives; closing the iterator ends the call."""
    responses = connection.stream(
        f"/{kinds.POD.service}/StreamPodLogs",
        request,
        pod_streams_pb2.StreamPodLogsResponse.FromString,
    )
    async for response in responses:
        yield response.data


async def command(
    connection: Connection, requests: AsyncIterator[pod_streams_pb2.ExecPodRequest]
) -> AsyncIterator[pod_streams_pb2.ExecPodResponse]:
    """Yield what a command in a container writes, and last its exit code."""
    responses = connection.converse(
        f"/{kinds.POD.service}/ExecPod", requests, pod_streams_pb2.ExecPodResponse.FromString
    )
    async with aclosing(responses):
        async for response in responses:
            yield response
            if response.HasField("exit_code"):
                # gRPC fails a call whose input was still on its way when the command ended.
                return


async def port(
    connection: Connection, requests: AsyncIterator[pod_streams_pb2.ForwardPodPortRequest]
) -> AsyncGenerator[pod_streams_pb2.ForwardPodPortResponse, None]:
    """Yield what comes back from a port of a pod, first that it is connected."""
    responses = connection.converse(
        f"/{kinds.POD.service}/ForwardPodPort",
        requests,
        pod_streams_pb2.ForwardPodPortResponse.FromString,
    )
    async with aclosing(responses):
        async for response in responses:
            yield response
