"""Preparations that each of our gRPC servers needs before it is made.

Owns: the defence against two things that gRPC for Python lets any client do, even without rights:

** A call whose path is not UTF-8 ends the whole server: the loop that takes calls decodes the path,
  and the exception ends the loop.  There is no hook before it, so bytes that this one task cannot
  decode are replaced; no method has the resulting path.
** Metadata that is not UTF-8, and a client that leaves while it is being answered, each write a
  traceback into the log, every time.

Invariants: decoding anywhere else raises as usual; importing this module does not import gRPC,
whose environment is set afterwards: with its fork support, starting a child can hang for ever.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
from typing import Final

_TASK: Final = "AioServer._server_main_loop"
_LOGGER: Final = "grpc._cython.cygrpc"
# gRPC's log messages about what a client did.
_ITS_CLIENTS: Final = ("Invalid encoding on", "ExecuteBatchError raised in core")
_strict = codecs.lookup_error("strict")


def prepare() -> None:
    """Make gRPC servers in this process survive such calls; calling it once is enough."""
    codecs.register_error("strict", _strict_but_for_paths)
    logging.getLogger(_LOGGER).addFilter(_is_told)


def _strict_but_for_paths(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError) and _takes_calls():
        return "\ufffd", error.end
    return _strict(error)


def _takes_calls() -> bool:
    """Return whether this is gRPC's task, which runs none of our code."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    coroutine = task.get_coro() if task is not None else None
    return getattr(coroutine, "__qualname__", "") == _TASK


def _is_told(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_ITS_CLIENTS)
