"""The calls of pods.

Owns: what can be done with a pod beyond what can be done with every object.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from typing import IO, Final

from podraft.api import kinds, times
from podraft.api.core.v1 import pod_pb2, pod_streams_pb2
from podraft.client.calls.pods import commands, streams
from podraft.client.calls.pods.commands import ExecResult
from podraft.client.calls.pods.forwarding import PodPort, PortForward
from podraft.client.calls.request_ids import write_options
from podraft.client.calls.resources import ResourceClient
from podraft.client.calls.writes import delete_request

_OUTPUT_BYTES_MAX: Final = 1024 * 1024


class PodClient(ResourceClient[pod_pb2.Pod]):
    """The calls of pods."""

    async def evict(
        self,
        name: str,
        namespace: str,
        *,
        grace_period_seconds: int | None = None,
        uid: str | None = None,
        dry_run: bool = False,
    ) -> pod_pb2.Pod:
        """Delete a pod, if the disruption budget that covers it allows it now.

        Raises:
            NotFoundError: The pod does not exist.
            OverloadedError: The budget has nothing left now.
            FailedPreconditionError: Several budgets cover the pod.

        """
        request = delete_request(
            name, namespace, grace_period_seconds=grace_period_seconds, uid=uid
        )
        options = write_options(dry_run=dry_run)
        request.options.dry_run, request.options.request_id = options.dry_run, options.request_id
        path = f"/{kinds.POD.service}/EvictPod"
        return await self._connection.write(path, request, self._decode)

    def logs(
        self,
        name: str,
        namespace: str,
        *,
        container: str = "",
        follow: bool = False,
        previous: bool = False,
        tail_lines: int | None = None,
        since: datetime | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield a container's output, in pieces as they arrive; closing the iterator ends the call.

        ``container`` may be empty if the pod has only one.  With ``follow`` the output goes on as
        long as the container writes.

        Raises (from the iterator):
            NotFoundError: The pod or the container does not exist.
            UnavailableError: The node's agent cannot be reached.
        """
        request = pod_streams_pb2.StreamPodLogsRequest(
            namespace=namespace,
            name=name,
            container=container,
            follow=follow,
            previous=previous,
            tail_lines=tail_lines,
            timestamps=timestamps,
            limit_bytes=limit_bytes,
        )
        if since is not None:
            request.since_time.CopyFrom(times.time_at(since.timestamp()))
        return streams.logs(self._connection, request)

    async def exec(
        self,
        name: str,
        command: Sequence[str],
        namespace: str,
        *,
        container: str = "",
        stdin: bytes | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        output_bytes_max: int = _OUTPUT_BYTES_MAX,
    ) -> ExecResult:
        """Run a command in a container to its end; no shell is involved.

        What it writes is in the result, up to ``output_bytes_max`` of each stream; with a
        ``stdout`` all of its output goes there.

        Raises:
            NotFoundError: The pod or the container does not exist.
            UnavailableError: The node's agent cannot be reached, or the connection ended before the
                command did.
        """
        start = pod_streams_pb2.ExecStart(
            namespace=namespace,
            name=name,
            container=container,
            command=command,
            stdin=stdin is not None,
        )
        converse = partial(streams.command, self._connection)
        return await commands.run(converse, start, stdin, stdout, output_bytes_max)

    def port_forward(
        self,
        name: str,
        port: int,
        namespace: str,
        *,
        local_port: int = 0,
        local_address: str = "127.0.0.1",
    ) -> PortForward:
        """Return a forwarding of a local port, 0 for any that is free, to a pod's.

        Use it as a context manager; its ``port`` is where to connect.
        """
        target = PodPort(namespace, name, port)
        converse = partial(streams.port, self._connection)
        return PortForward(converse, target, local_port, local_address)
