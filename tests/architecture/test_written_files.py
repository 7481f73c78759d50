"""What `./dev generate` writes from the registry of kinds is what the repository has."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from contract import services
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


@pytest.mark.parametrize(
    ("verbs", "methods", "messages"),
    [
        (("create",), ["CreateLease"], ["CreateLeaseRequest"]),
        (("get", "list"), ["GetLease", "ListLeases"], []),
        (("watch",), ["WatchLeases"], ["LeaseWatchEvent", "WatchLeasesResponse"]),
        (("update", "patch"), ["UpdateLease", "PatchLease"], ["UpdateLeaseRequest"]),
    ],
)
def test_a_service_has_what_its_kinds_verbs_need(verbs, methods, messages) -> None:
    text = services.text_of(replace(kinds.LEASE, verbs=verbs))
    assert re.findall(r"rpc (\w+)", text) == methods
    assert re.findall(r"^message (\w+)", text, re.MULTILINE) == messages
