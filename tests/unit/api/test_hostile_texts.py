"""Nothing that a caller writes costs more than its length: not only right, but in time.

Processor time of the thread is measured, for an input and for one four times as long: the longer
one may take four times as long, with room for caches and noise, and never sixteen times.
"""

from __future__ import annotations

import contextlib
import gc
import json
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from podraft.api import codec, kinds, names, quantities, times
from podraft.api.codec.merge_patches import create_merge_patch, merge_patch
from podraft.api.selectors.fields import parse_field_selector
from podraft.api.selectors.labels import parse_label_selector
from podraft.api.violations import VIOLATIONS_MAX, InvalidObjectError
from support.api_objects import example

# What is below this is noise, whatever it is divided by.
_NOISE_S = 0.002
_RATIO_MAX = 9.0
# Each ratio is that of the best of so many tries.
_TRIES = 5

Take = Callable[[Any], object]


def seconds(take: Take, given: Any) -> float:
    gc.disable()
    try:
        began = time.thread_time()
        with contextlib.suppress(InvalidObjectError, ValueError):
            take(given)
        return time.thread_time() - began
    finally:
        gc.enable()


def check_linear(take: Take, make: Callable[[int], Any], size: int) -> None:
    small, large = make(size), make(4 * size)
    took = [min(seconds(take, given) for _ in range(_TRIES)) for given in (small, large)]
    ratio = took[1] / max(took[0], _NOISE_S)
    assert ratio < _RATIO_MAX, f"{size}: {took[0]:.4f} s, {4 * size}: {took[1]:.4f} s"


PIECES = (
    " ",
    "\t",
    "a",
    "=",
    "!",
    "!=",
    ",",
    "(",
    ")",
    " in ",
    "notin(",
    "\u00a0",
    "é",
    "a=b,",
    "\0",
)


def repeated(piece: str) -> Callable[[int], str]:
    return lambda size: (piece * size)[:size]


def mixed(seed: int) -> Callable[[int], str]:
    return lambda size: "".join(Random(seed).choices(PIECES, k=size))[:size]


