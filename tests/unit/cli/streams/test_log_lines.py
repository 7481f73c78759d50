"""Lines of containers' output: whole, with their heads, and no byte changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podraft.cli.streams.log_lines import LogLines

_bytes = st.lists(st.sampled_from([b"\n", b"\r", b"\x0b", b"\x85", b"\0", b"\xff", b"a"])).map(
    b"".join
)


@given(st.lists(_bytes), st.sampled_from([b"", b"[head] "]))
def test_lines_get_their_heads_in_whatever_pieces_they_come(
    pieces: list[bytes], head: bytes
) -> None:
    lines = LogLines(head)
    shown = [lines.feed(piece) for piece in pieces]

    assert all(not part or part.endswith(b"\n") for part in shown)
    *whole, last = b"".join(pieces).split(b"\n")
    expected = [*whole, last] if last else whole
    assert b"".join([*shown, lines.finish()]) == b"".join(head + x + b"\n" for x in expected)


def test_a_line_without_end_is_passed_on_in_pieces() -> None:
    lines = LogLines(b"[head] ")
    total = b"".join(lines.feed(b"x" * 100_000) for _ in range(100))

    assert len(total) > 100 * 100_000 - (1 << 19)
    assert total + lines.feed(b"\nnext\n") == b"[head] " + b"x" * 10_000_000 + b"\n[head] next\n"
