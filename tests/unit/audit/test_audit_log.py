"""The audit log's thread and files: bounded, rotated, and what is lost is counted."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from podraft.api import kinds
from podraft.server.audit import audit_log
from podraft.server.audit.audit_log import AuditLog, Heard
from podraft.server.audit.calls import AuditedCall, Operation
from podraft.server.audit.describing import Describer
from podraft.server.audit.files import RotatingFile
from podraft.server.audit.policy import Level, Policy, Rule
from support.waiting import eventually

EVERYTHING = Policy((Rule(Level.METADATA),))


def heard(number: int) -> Heard:
    operation = Operation("get", "", "pods", "", "shop", f"web-{number}")
    return Heard(AuditedCall("/x", "ada", frozenset({"staff"}), "OK", (operation,), decision="d"))


def log_at(path: Path, bytes_max: int = 64 << 20, kept: int = 2) -> AuditLog:
    return AuditLog(EVERYTHING, Describer(kinds.BUILT_IN), RotatingFile(path, bytes_max, kept))


def events(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_every_call_is_written_in_order_before_the_log_stops(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = log_at(path)
    log.start()
    for number in range(2_000):
        log.hear(heard(number))
    log.stop()
    names = [event["objectRef"]["name"] for event in events(path)]
    assert names == [f"web-{number}" for number in range(2_000)]
    assert log.lost == 0
    assert path.stat().st_mode & 0o077 == 0


def test_full_files_are_rotated_and_the_oldest_removed(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = log_at(path, bytes_max=200_000, kept=2)
    log.start()
    for number in range(5_000):
        log.hear(heard(number))
    log.stop()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    assert all(file.stat().st_size <= 200_000 for file in files)
    assert events(path)[-1]["objectRef"]["name"] == "web-4999"


def test_what_is_too_much_to_wait_is_counted_and_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = log_at(path)
    for number in range(audit_log._WAITING_MAX + 7):
        log.hear(heard(number))
    assert log.lost == 7
    log.start()
    log.stop(30.0)
    told = [event for event in events(path) if event["responseStatus"]["reason"] == "DATA_LOSS"]
    assert [event["responseStatus"]["message"] for event in told] == ["7 calls were not written"]


def test_a_disk_that_refuses_loses_lines_and_holds_up_nobody() -> None:
    log = log_at(Path("/dev/full"))
    log.start()
    for number in range(10):
        log.hear(heard(number))
    eventually(lambda: log.lost == 10)
    for number in range(10):
        log.hear(heard(number))
    log.stop()
    assert log.lost == 20


def test_a_line_for_which_there_is_no_room_leaves_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    file = RotatingFile(path, 1 << 20, 1)
    file.append(b"first\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.append(b"second\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    file.append(b"third\n")
    file.close()
    assert path.read_bytes() == b"first\nthird\n"
