"""Commands in containers: every byte, the command's own end, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc

from integration.agent.agent_world import World, make_pod
from integration.agent.scenarios import _agent as agent
from podraft.api.core.v1 import pod_streams_pb2
from support.waiting import eventually_async

_CHUNK = 32 * 1024


@dataclass(frozen=True)
class Ended:
    """What a command wrote, and how it ended."""

    out: bytes
    err: bytes
    code: int | None


async def run(
    stub: Any,
    *command: str,
    stdin: Iterable[bytes] | None = None,
    stdin_ends: bool = True,
    pod: str = "box",
) -> Ended:
    """Run a command; with a `stdin` that does not end, it stays open until the command ends."""
    start = pod_streams_pb2.ExecStart(
        namespace="default", name=pod, command=command, stdin=stdin is not None
    )

    async def requests() -> Any:
        yield pod_streams_pb2.ExecPodRequest(start=start)
        for chunk in stdin or ():
            yield pod_streams_pb2.ExecPodRequest(stdin=chunk)
        if stdin_ends:
            yield pod_streams_pb2.ExecPodRequest(stdin_closed=True)
        else:
            await ended.wait()

    out, err, code = bytearray(), bytearray(), None
    ended = asyncio.Event()
    try:
        async with asyncio.timeout(20):
            async for answer in stub.Exec(requests()):
                assert code is None, "the exit code comes last"
                out += answer.stdout
                err += answer.stderr
                if answer.HasField("exit_code"):
                    code = answer.exit_code
    except grpc.aio.AioRpcError:
        # gRPC fails a call whose input was still on its way when the command ended.
        if code is None:
            raise
    finally:
        ended.set()
    return Ended(bytes(out), bytes(err), code)


async def commands(it: World) -> None:
    await it.create(make_pod("box"))
    await it.create(make_pod("goes", grace_s=0))
    await it.running("box")
    await it.running("goes")
    async with agent(it) as stub:
        await the_end_is_the_commands_own(stub)
        await every_byte_passes(stub)
        await what_cannot_start_is_named(stub)
        await what_a_command_leaves_behind_is_not_waited_for(stub)
        await nobody_is_left_when_the_caller_goes(stub)
        waiting = asyncio.create_task(run(stub, "sleep", "600", pod="goes"))
        await is_running(stub, "sleep 600", pod="goes")
        await it.delete("goes")
        assert (await waiting).code == 137


async def the_end_is_the_commands_own(stub: Any) -> None:
    """Whatever a command does with its input, its exit code is told and nothing is added."""
    much = [b"x" * _CHUNK] * 64
    for stdin in (None, (), much):
        assert await run(stub, "true", stdin=stdin) == Ended(b"", b"", 0)
        assert await run(stub, "sh", "-c", "exit 37", stdin=stdin) == Ended(b"", b"", 37)
    for ends in (True, False):
        assert await run(stub, "head", "-c", "3", stdin=much, stdin_ends=ends) == Ended(
            b"xxx", b"", 0
        )
        # It lives on, and writes, after it has closed its input.
        script = "exec <&-; for i in 1 2 3; do sleep 0.1; echo $i; done; exit 4"
        assert await run(stub, "sh", "-c", script, stdin=much, stdin_ends=ends) == Ended(
            b"1\n2\n3\n", b"", 4
        )
    assert (await run(stub, "sh", "-c", "kill -9 $$")).code == 137
    # No signal is ignored on the way: the writer of a pipe without a reader ends.
    assert await run(stub, "sh", "-c", "yes | head -n 1") == Ended(b"y\n", b"", 0)


async def every_byte_passes(stub: Any) -> None:
    data = os.urandom(2_000_003)
    chunks = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
    assert await run(stub, "cat", stdin=chunks) == Ended(data, b"", 0)
    assert (await run(stub, "sh", "-c", "cat >&2", stdin=chunks)).err == data
    assert (await run(stub, "wc", "-c", stdin=())).out == b"0\n"
    for number in range(10):
        assert (await run(stub, "cat", stdin=[b"%d" % number])).out == b"%d" % number
    assert await run(stub, "cat") == Ended(b"", b"", 0)  # Input that is not asked for is empty.


async def what_cannot_start_is_named(stub: Any) -> None:
    for program, code in (("/no/such/program", 127), ("nosuch", 127), ("/etc", 126)):
        ended = await run(stub, program)
        assert ended.code == code
        assert program.encode() in ended.err
    try:
        await run(stub, "true", pod="nobody")
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.NOT_FOUND
        assert "nobody" in (error.details() or "")
    else:
        raise AssertionError("there is no such pod")


async def what_a_command_leaves_behind_is_not_waited_for(stub: Any) -> None:
    """A child holds the command's output, or even goes on writing: its parent has ended."""
    assert (await run(stub, "sh", "-c", "sleep 60 & echo 1; exit 6")) == Ended(b"1\n", b"", 6)
    assert (await run(stub, "sh", "-c", "yes & sleep 0.2; exit 6")).code == 6
    await run(stub, "busybox", "killall", "yes", "sleep")


async def nobody_is_left_when_the_caller_goes(stub: Any) -> None:
    for words, stdin in ((("sleep", "777"), None), (("sh", "-c", "sleep 778; true"), ())):
        calling = asyncio.create_task(run(stub, *words, stdin=stdin, stdin_ends=False))
        await is_running(stub, words[-1].removesuffix("; true"))
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
    await eventually_async(lambda: _none_of(stub, "sleep 77"))


async def is_running(stub: Any, what: str, pod: str = "box") -> None:
    async def runs() -> bool:
        return not await _none_of(stub, what, pod)

    await eventually_async(runs)


async def _none_of(stub: Any, what: str, pod: str = "box") -> bool:
    pattern = f"[{what[0]}]{what[1:]}"
    return (await run(stub, "sh", "-c", f"ps | grep -c '{pattern}'", pod=pod)).out == b"0\n"
