"""What `./dev generate` writes from the registry of kinds is what the repository has."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from contract import services, support_page
from contract.__main__ import written
from podraft.api import kinds, support
from podraft.api.views import VIEWS

ROOT = Path(__file__).parents[2]
WRITTEN = written()


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_a_file_says_what_follows_from_the_registry(path: Path) -> None:
    assert path.read_text() == WRITTEN[path], "run ./dev generate"


def test_every_kind_has_a_service_and_no_service_is_left_of_a_kind_that_is_gone() -> None:
    services = set((ROOT / "protos").rglob("*_service.proto"))
    assert services == {path for path in WRITTEN if path.suffix == ".proto"}
    assert len(services) == len([*kinds.BUILT_IN, *kinds.BUILT_IN.answered(), *VIEWS])


@pytest.mark.parametrize(
    ("verbs", "methods", "messages"),
    [
        (("create",), ["CreateLease"], ["CreateLeaseRequest"]),
        (("get", "list"), ["GetLease", "ListLeases"], []),
        (("watch",), ["WatchLeases"], ["LeaseWatchEvent", "WatchLeasesResponse"]),
        (
            ("update", "patch"),
            ["UpdateLease", "PatchLease", "ApplyLease"],
            ["UpdateLeaseRequest", "ApplyLeaseRequest"],
        ),
    ],
)
def test_a_service_has_what_its_kinds_verbs_need(verbs, methods, messages) -> None:
    text = services.text_of(replace(kinds.LEASE, verbs=verbs))
    assert re.findall(r"rpc (\w+)", text) == methods
    assert re.findall(r"^message (\w+)", text, re.MULTILINE) == messages


def test_the_page_of_what_is_supported_names_every_field_without_effect() -> None:
    page = support_page.text_of(kinds.BUILT_IN, VIEWS)
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", page, re.MULTILINE)
    shown = {(path.removesuffix("[]").rpartition(".")[2], why) for path, why in rows}
    shown = {(name, why.partition(" (not needed")[0]) for name, why in shown}
    seen: set[str] = set()
    ahead = [kind.message.DESCRIPTOR for kind in kinds.BUILT_IN]
    while ahead:
        for field in ahead.pop().fields:
            content = support.content_of(field)
            if reason := support.reason_of(field):
                assert (field.json_name, reason) in shown, field.full_name
            elif content is not None and content.full_name not in seen:
                seen.add(content.full_name)
                ahead.append(content)
