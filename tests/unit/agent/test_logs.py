"""Reading logs: tails, times, partial records, and rotation under a reader."""

from __future__ import annotations

import asyncio
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podraft.agent.streams import log_reader, log_tail
from podraft.agent.streams.core import cri_log
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
    since_s = cri_log.time_s(TIME.format(8).encode())
    assert read(log, since_s=since_s) == "line 8\nline 9\n"
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


def read_bytes(path: Path, **query: Any) -> bytes:
    async def collect() -> bytes:
        parts = log_reader.read(path, LogQuery(**query), lambda: False)
        return b"".join([part async for part in parts])

    return asyncio.run(collect())


# What text functions take for the end of a line, or for blank, or cannot decode.
_SUSPICIOUS = [b"\r", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xe2\x80\xa8", b"\0", b"\xff", b" "]
_texts = st.lists(st.sampled_from([*_SUSPICIOUS, b"a", b"stdout F "]), max_size=6).map(b"".join)
_records = st.lists(
    st.tuples(st.sampled_from([b"stdout", b"stderr"]), st.booleans(), _texts), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(_records, st.integers(0, 12), st.integers(1, 64), st.integers(0, 14))
def test_bytes_come_out_as_they_went_in_and_only_a_newline_divides_them(
    records: list[tuple[bytes, bool, bytes]], rotated: int, piece: int, tail: int
) -> None:
    time = TIME.format(1).encode()
    files = [
        b"".join(
            b"%s %s %s %s\n" % (time, stream, b"P" if partial else b"F", text)
            for stream, partial, text in part
        )
        for part in (records[:rotated], records[rotated:])
    ]
    whole = b"".join(text + (b"" if partial else b"\n") for _, partial, text in records)
    # A partial record begins a line even if it is empty.
    lines = whole.split(b"\n")
    unfinished = lines.pop()
    if records and records[-1][1]:
        lines.append(unfinished)
    last = lines[-tail:] if tail else []
    expected = b"\n".join(last) + (b"\n" if last and not records[-1][1] else b"")

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        # Whatever lies across the end of a block or chunk.
        patch.setattr(log_reader, "_CHUNK_BYTES", piece)
        patch.setattr(log_tail, "_BLOCK_BYTES", piece)
        path = Path(folder, "0.log")
        path.with_name("0.log.1").write_bytes(files[0])
        path.write_bytes(files[1])
        assert read_bytes(path) == whole
        assert read_bytes(path, tail_lines=tail) == expected
        stamped = read_bytes(path, tail_lines=tail, timestamps=True)
        assert stamped == b"".join(
            time + b" " + line + (b"\n" if ended else b"")
            for line, ended in zip(
                last, [*[True] * (len(last) - 1), not records[-1][1]] if last else [], strict=True
            )
        )


def test_the_last_line_counts_though_it_has_no_end(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(line(1) + line(2, partial=True, text="no ") + line(3, partial=True, text="end"))
    assert read(path, tail_lines=0) == ""
    assert read(path, tail_lines=1) == "no end"
    assert read(path, tail_lines=2) == "line 1\nno end"


def test_a_line_is_as_old_as_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(
        line(1, partial=True, text="old, ") + line(5, text="whole") + line(6, partial=True)
    )
    since_s = cri_log.time_s(TIME.format(4).encode())
    assert read(path, since_s=since_s, timestamps=True) == f"{TIME.format(6)} line 6"


@pytest.mark.parametrize("query", [{}, {"tail_lines": 1}, {"tail_lines": 3}, {"timestamps": True}])
def test_no_line_is_too_long_for_bounded_memory(tmp_path: Path, query: dict[str, Any]) -> None:
    size = 64 << 20
    path = tmp_path / "0.log"
    path.write_text(line(1) + line(2, partial=True, text="x"))
    with path.open("ab") as file:  # Sparse: a record of so many zeros.
        file.write(f"{TIME.format(3)} stderr F ".encode())
        file.truncate(file.tell() + size)
        file.seek(0, 2)
        file.write(b"\n" + line(4).encode())

    async def count() -> int:
        parts = log_reader.read(path, LogQuery(**query), lambda: False)
        return sum([len(part) async for part in parts])

    tracemalloc.start()
    try:
        total = asyncio.run(count())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    stamps = 3 * (len(TIME.format(0)) + 1) if "timestamps" in query else 0
    expected = 7 if query.get("tail_lines") == 1 else len("line 1\nx") + size + len("\nline 4\n")
    assert total == expected + stamps
    assert peak < 4 << 20


def test_what_is_no_record_is_passed_over_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"\0" * 300_000 + b"\n" + line(1).encode() + b"stdout F\n" + line(2).encode())
    assert read(path) == read(path, tail_lines=9) == "line 1\nline 2\n"


def test_a_reader_that_sleeps_through_rotations_goes_on_with_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(line(0))

    async def main() -> None:
        alive, seen = True, bytearray()
        asleep = asyncio.Event()

        async def follow() -> None:
            async for part in log_reader.read(path, LogQuery(follow=True), lambda: alive):
                seen.extend(part)
                await asleep.wait()

        following = asyncio.create_task(follow())
        await eventually_async(lambda: seen == b"line 0\n")
        for number in (1, 2, 3):
            with path.open("a") as file:
                file.write(line(number))
            if number < 3:
                path.replace(tmp_path / "0.log.1")
        asleep.set()
        # What was pushed out of the last two files is lost, but for what the reader had open.
        await eventually_async(lambda: seen == b"line 0\nline 1\nline 2\nline 3\n")
        alive = False
        await asyncio.wait_for(following, 5)

    asyncio.run(main())


def test_who_does_not_follow_gets_an_end_though_the_container_writes_on(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(line(0) * 5000)

    async def main() -> int:
        total = 0
        async for part in log_reader.read(path, LogQuery(), lambda: True):
            total += len(part)
            with path.open("a") as file:
                file.write(line(1) * 5000)
        return total

    assert asyncio.run(asyncio.wait_for(main(), 10)) == 7 * 5000


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
