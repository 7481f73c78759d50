"""What every gRPC server of ours needs before it is made.

Owns: certificates that are renewed while a server runs; and two things that gRPC for Python lets
any client do, without a right to anything:

* A call whose path is not UTF-8 ends the whole server: the loop that takes calls decodes the path
  and is left by the exception.  There is no hook before it, so bytes that this one task cannot
  decode are replaced; the path then is one that no method has.
* Metadata that is not UTF-8, and a client that leaves while it is answered, write a traceback into
  the log, each time.

Invariant: decoding anywhere else raises as ever.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

import grpc

ShownT = TypeVar("ShownT")

_TASK: Final = "AioServer._server_main_loop"
_LOGGER: Final = "grpc._cython.cygrpc"
# What gRPC says of what a client did.
_ITS_CLIENTS: Final = ("Invalid encoding on", "ExecuteBatchError raised in core")
_strict = codecs.lookup_error("strict")


def prepare() -> None:
    """Make servers that are started in this process survive such calls; once is enough."""
    codecs.register_error("strict", _strict_but_for_paths)
    logging.getLogger(_LOGGER).addFilter(_is_told)


def renewable_credentials(
    present: Callable[[], ShownT],
    configuration: Callable[[ShownT], grpc.ServerCertificateConfiguration],
    *,
    mutual: bool,
) -> grpc.ServerCredentials:
    """Return credentials that show what is ``present`` from the next handshake on.

    With ``mutual`` clients must show a certificate, too.
    """
    shown = present()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        # Called by gRPC at every handshake, on its own threads: None is "as before".
        nonlocal shown
        now = present()
        if now is shown:
            return None
        shown = now
        return configuration(shown)

    # The stubs do not know that None is allowed.
    fetch: Any = renewed
    return grpc.dynamic_ssl_server_credentials(
        configuration(shown), fetch, require_client_authentication=mutual
    )


def _strict_but_for_paths(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError) and _takes_calls():
        return "\ufffd", error.end
    return _strict(error)


def _takes_calls() -> bool:
    """Say whether this is gRPC's task, which runs nothing of ours."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    coroutine = task.get_coro() if task is not None else None
    return getattr(coroutine, "__qualname__", "") == _TASK


def _is_told(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_ITS_CLIENTS)
