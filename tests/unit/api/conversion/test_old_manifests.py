"""Old manifests: each version against its present form, and manifests of any shape."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from podraft.api import conversion
from podraft.api.violations import InvalidObjectError, Violation

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text())
ODD: tuple[Any, ...] = (None, "", "x", 0, True, [], [1, None], {}, {"a": 1}, [{}], [[]])


def title(case: dict[str, Any]) -> str:
    old = case["old"]
    return case.get("says") or f"{old['apiVersion']} {old['kind']}"


@pytest.mark.parametrize("case", CASES, ids=title)
def test_an_old_manifest_has_its_present_form(case: dict[str, Any]) -> None:
    old, before = case["old"], copy.deepcopy(case["old"])
    if refused := case.get("refused"):
        with pytest.raises(InvalidObjectError) as caught:
            conversion.converted(old)
        assert caught.value.violations == (Violation(refused["field"], refused["says"]),)
        return
    present = case.get("present") or {**old, "apiVersion": case["version"]}
    assert conversion.converted(old) == present
    assert old == before


def test_every_old_version_has_a_case() -> None:
    tried = {(case["old"]["apiVersion"], case["old"]["kind"]) for case in CASES}
    assert tried == {(old.api_version, old.kind) for old in conversion.old_versions()}


def test_a_present_form_is_not_old_itself() -> None:
    present = {(old.present, old.kind) for old in conversion.old_versions() if old.present}
    assert not present & {(old.api_version, old.kind) for old in conversion.old_versions()}


@pytest.mark.parametrize("case", CASES, ids=title)
def test_a_manifest_of_any_shape_is_converted_or_refused(case: dict[str, Any]) -> None:
    for broken in _broken(case["old"]):
        if not conversion.is_old(broken):
            continue
        try:
            conversion.converted(broken)
        except InvalidObjectError as error:
            assert error.violations


def _broken(value: Any) -> Iterator[Any]:
    """Yield copies of a value, each with one part replaced by something odd."""
    yield from ODD[: 0 if isinstance(value, dict) and "apiVersion" in value else None]
    if isinstance(value, dict):
        for key, item in value.items():
            for odd in _broken(item):
                yield {**value, key: odd}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for odd in _broken(item):
                yield [*value[:index], odd, *value[index + 1 :]]
