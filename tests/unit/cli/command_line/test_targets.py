"""Words of a command line: which kinds and names they mean."""

from __future__ import annotations

import pytest

from podraft.api import kinds
from podraft.cli.command_line.targets import Target, parse_targets, word_of
from podraft.cli.errors import CliError


def test_a_category_means_its_kinds_group_by_group() -> None:
    found = [target.kind for target in parse_targets(["all"])]

    assert found[:3] == [kinds.POD, kinds.REPLICATION_CONTROLLER, kinds.SERVICE]
    assert set(found) == set(kinds.BUILT_IN.of_category("all"))


def test_a_kind_that_is_named_twice_is_meant_once() -> None:
    found = [target.kind for target in parse_targets(["svc,all,cm"])]

    assert found[:2] == [kinds.SERVICE, kinds.POD]
    assert found[-1] is kinds.CONFIG_MAP
    assert len(found) == len(set(found))


def test_what_an_object_is_called_is_understood_again() -> None:
    for kind in kinds.BUILT_IN:
        assert parse_targets([word_of(kind, "x")]) == [Target(kind, "x")]


@pytest.mark.parametrize("words", [[], ["pods", "svc/web"], ["pods,svc", "x"], ["pod/"], ["nope"]])
def test_what_cannot_be_meant_is_refused(words: list[str]) -> None:
    with pytest.raises(CliError):
        parse_targets(words)
