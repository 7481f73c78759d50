"""Bounding logs: a log that grows fast is looked at often."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from podraft.agent.streams import rotation
from podraft.agent.streams.rotation import BYTES_MAX, PERIOD_S, OpenLog


def test_while_a_log_is_too_large_all_are_looked_at_sooner(tmp_path: Path) -> None:
    log = OpenLog(tmp_path / "0.log", tmp_path)
    os.mkfifo(tmp_path / "ctl")
    conmon = os.open(tmp_path / "ctl", os.O_RDONLY | os.O_NONBLOCK)
    try:
        log.path.touch()
        assert asyncio.run(rotation.keep_bounded([log])) == PERIOD_S
        os.truncate(log.path, BYTES_MAX)
        assert asyncio.run(rotation.keep_bounded([log])) < PERIOD_S / 10
        assert os.read(conmon, 64) == b"2 0 0\n"
        assert asyncio.run(rotation.keep_bounded([log])) == PERIOD_S
    finally:
        os.close(conmon)
