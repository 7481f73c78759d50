"""A kind is added as ``docs/adding-a-kind.md`` says, and has all that other kinds have."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.new_kind.extended_project import ExtendedProject, blocks, extended
from support.cli_server import CliServer, cli_server

HERE = Path(__file__).parent
NAMED = "coupon.shop.example.com"
SUMMER = """\
apiVersion: shop.example.com/v1
kind: Coupon
metadata: {name: summer}
spec: {code: sun}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ExtendedProject:
    return extended(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def server(project: ExtendedProject) -> Iterator[CliServer]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in project.environment.items():
            patch.setenv(name, value)
        with cli_server() as running:
            yield running


@pytest.fixture
def summer(server: CliServer) -> Iterator[CliServer]:
    server.ok("apply", "-f", "-", stdin=SUMMER)
    yield server
    server.ok("delete", "coupons", "--all")


def test_a_kind_is_one_message_one_entry_and_one_room(project: ExtendedProject) -> None:
    assert sorted(blocks()) == [
        "protos/podraft/api/kinds/records.py",
        "protos/podraft/api/shop/v1/coupon.proto",
        "server/podraft/server/kinds/shop/coupon.py",
    ]


def test_it_is_stored_with_its_defaults(summer: CliServer) -> None:
    stored = json.loads(summer.ok("get", "coupon", "summer", "-o", "json"))
    assert stored["spec"] == {"code": "sun", "percent": 10}
    assert stored["metadata"]["generation"] == 1


def test_it_is_listed_by_all_its_names_and_selectors(summer: CliServer) -> None:
    for word in ("coupons", "coupon", "cpn", "coupons.shop.example.com"):
        header, row = summer.ok("get", word).splitlines()
        assert header.split() == ["NAME", "AGE"]
        assert row.split()[0] == "summer"
    assert summer.ok("get", "cpn", "-o", "name") == f"{NAMED}/summer\n"
    assert summer.ok("get", "cpn", "--field-selector=spec.code=snow", "-o", "name") == ""


def test_it_is_applied_patched_described_and_explained(summer: CliServer) -> None:
    changed = SUMMER.replace("code: sun", "code: sun, percent: 25")
    assert "configured" in summer.ok("apply", "-f", "-", stdin=changed)
    assert "unchanged" in summer.ok("apply", "-f", "-", stdin=changed)
    summer.ok("label", "coupon", "summer", "season=hot")
    assert summer.ok("get", "cpn", "-l", "season=hot", "-o", "name") == f"{NAMED}/summer\n"
    assert "summer" in summer.ok("describe", "coupon", "summer")
    assert "Default 10" in summer.ok("explain", "coupon.spec.percent")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("{code: moon, percent: 101}", "spec.percent: must be 1 to 100, is 101"),
        ("{percent: 5}", "spec.code: is required"),
        ("{code: sun}", "spec.code: sun is taken by another coupon, default/summer"),
        ("{code: moon, terms: fair}", "spec.terms: there is no ConfigMap fair"),
        ("{code: moon, percentage: 5}", "percentage"),
    ],
)
def test_what_is_wrong_is_refused_by_its_field(summer: CliServer, spec: str, says: str) -> None:
    wrong = SUMMER.replace("summer", "other").replace("{code: sun}", spec)
    refused = summer.run("apply", "-f", "-", stdin=wrong)
    assert refused.code != 0
    assert says in refused.err
    assert summer.ok("get", "cpn", "-o", "name") == f"{NAMED}/summer\n"


def test_what_must_not_change_stays(summer: CliServer) -> None:
    refused = summer.run("apply", "-f", "-", stdin=SUMMER.replace("sun", "rain"))
    assert "spec.code: cannot be changed: it is sun" in refused.err


def test_it_may_refer_to_what_exists(summer: CliServer) -> None:
    terms = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: fair}\n"
    both = terms + "---\n" + SUMMER.replace("code: sun", "code: sun, terms: fair")
    summer.ok("apply", "-f", "-", stdin=both)
    assert json.loads(summer.ok("get", "cpn", "summer", "-o", "json"))["spec"]["terms"] == "fair"


def test_what_a_deleted_one_held_alone_is_free_again(summer: CliServer) -> None:
    summer.ok("delete", "coupon", "summer")
    summer.ok("apply", "-f", "-", stdin=SUMMER.replace("summer", "other"))
    assert summer.ok("get", "cpn", "-o", "name") == f"{NAMED}/other\n"


def told_by(program: Path, project: ExtendedProject, *arguments: str | Path) -> Any:
    """Return what a program printed, run as one of the extended project."""
    done = subprocess.run(
        [sys.executable, program, *arguments],
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_programs_watch_it_and_write_its_status_apart(
    project: ExtendedProject, server: CliServer
) -> None:
    seen = told_by(HERE / "coupon_uses.py", project, server.config)
    assert "status.redeemed: must be at least 0, is -1" in seen.pop("refused")
    assert seen == {
        "property": True,
        "status": 3,
        "after update": [20, 3, 2],
        "watched": [["ADDED", 10], ["MODIFIED", 10], ["MODIFIED", 20], ["DELETED", 20]],
    }


def test_a_write_is_void_if_what_it_looked_at_or_claims_has_changed(
    project: ExtendedProject,
) -> None:
    told = told_by(HERE / "coupon_plans.py", project)
    assert told["made"] == {
        "namespaces/default": 1,
        "configmaps/default/fair": 2,
        "coupons.shop.example.com/default/summer": 0,
        "_codes/sun": 0,
    }
    # Neither the terms nor the code change, so nothing else must have stayed.
    assert told["changed"] == {"coupons.shop.example.com/default/summer": 3}
