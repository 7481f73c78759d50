"""Texts as people write them, and what they mean: YAML, JSON and streams of both.

What is said of kubectl was read off kubectl 1.32 (`create --dry-run=client -o json`).
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podraft.cli.manifests import items as manifests
from podraft.cli.manifests.document_stream import values_in
from podraft.cli.manifests.nodes import ManifestError
from podraft.cli.manifests.sources import read_sources

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
A = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}'
B = A.replace('"a"', '"b"')

_WORDS = """
true: true True TRUE yes Yes YES on On ON
false: false False FALSE no No NO off Off OFF
text: yES tRue nULL oN 1:30 190:20:30 2001-01-01 = << _1 e3 1e 0xZZ 0o8 0b12 0x 0b 0o 1,000 .
text: y Y n N + 1e400 -a ?a a#b 9e999 Inf nan
"""
WORDS: dict[str, list[str]] = {}
for _line in _WORDS.strip().splitlines():
    _meaning, _, _spellings = _line.partition(": ")
    WORDS.setdefault(_meaning, []).extend(_spellings.split())


def data(text: str) -> Any:
    """Return the data of the one document in a text."""
    (value,) = values_in(text)
    return value["data"]


def fault(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        values_in(text)
    return f"{caught.value.line}: {caught.value}"


def read(text: str) -> manifests.Reading:
    return manifests.read([("f", text)], None, "default")


def names(text: str) -> list[str]:
    reading = read(text)
    assert reading.faults == []
    return [item.name for item in reading.items]


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        *((word, True) for word in WORDS["true"]),
        *((word, False) for word in WORDS["false"]),
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        *((word, word) for word in WORDS["text"]),
        ("0755", 493), ("0o755", 493), ("-0755", -493), ("0x1F", 31), ("0b101", 5), ("0_7", 7),
        ("08", 8), ("00", 0), ("-0", 0), ("+1", 1), ("1_000", 1000), ("1__0", 10), ("1_", 1),
        ("1e3", 1000), ("1E+3", 1000), ("1e-3", 0.001), (".5", 0.5), ("5.", 5), ("-1.5", -1.5),
        ("1_000.5", 1000.5), ("9223372036854775807", 9223372036854775807),
        ("!!str 1", "1"), ("!!str", ""), ("!!str ~", "~"), ("! 7", "7"), ('!!int "7"', 7),
        ("!!float 7", 7), ("!!bool yes", True), ("!!timestamp 2001-01-01", "2001-01-01"),
        ("!!binary aGVsbG8=", "hello"), ("'it''s'", "it's"), ('"\\x41\\u263a"', "A☺"),
        ("a:b", "a:b"), ("http://x:80/y", "http://x:80/y"),
        ("a # c", "a"), ("|\n    a\n    b", "a\nb\n"), ("|\n    a\n    b\n", "a\nb\n"),
        ("|-\n    a\n", "a"), ("|+\n    a\n\n\n", "a\n\n\n"), (">\n    a\n    b", "a b\n"),
        ("|2\n     a\n", " a\n"), ("|\n    a\n    --- x\n", "a\n--- x\n"), ("|\n", ""),
        ("|\n    a\n  ", "a\n"), ("a\n    b\n\n    c\n", "a b\nc"),
    ],
)  # fmt: skip
def test_a_value_means_what_it_means_to_kubectl(spelling: str, value: Any) -> None:
    found = data(f"{HEAD}data:\n  t: {spelling}")["t"]

    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


@pytest.mark.parametrize(
    "spelling",
    [
        ".inf", "-.INF", ".NaN", "!!bool 7", "!!null x", "!!int x", "!!binary '%'", "!foo 7",
        "!!binary /w==", "%a", "@a", '"\\ud83d\\ude00"', "`a`", "*", "*nothing", "a: b", "a\x01b",
    ],
)  # fmt: skip
def test_what_kubectl_refuses_or_garbles_is_refused_with_its_line(spelling: str) -> None:
    assert fault(f"{HEAD}data:\n  t: {spelling}\n").startswith(
        "5: " if "\x01" not in spelling else ""
    )


@pytest.mark.parametrize(
    "key",
    ["yes", "on", "no", "Off", "True", "0755", "0x10", "1.0", "1e3", "1_000", "~", "null", "01"],
)
def test_a_key_that_is_another_text_to_kubectl_is_refused_and_in_quotes_is_itself(key: str) -> None:
    assert "put it in quotes" in fault(f"{HEAD}data:\n  {key}: x\n")
    assert data(f'{HEAD}data:\n  "{key}": x\n') == {key: "x"}


@pytest.mark.parametrize("key", ["1", "true", "false", "1.5", "80", "a.b/c"])
def test_a_key_that_is_the_same_text_to_kubectl_needs_no_quotes(key: str) -> None:
    assert data(f"{HEAD}data:\n  {key}: x\n") == {key: "x"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x: &x {p: q, a: z}\ndata: {<<: *x, a: b}\n", {"a": "b", "p": "q"}),
        (
            "x: &x {p: q, a: z}\ny1: &y {p: r, c: s}\ndata: {<<: [*x, *y], a: b}\n",
            {"a": "b", "c": "s", "p": "q"},
        ),
        ("x: &x {p: q}\ny1: &y {r: s}\ndata:\n  <<: *x\n  <<: *y\n", {"p": "q", "r": "s"}),
        ("x: &x {p: q}\nz: &z {<<: *x, r: s}\ndata: {<<: *z}\n", {"p": "q", "r": "s"}),
        ("x: &x {p: q}\ndata: {!!merge <<: *x}\n", {"p": "q"}),
        ('x: &x {p: q}\ndata: {"<<": *x}\n', {"<<": {"p": "q"}}),
        ("x: &x v\ny1: &x w\ndata: {t: *x}\n", {"t": "w"}),
        ("x: &x k\ndata: {*x : v}\n", {"k": "v"}),
    ],
)
def test_anchors_and_merge_keys_mean_what_they_mean_to_kubectl(text: str, value: Any) -> None:
    assert data(HEAD + text) == value


def test_a_key_before_a_merge_that_differs_is_not_guessed() -> None:
    assert fault(f"{HEAD}x: &x {{a: z}}\ndata:\n  a: b\n  <<: *x\n").startswith("7: ")


@pytest.mark.parametrize(
    "stream",
    [
        f"{A}\n{B}\n",
        f"{A}{B}",
        f"\n\n {A} \r\n {B}",
        f"# made by hand\n{A}\n---\n{B}",
        f"{A}\n---\n{HEAD.replace('a}', 'b}')}",
        f"{HEAD}---\n{B}\n",
        f"{HEAD}--- # the second\n\n{B}\n...\n---\n~\n",
        f"--- # note\n{HEAD}---   \n# only a comment\n---\n{HEAD.replace('a}', 'b}')}...\n",
        f"{HEAD}---\n\ufeff{HEAD.replace('a}', 'b}')}",
        f"{HEAD}---\n\ufeff{B}",
        f"{HEAD}---\n--- !!map\n{HEAD.replace('a}', 'b}')}---",
        f"%YAML 1.1\n---\n{A}\n---\n{B}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n" + B,
        json.dumps({"kind": "List", "apiVersion": "v1", "items": [json.loads(A), json.loads(B)]}),
    ],
)
def test_of_a_stream_no_object_is_lost_however_it_is_written(stream: str) -> None:
    for text in (stream, stream.replace("\r\n", "\n").replace("\n", "\r\n"), stream.rstrip("\n")):
        assert names(text) == ["a", "b"]


def test_json_is_read_as_json() -> None:
    text = json.dumps(
        {
            **json.loads(A),
            "data": {"t": "a\tb\u2028\x7f \U0001f600", "<<": "merge", "y": "yes", "z": "0755"},
        },
        indent="\t",
    ).replace("yes", "\\/yes")
    assert data(text) == {
        "t": "a\tb\u2028\x7f \U0001f600",
        "<<": "merge",
        "y": "/yes",
        "z": "0755",
    }


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{\n "apiVersion": "v1",\n "kind" "x"\n}', "3: not valid JSON"),
        ('{\n "a": "b\\q"\n}', "2: not valid JSON"),
        ('{"a": tru}\n{"b" 1}', "1: not valid JSON"),
        ('{"a": 1}\n{"b": [1,\n 2', "3: not valid JSON"),
        ('---\na: b\n---\n\n{"a": "b" "c"}', "5: not valid JSON"),
        ('{"a": 1,\n "a": 2}', '2: the key "a" stands twice'),
        ("a: 1\n---\nb: [\n", "4: not valid YAML"),
    ],
)
def test_a_fault_of_a_text_is_said_with_its_line(text: str, where: str) -> None:
    assert fault(text).startswith(where)


def test_lines_of_fields_are_those_of_the_file_behind_json_and_separators() -> None:
    text = f'{HEAD}---\n\n{A[:-1]},\n "data":\n  {{"x":\n 7}}}}\n---\n{HEAD}data:\n  y: 8\n'
    assert [line.partition(": ")[0] for line in read(text).faults] == ["f:8", "f:15"]


@pytest.mark.parametrize("items", ["", "items:", "items: null", "items: []", "items: ~"])
def test_a_list_without_items_is_an_empty_list(items: str) -> None:
    for kind in ("List", "ConfigMapList"):
        assert names(f"apiVersion: v1\nkind: {kind}\n{items}\n") == []


def test_what_is_in_a_list_must_be_objects() -> None:
    assert read("kind: List\nitems: x\n").faults == ["f:2: items: expected a list of objects"]
    (said,) = read("kind: List\nitems: [null]\n").faults
    assert said == "f:2: expected an object with apiVersion and kind"


def test_the_items_of_a_list_of_a_kind_need_not_say_which_it_is() -> None:
    assert names("apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n") == ["a"]
    (said, _) = read("apiVersion: v1\nkind: List\nitems:\n- metadata: {name: a}\n").faults
    assert "apiVersion: is required" in said


def nested_lists(depth: int) -> str:
    value: Any = json.loads(A)
    for _ in range(depth):
        value = {"apiVersion": "v1", "kind": "List", "items": [value]}
    return json.dumps(value)


def test_lists_in_lists_are_read_to_a_bounded_depth() -> None:
    assert names(nested_lists(3)) == ["a"]
    (said,) = read(nested_lists(40)).faults
    assert "lists in each other" in said


BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
)
LIST_BOMB = "\n".join(
    ["kind: List", "items:", "- &l0 {kind: List, items: [" + ", ".join([A] * 10) + "]}"]
    + [f"- &l{n} {{kind: List, items: [{', '.join([f'*l{n - 1}'] * 10)}]}}" for n in range(1, 9)]
)
TEXT_BOMB = f"kind: List\nitems:\n- &t {'x' * 1_000_000}\n" + "- [*t, *t, *t, *t, *t, *t]\n" * 500
MERGE_BOMB = "x0: &x0 {a: b}\n" + "\n".join(
    f"x{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 10)}]}}" for n in range(1, 9)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        LIST_BOMB,
        MERGE_BOMB,
        "kind: List\nitems:\n- &o {kind: X, data: {t: &t " + "y" * 500_000 + "}}\n"
        + "- *o\n" * 50_000,
        "&l\nkind: List\nitems: [*l]\n",
        "kind: List\nitems: &i\n- kind: List\n  items: *i\n",
        "a: &a\n  b: *a\n",
        "&a [*a]",
        "a: &a {<<: *a}\n",
        "[" * 50_000,
        "- " * 50_000,
        "{a: " * 50_000,
        '{"a":' * 50_000,
        f"{'[' * 50_000}{']' * 50_000}",
        "? " * 50_000,
    ],
)  # fmt: skip
def test_a_text_that_grows_by_repeating_itself_ends_soon_with_a_fault(text: str) -> None:
    began = time.process_time()
    faults = read(text).faults
    assert faults
    assert all(line.startswith("f:") for line in faults)
    assert time.process_time() - began < 10


def test_a_large_text_of_many_small_documents_is_read_in_linear_time() -> None:
    def seconds(document: str, count: int) -> float:
        began = time.process_time()
        values_in(f"%YAML 1.1\n---\n{document * count}")
        return time.process_time() - began

    for document in ('{"a":1}\n---\n', "a: 1\n---\n", f"{'#' * 99}\n---\n{{}}\n---\n"):
        seconds(document, 100)
        assert seconds(document, 20_000) < 40 * max(seconds(document, 2_000), 0.01)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_may_begin_with_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"{HEAD}data: {{t: ☺}}\n", encoding=encoding)
    ((_, text),) = read_sources([str(file)], recursive=False)
    assert data(text) == {"t": "☺"}


def test_a_key_without_a_value_is_kept_with_an_empty_one() -> None:
    (item,) = read(f"{HEAD}data:\n  t:\n  u: null\n").items
    assert dict(item.message.data) == {"t": "", "u": ""}
    metadata, spec = "{name: a, labels: {l: }}", "{nodeSelector: {disk: }}"
    pod = f"{{apiVersion: v1, kind: Pod, metadata: {metadata}, spec: {spec}}}"
    (item,) = read(pod).items
    assert dict(item.message.spec.node_selector) == {"disk": ""}
    assert dict(item.message.metadata.labels) == {"l": ""}


TOKENS = [
    HEAD, A, B, "---", "\n---\n", "...", "\n", "  ", "\t", "- ", ": ", "{", "}", "[", "]", ",",
    "&a ", "*a", "<<: ", "!!binary ", "!!int ", "! ", "!x ", "|\n", ">-\n", '"', "'", "\\ud83d",
    "\\", "#", "%", "data:\n", "items:", "kind: List\n", "spec:\n", "metadata:\n", "name: x\n",
    "\ufeff", "\x00", "\u2028", "null", "~", "yes", "0o7", "1e999", ".inf", "9" * 50, '{"a":',
    '"kind":"List","items":[', '"data":{"\\ud83d":"\\ud83d"}',
    "apiVersion: v1\nkind: Pod\nspec: {containers: [{ports: [{containerPort: 1e400}]}]}\n",
]  # fmt: skip


@settings(max_examples=300, deadline=2000)
@given(st.lists(st.sampled_from(TOKENS), max_size=25).map("".join))
def test_no_text_ends_in_anything_but_objects_and_faults_with_lines(text: str) -> None:
    reading = read(text)
    assert all(re.match(r"f:[0-9]+: ", line) for line in reading.faults + reading.warnings)
