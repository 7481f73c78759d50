"""Manifests as they are found in the world: applied as they are, or refused field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli_server import CliServer, cli_server

DIRECTORY = Path(__file__).parent / "manifests"
# What podraft does not have: the line, the field and where a warning suffices instead.
REFUSED = {
    "affinity.yaml": ("affinity.yaml:7:", "spec.affinity.podAntiAffinity", True),
    "config-by-environment.yaml": (
        "config-by-environment.yaml:42:",
        "spec.containers[0].env[4].valueFrom.resourceFieldRef",
        True,
    ),
    "ingress.yaml": ("ingress.yaml:", 'Ingress "', True),
    "stateful-set.yaml": ("stateful-set.yaml:24:", "spec.volumeClaimTemplates", True),
}
NAMES = sorted(path.name for path in DIRECTORY.iterdir())


@pytest.fixture(scope="module")
def server() -> Iterator[CliServer]:
    with cli_server() as running:
        yield running


@pytest.fixture
def emptied(server: CliServer) -> Iterator[CliServer]:
    """The server, without the test's objects afterwards."""
    yield server
    files = [f"--filename={DIRECTORY / name}" for name in NAMES if name not in REFUSED]
    server.run("delete", "--ignore-not-found", "--no-wait", "--force", *files)


def versions(server: CliServer) -> set[tuple[str, str, str]]:
    """Return kind, name and version of all objects that a manifest can make."""
    listed = json.loads(server.ok("get", "ns,cm,secret,svc,pod,deploy", "-A", "-o", "json"))
    return {
        (item["kind"], item["metadata"]["name"], item["metadata"]["resourceVersion"])
        for item in listed["items"]
    }


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFUSED])
def test_a_common_manifest_applies_and_applying_it_again_changes_nothing(
    emptied: CliServer, name: str
) -> None:
    path = str(DIRECTORY / name)
    first = emptied.run("apply", "-f", path)
    assert first.code == 0, first
    assert first.err.count("Warning: ") == first.err.count("\n") == (name == "old-versions.yaml")
    assert all(line.endswith(" created") for line in first.out.splitlines()), first.out
    after = versions(emptied)
    second = emptied.ok("apply", "-f", path)
    assert all(line.endswith(" unchanged") for line in second.splitlines()), second
    assert versions(emptied) == after


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_not_supported_is_named_with_its_line_and_nothing_is_applied(
    server: CliServer, name: str
) -> None:
    where, what, _ = REFUSED[name]
    before = versions(server)
    refused = server.run("apply", "-f", str(DIRECTORY / name))
    assert refused.code == 1
    assert refused.err.startswith("Error: nothing was applied\n")
    assert where in refused.err
    assert what in refused.err
    assert refused.out == ""
    assert versions(server) == before


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_ignoring_warns_of_fields_but_never_drops_an_object(server: CliServer, name: str) -> None:
    where, what, suffices = REFUSED[name]
    result = server.run(
        "apply", "--dry-run=server", "--ignore-unsupported", "-f", str(DIRECTORY / name)
    )
    assert (result.code == 0) == suffices, result
    if suffices:
        assert result.err.count("Warning: ") >= 1
        assert where in result.err
        assert what in result.err


def test_an_export_of_another_cluster_keeps_what_its_author_meant(emptied: CliServer) -> None:
    path = str(DIRECTORY / "exported-service.yaml")
    emptied.ok("apply", "-f", path)
    service = json.loads(emptied.ok("get", "service/exported", "-o", "json"))
    assert service["spec"]["ports"][0]["nodePort"] == 32080
    assert service["spec"]["clusterIP"] != "10.43.17.2"
    assert service["metadata"]["uid"] != "0c6c6d1e-1f4b-4a8e-9f7e-6f6a2f1f8a01"


def test_an_export_of_this_cluster_can_be_edited_and_applied(
    emptied: CliServer, tmp_path: Path
) -> None:
    emptied.ok("apply", "-f", str(DIRECTORY / "nginx-deployment-service.yaml"))
    exported = emptied.ok("get", "deploy/nginx-deployment", "svc/nginx", "-o", "yaml")
    path = tmp_path / "exported.yaml"
    path.write_text(exported)
    emptied.ok("apply", "-f", str(path))
    deployment = json.loads(emptied.ok("get", "deploy/nginx-deployment", "-o", "json"))
    assert deployment["metadata"]["generation"] == 1
    path.write_text(exported.replace("replicas: 3", "replicas: 5"))
    assert emptied.ok("apply", "-f", str(path)).splitlines() == [
        "deployment.apps/nginx-deployment configured",
        "service/nginx unchanged",
    ]
    deployment = json.loads(emptied.ok("get", "deploy/nginx-deployment", "-o", "json"))
    assert deployment["spec"]["replicas"] == 5
    assert deployment["metadata"]["generation"] == 2
