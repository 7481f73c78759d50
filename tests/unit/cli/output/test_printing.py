"""Characters that do something are shown as escapes; podraft's own colours stay."""

from __future__ import annotations

import io
import itertools
import json
import sys
import time
import unicodedata

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from podraft.api.characters import in_json, is_safe, one_line, visible
from podraft.cli.output import colour, documents, printing, tables
from podraft.cli.streams.terminal_text import TerminalText

HARMLESS_CONTROLS = "\n\t"


def test_all_of_unicodes_controls_and_format_characters_are_made_visible() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        category = unicodedata.category(character)
        if category in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in HARMLESS_CONTROLS:
            assert visible(character).startswith("\\"), f"U+{number:04X}"
        elif category[0] in "LNPS":
            assert visible(character) == character or category == "Lo", f"U+{number:04X}"


def test_texts_of_people_stay_as_they_are() -> None:
    for text in (
        "naïve Ωμέγα עברית العربية 日本語 한국어 ภาษาไทย",
        "é\u0301 ☺ 😀 ❤\ufe0f",
        "a\tb\nc",
    ):
        assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\x1b]0;x\x07b\x9b", "a\\x1b]0;x\\x07b\\x9b"),
        ("a\n\n  b\r\nc\td", "a   b c d"),
        ("a\u202eb\ud800\U000e0001", "a\\u202eb\\ud800\\U000e0001"),
    ],
)
def test_a_part_of_a_line_stays_one(text: str, line: str) -> None:
    assert one_line(text) == line


def test_a_cell_of_a_table_can_neither_break_it_nor_shift_it() -> None:
    table = tables.render(("NAME", "NEXT"), [("a\nFAKE   row", "x"), ("\x1b[1m", "y")])
    assert table == "NAME           NEXT\na FAKE   row   x\n\\x1b[1m        y\n"


def test_only_podrafts_own_colours_become_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    printing.say(colour.paint_status("Running", "Running") + " \x1b[32mfake\x1b[0m")
    assert capsys.readouterr().out == "\x1b[32mRunning\x1b[0m \\x1b[32mfake\\x1b[0m\n"
    mark = colour.paint("", "35").partition("⟧")[0]
    printing.say(f"{mark[:1]}0000000000000000{mark[17:]}⟧")
    assert "\x1b" not in capsys.readouterr().out


def test_json_and_yaml_escape_in_their_own_way_and_mean_the_same() -> None:
    value = {"a\u202e": "x\x7f\u2028y\U000e0041\n\x1b[2J\u0085", "b": "plain ünïcode 😀", "c": [1]}
    for text, load in (
        (documents.as_json(value), json.loads),
        (documents.as_yaml(value), yaml.safe_load),
    ):
        assert is_safe(text)
        assert load(text) == value
        assert "plain ünïcode" in text
    assert in_json('"\U000e0041"') == '"\\udb40\\udc41"'


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_data_is_exact_to_a_program_and_visible_to_a_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for stream, expected in ((io.StringIO(), "a\x1b[2Jb\n"), (_Terminal(), "a\\x1b[2Jb\n")):
        monkeypatch.setattr(sys, "stdout", stream)
        printing.data("a\x1b[2Jb\n")
        assert stream.getvalue() == expected


def test_a_stream_that_lacks_a_character_or_is_closed_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    printing.say("→ \ud800")
    assert raw.getvalue() == b"\\u2192 \\ud800\n"
    monkeypatch.setattr(sys, "stdout", None)
    printing.say("nobody reads")


def test_making_visible_takes_linear_time() -> None:
    began = time.process_time()
    for text in ("\x1b" * 1_000_000, " \n" * 1_000_000, "\t " * 1_000_000, " " * 2_000_000):
        one_line(text)
    assert time.process_time() - began < 10


OUTPUT = (
    "plain ü\u202e\x1b[31mred\x1b[0m \x1b]0;title\x07\r\n10%\r20%\b \x1b[2J\x1b[1;32mé".encode()
    + b"\xff\x9b\x1b["
    + b"1" * 40
    + b"m\x1b"
)
SHOWN = (
    "plain ü\\u202e\x1b[31mred\x1b[0m \\x1b]0;title\\x07\r\n10%\\x0d20%\\x08 \\x1b[2J\x1b[1;32mé"
    "\\xff\\x9b\\x1b[" + "1" * 40 + "m\\x1b\x1b[0m"
).encode()


@given(st.lists(st.integers(0, len(OUTPUT)), max_size=8))
def test_containers_output_is_shown_the_same_however_it_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(OUTPUT)]
    text = TerminalText()
    shown = b"".join(text.feed(OUTPUT[a:b]) for a, b in itertools.pairwise(places))
    assert shown + text.finish() == SHOWN


def test_of_containers_output_little_is_kept_back() -> None:
    text = TerminalText()
    assert text.feed(b"Password: ") == b"Password: "
    assert len(text.feed(b"\x1b[" + b"1" * 100_000)) > 99_000
    assert text.feed(b"ready\n").endswith(b"ready\n")
