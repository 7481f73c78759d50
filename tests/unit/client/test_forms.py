"""JSON objects as instances of a program's dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from podraft.client.calls.declared import made_of


@dataclass
class Step:
    run: str
    after: list[str] = field(default_factory=list)


@dataclass
class Plan:
    steps: list[Step]
    by_name: dict[str, Step] = field(default_factory=dict)
    last: Step | None = None
    rest: Any = None


def test_a_value_is_made_of_dataclasses_however_deep_they_stand() -> None:
    value = {
        "steps": [{"run": "a"}, {"run": "b", "after": ["a"]}],
        "by_name": {"a": {"run": "a"}},
        "last": {"run": "b", "unknown": 1},
        "rest": {"run": "c"},
    }
    made = Plan([Step("a"), Step("b", ["a"])], {"a": Step("a")}, Step("b"), {"run": "c"})
    assert made_of(Plan, value) == made
    assert made_of(Plan, {"steps": [], "last": None}) == Plan([])
    assert made_of(dict, value) is value


def test_a_field_that_must_be_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"Step: .*'run'"):
        made_of(Plan, {"steps": [{"after": []}]})