TEXTS = [
    *(pytest.param(repeated(piece), id=repr(piece)) for piece in PIECES),
    *(pytest.param(mixed(seed), id=f"seed {seed}") for seed in range(8)),
    pytest.param(lambda size: "spec.nodeName=" + " " * size, id="a value of blanks"),
    pytest.param(lambda size: "a in (" + "x," * (size // 2), id="open parentheses"),
    pytest.param(lambda size: "a" + " " * size + "b", id="blanks within"),
    pytest.param(lambda size: "a=" + "b" * size, id="a long value"),
]


@pytest.mark.parametrize("make", TEXTS)
@pytest.mark.parametrize(
    "take",
    [
        lambda text: parse_label_selector(text),
        lambda text: parse_field_selector(kinds.POD, text),
        names.qualified,
        names.label_value,
        names.dns_subdomain,
        names.data_key,
        names.environment_variable,
        names.api_version,
        quantities.canonical,
        times.parse_rfc3339,
        times.parse_duration_s,
    ],
    ids=[
        "label selector",
        "field selector",
        "qualified",
        "label value",
        "subdomain",
        "data key",
        "variable",
        "api version",
        "quantity",
        "time",
        "duration",
    ],
)
def test_texts_are_read_in_linear_time(take: Take, make: Callable[[int], str]) -> None:
    # Selectors are cut off at 16 KB, so both sizes are below.
    check_linear(take, make, 4_000)


def test_sixteen_kilobytes_of_blanks_take_less_than_a_millisecond() -> None:
    for make in (" ", "a" + " " * 16_000, "spec.nodeName=" + " " * 16_000 + "!"):
        text = make.ljust(16_384)
        best = min(
            seconds(take, text)
            for _ in range(20)
            for take in (parse_label_selector, lambda t: parse_field_selector(kinds.POD, t))
        )
        assert best < 0.001


def patched(text: str) -> object:
    stored = codec.to_json(example(kinds.POD, "a"))
    merged = merge_patch(stored, codec.decode_json(text))
    return codec.parse(kinds.POD.message, merged)


PATCHES: dict[str, Callable[[int], Any]] = {
    "unknown fields": lambda size: {f"specc{n}": 1 for n in range(size // 10)},
    "long unknown fields": lambda size: {f"s{n}" + "p" * 200: 1 for n in range(size // 200)},
    "one long unknown field": lambda size: {"s" * size: 1},
    "labels": lambda size: {"metadata": {"labels": {f"k{n}": "v" for n in range(size // 10)}}},
    "wrong labels": lambda size: {"metadata": {"labels": {f"{n}": n for n in range(size // 10)}}},
    "containers": lambda size: {"spec": {"containers": [{}] * (size // 4)}},
    "wrong containers": lambda size: {"spec": {"containers": [{"nmae": 1}] * (size // 10)}},
    "numbers": lambda size: {"spec": {"containers": [1] * (size // 3)}},
    "arguments": lambda size: {"spec": {"containers": [{"name": "a", "args": [""] * (size // 4)}]}},
    "a long value": lambda size: {"metadata": {"annotations": {"a": "x" * size}}},
    "escapes": lambda size: {"metadata": {"annotations": {"a": "\x01" * (size // 6)}}},
}


@pytest.mark.parametrize("make", PATCHES.values(), ids=PATCHES)
def test_patches_are_applied_in_linear_time(make: Callable[[int], Any]) -> None:
    check_linear(patched, lambda size: json.dumps(make(size)), 100_000)


@pytest.mark.parametrize(
    "text",
    [
        '{"spec": {"priority": 1e999999999}}',
        '{"spec": {"priority": ' + "9" * 100_000 + "}}",
        '{"spec": {"priority": -1E400}}',
        '{"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": 1e308}}}]}}',
        '{"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1e999999"}}}]}}',
        '{"metadata": {"creationTimestamp": "9999-99-99T99:99:99Z"}}',
        '{"metadata": {"creationTimestamp": "' + "0" * 100_000 + '"}}',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"a":' * 200 + "1" + "}" * 200,
        '{"spec": ' + "[" * 900 + "]" * 900 + "}",
        '{"a": "\\ud800"}',
        '{"metadata": {"labels": {"a": "\\ud800"}}}',
        "\ufeff{}",
        "nul" * 10_000,
    ],
)
def test_hostile_json_is_refused_at_once(text: str) -> None:
    began = time.thread_time()
    with pytest.raises(InvalidObjectError):
        patched(text)
    assert time.thread_time() - began < 0.25


def test_at_most_a_hundred_faults_are_looked_for_and_the_answer_says_so() -> None:
    faulty = {f"specc{number}": 1 for number in range(100_000)}
    with pytest.raises(InvalidObjectError, match="perhaps more") as caught:
        codec.parse(kinds.POD.message, faulty)
    assert len(caught.value.violations) == VIOLATIONS_MAX
    assert caught.value.more
    hints = [v for v in caught.value.violations if "did you mean" in v.description]
    assert 0 < len(hints) <= 5
    # Nobody looks at the others: so many more cost nothing.
    check_linear(
        lambda given: codec.parse(kinds.POD.message, given),
        lambda size: {f"specc{number}": 1 for number in range(size)},
        50_000,
    )


def test_patches_between_nested_objects_are_made_in_linear_time_or_refused() -> None:
    def nested(size: int) -> Any:
        inner: Any = "x"
        for _ in range(min(size, 60)):
            inner = {"a": inner, **{f"k{n}": n for n in range(size // 60)}}
        return inner

    check_linear(lambda given: create_merge_patch({}, given), nested, 6_000)
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidObjectError):
        create_merge_patch({"a": deep}, {"a": [deep]})
    while deep:  # Python itself would free it recursively.
        deep = deep.pop()


@pytest.mark.parametrize("terms", [1, 256])
def test_matching_costs_what_the_object_is_not_how_many_terms_there_are(terms: int) -> None:
    labels = parse_label_selector(",".join(f"k{n}!=v" for n in range(terms)))
    fields = parse_field_selector(kinds.POD, ",".join(f"spec.nodeName!=n{n}" for n in range(terms)))
    pod = example(kinds.POD, "a", labels={"app": "web"})
    few = parse_label_selector("k0!=v"), parse_field_selector(kinds.POD, "spec.nodeName!=n0")

    def cost(pair: Any) -> float:
        def match(_: object) -> None:
            for _n in range(3_000):
                assert pair[0].matches(pod.metadata.labels)
                assert pair[1].matches(pod)

        return min(seconds(match, None) for _ in range(_TRIES))

    assert cost((labels, fields)) < 4 * cost(few)
