"""What `./dev generate` writes from the registry of kinds is what the repository has."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.__main__ import written
from podraft.api import kinds

ROOT = Path(__file__).parents[2]
WRITTEN = written()


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_a_file_says_what_follows_from_the_registry(path: Path) -> None:
    assert path.read_text() == WRITTEN[path], "run ./dev generate"


def test_every_kind_has_a_service_and_no_service_is_left_of_a_kind_that_is_gone() -> None:
    services = set((ROOT / "protos").rglob("*_service.proto"))
    assert services == {path for path in WRITTEN if path.suffix == ".proto"}
    assert len(services) == len(list(kinds.BUILT_IN))
