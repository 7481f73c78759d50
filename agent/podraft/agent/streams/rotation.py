"""Keeping log files bounded: at 10 MiB a file becomes ``.1`` and conmon opens a new one.

Invariant: no line is lost: the file is renamed while conmon goes on writing to it, and
conmon itself changes to the new file when its control pipe says so.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_LOG = logging.getLogger(__name__)

BYTES_MAX = 10 << 20
PERIOD_S = 5.0
_FLOODED_PERIOD_S = 0.25
_REOPEN_LOGS = b"2 0 0\n"


@dataclass(frozen=True, slots=True)
class OpenLog:
    """The log of a running container, and the directory with conmon's control pipe."""

    path: Path
    directory: Path


def rotate(log: OpenLog, bytes_max: int = BYTES_MAX) -> bool:
    """Rotate a log if it has grown too large; return whether it has been rotated.

    Raises:
        OSError: conmon is gone, or the disk refuses.
    """
    try:
        if log.path.stat().st_size < bytes_max:
            return False
    except FileNotFoundError:
        return False
    # Open the pipe first: if conmon is gone, the log stays as it is.
    control = os.open(log.directory / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        log.path.replace(log.path.with_name(log.path.name + ".1"))
        os.write(control, _REOPEN_LOGS)
    finally:
        os.close(control)
    return True


async def keep_all_bounded(logs: Callable[[], Iterable[OpenLog]]) -> None:
    """Rotate logs that have grown too large, again and again until cancelled."""
    pause_s = PERIOD_S
    while True:
        await asyncio.sleep(pause_s)
        pause_s = await keep_bounded(logs())


async def keep_bounded(logs: Iterable[OpenLog]) -> float:
    """Rotate every log that is too large; return the seconds to wait before the next look.

    A container that writes as fast as it can fills a disk in minutes: while any log is too
    large, they are all looked at much sooner.
    """
    pause_s = PERIOD_S
    for log in logs:
        try:
            if await asyncio.to_thread(rotate, log):
                pause_s = _FLOODED_PERIOD_S
        except OSError as error:
            _LOG.warning("cannot rotate %s: %s", log.path, error)
    return pause_s
