"""``podraft-server``: the composition root of the control plane.

Owns: which parts run in this process and how they find each other.  Invariants:
each process imports only the parts that it runs; a failure to start is reported as
one line on the standard error stream and an exit status of 1.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from podraft.client.serving.descriptors import raise_descriptor_limit
from podraft.server.processes import children, logs
from podraft.server.startup import argument_values, arguments
from podraft.server.startup.arguments import Arguments, StartError


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``podraft-server``."""
    children.follow_parent()
    raise_descriptor_limit()
    # Children are started by exec, so gRPC need not support forks. Its own log would
    # only repeat, less clearly, what we report ourselves.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # gRPC reads these when it is imported.
    from podraft.client.serving import grpc_serving

    grpc_serving.prepare()
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["restore"]:
        from podraft.server.startup.offline import restoring

        restoring.main(words[1:])
        return
    if words[:1] == ["recover"]:
        from podraft.server.startup.offline import recovering

        recovering.main(words[1:])
        return
    if words[:1] == ["rotate-encryption-key"]:
        from podraft.server.startup.offline import rotating

        rotating.main(words[1:])
        return
    given = arguments.parse(argv)
    logs.configure("+".join(given.components), given.log_level)
    try:
        with asyncio.Runner(loop_factory=_loop_factory(given)) as runner:
            runner.run(_run(given))
    except (StartError, OSError) as error:
        print(f"podraft-server: {error}", file=sys.stderr)  # noqa: T201 - the user's one line
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:  # A defect: log all of it; the supervisor decides what follows.
        logging.getLogger(__name__).exception("unexpected failure")
        sys.exit(1)


def _loop_factory(given: Arguments) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the event loop's factory: for the API uvloop, if installed, as it is 10 % faster."""
    if argument_values.API in given.components and importlib.util.find_spec("uvloop") is not None:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module(
            "uvloop"
        ).new_event_loop
        return factory
    return None


async def _run(given: Arguments) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if argument_values.API in given.components:
        from podraft.server.startup import control_plane

        await control_plane.run(given, stop)
        return
    await _run_clients(given, stop)


async def _run_clients(given: Arguments, stop: asyncio.Event) -> None:
    """Run components that are clients of an API elsewhere."""
    from podraft.client.connecting.config import load
    from podraft.client.errors import ConfigError

    try:
        config = await asyncio.to_thread(load, given.config)
    except ConfigError as error:
        raise StartError(str(error)) from None
    running: list[Awaitable[None]] = []
    if argument_values.SCHEDULER in given.components:
        from podraft.server.scheduling import app as scheduling

        running.append(scheduling.run(config))
    if argument_values.CONTROLLERS in given.components:
        from podraft.api import kinds
        from podraft.server.controllers import app as controllers
        from podraft.server.controllers.core.controller import ControllerOptions

        options = ControllerOptions(pod_cidr=given.pod_cidr, node_prefix=given.node_cidr_mask)
        running.append(controllers.run(config, kinds.BUILT_IN, options))
    await _until_stopped(running, stop)


async def _until_stopped(running: Sequence[Awaitable[None]], stop: asyncio.Event) -> None:
    """Run until ``stop`` is set or one of ``running`` ends."""
    stopping = asyncio.ensure_future(stop.wait())
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(part) for part in running]
    await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, stopping):
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


if __name__ == "__main__":
    main()
