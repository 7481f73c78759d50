"""Mutants have stable names, the list of equivalent ones is current, a sample is found."""

from __future__ import annotations

import random

import pytest

from mutation.__main__ import all_mutants, equivalent, trials
from mutation.mutants import mutants
from mutation.targets import TARGETS

# Found by the unit tests alone, so that this stays short; `./dev mutate` tries all.
SAMPLE = 4


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_mutant_has_a_name_of_its_own(target: str) -> None:
    found = [mutant.name for mutant in all_mutants(target)]
    assert len(found) > 50
    assert len(set(found)) == len(found)


def test_the_list_of_equivalent_mutants_names_existing_ones_with_reasons() -> None:
    listed = equivalent()
    existing = {mutant.name for target in TARGETS for mutant in all_mutants(target)}
    assert set(listed) <= existing
    assert all(len(reason) > 20 for reason in listed.values())


def test_a_name_does_not_depend_on_the_line() -> None:
    source = "def f(a):\n    if a < 1:\n        a.b = 2\n"
    moved = "X = 1\n\n\n" + source
    assert [m.name for m in mutants("m", source)] == [m.name for m in mutants("m", moved)]


def test_a_sample_of_mutants_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.randrange(1 << 32)
    known = equivalent()
    chosen = [
        mutant
        for mutant in all_mutants("raft")
        if mutant.name not in known
        and (":RaftLog.merge:" in mutant.name or ":changed_membership:" in mutant.name)
    ]
    sample = random.Random(seed).sample(chosen, SAMPLE)
    survivors = [name for name, found in trials("raft", sample, 0, 2) if not found]
    assert not survivors, f"seed {seed}"
