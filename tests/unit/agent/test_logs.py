"""Reading logs: tails, times, partial records, and rotation under a reader."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from podraft.agent.streams import cri_log, log_reader
from podraft.agent.streams.log_reader import LogQuery
from support.waiting import eventually_async

TIME = "2026-01-02T03:04:{:02d}.123456789+00:00"


def line(number: int, *, partial: bool = False, text: str | None = None) -> str:
    tag = "P" if partial else "F"
    return f"{TIME.format(number)} stdout {tag} {text or f'line {number}'}\n"


def read(path: Path, **query: Any) -> str:
    async def collect() -> str:
        parts = log_reader.read(path, LogQuery(**query), lambda: False)
        return b"".join([part async for part in parts]).decode()

    return asyncio.run(collect())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_text("".join(line(n) for n in range(5, 10)))
    (tmp_path / "0.log.1").write_text("".join(line(n) for n in range(5)))
    return path


def test_the_rotated_file_comes_first(log: Path) -> None:
    assert read(log).splitlines() == [f"line {n}" for n in range(10)]


@pytest.mark.parametrize("lines", [0, 1, 7, 100])
def test_a_tail_reaches_back_into_the_rotated_file(log: Path, lines: int) -> None:
    expected = [f"line {n}" for n in range(10)][-lines:] if lines else []
    assert read(log, tail_lines=lines).splitlines() == expected


def test_since_limit_and_timestamps(log: Path) -> None:
    record = cri_log.parse(line(8).rstrip("\n").encode())
    assert record is not None
    assert read(log, since_s=cri_log.time_s(record)) == "line 8\nline 9\n"
    assert read(log, limit_bytes=8) == "line 0\nl"
    assert read(log, tail_lines=1, timestamps=True) == f"{TIME.format(9)} line 9\n"


def test_partial_records_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(line(1, partial=True, text="ab") + line(2, text="cd") + line(3))
    assert read(path) == "abcd\nline 3\n"
    assert read(path, tail_lines=2) == "abcd\nline 3\n"


def test_a_line_without_its_end_waits(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(line(1) + line(2).rstrip("\n"))
    assert read(path) == "line 1\n"


def test_a_long_record_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(line(1, text="x" * 200_000))
    assert len(read(path)) == 200_001


def test_following_loses_nothing_when_the_file_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(line(0))

    async def main() -> None:
        alive, seen = True, bytearray()

        async def follow() -> None:
            async for part in log_reader.read(path, LogQuery(follow=True), lambda: alive):
                seen.extend(part)

        async def shows(number: int) -> None:
            wanted = "".join(f"line {n}\n" for n in range(number + 1)).encode()
            await eventually_async(lambda: bytes(seen) == wanted)

        following = asyncio.create_task(follow())
        await shows(0)
        with path.open("a") as old:
            path.rename(tmp_path / "0.log.1")
            old.write(line(1))
            old.flush()
            await shows(1)
        path.write_text(line(2))
        await shows(2)
        alive = False
        await asyncio.wait_for(following, 5)

    asyncio.run(main())
