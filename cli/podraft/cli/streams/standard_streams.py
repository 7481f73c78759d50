"""This process's standard streams, as bytes and without Python's buffers.

Invariant: whatever the other end is (a pipe, a file, a terminal that somebody has made
non-blocking, nothing at all), every byte is read or written, in order and once.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import TextIO

_CHUNK_BYTES = 32 * 1024


def stdin_is_terminal() -> bool:
    """Return whether standard input is a terminal; after a shell's ``<&-`` there is none at all."""
    return sys.stdin is not None and sys.stdin.isatty()


def terminal_size() -> os.terminal_size:
    """Return the size of the terminal that the output goes to, or else the input comes from.

    The terminal is asked: COLUMNS and LINES do not follow a change of its size.
    """
    for descriptor in (_descriptor(sys.stdout), _descriptor(sys.stdin)):
        if descriptor is not None:
            with contextlib.suppress(OSError):
                return os.get_terminal_size(descriptor)
    return os.terminal_size((80, 24))


def read_stdin() -> bytes:
    """Wait for input and return it; empty at its end, whatever the reason."""
    descriptor = _descriptor(sys.stdin)
    while descriptor is not None:
        try:
            return os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            select.select([descriptor], [], [])
        except OSError:
            break
    return b""


def write_stdout(data: bytes) -> None:
    """Write all of ``data`` to standard output.

    Raises:
        BrokenPipeError: Nobody reads the output any more.
        OSError: The data cannot be written.
    """
    _write(sys.stdout, data)


def write_stderr(data: bytes) -> None:
    """Write all of ``data`` to standard error; raise as `write_stdout` does."""
    _write(sys.stderr, data)


def _write(stream: TextIO | None, data: bytes) -> None:
    descriptor = _descriptor(stream)
    if stream is None or descriptor is None:
        return
    stream.flush()
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def _descriptor(stream: TextIO | None) -> int | None:
    """Return a stream's descriptor; None for a stream that was closed before we began."""
    return None if stream is None else stream.fileno()
