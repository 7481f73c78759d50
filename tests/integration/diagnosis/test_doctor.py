"""The doctor asks real servers: a group, a group with one member less, one server alone."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from integration.diagnosis.conftest import WatchedGroup
from podraft.client.connecting.config import dump
from support.cli_server import COMMAND, CliServer, Result, cli_server


def _doctor(config: Path, *arguments: str) -> Result:
    done = subprocess.run(
        [*COMMAND, "doctor", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PODRAFT_CONFIG": str(config)},
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def config_of_all(watched: WatchedGroup, tmp_path: Path) -> Path:
    servers = tuple(server.address for server in watched.group.servers.values())
    path = tmp_path / "all.conf"
    path.write_text(dump(replace(watched.group.config("a"), servers=servers)))
    return path


def _findings(result: Result) -> dict[tuple[str, str], str]:
    return {
        (finding["subject"], finding["check"]): finding["severity"]
        for finding in json.loads(result.out)["findings"]
    }


def test_a_group_is_well_until_a_member_is_stopped(watched: WatchedGroup, config_of_all: Path):
    well = _doctor(config_of_all, "-o", "json")
    assert not well.err
    found = _findings(well)
    for name in watched.ports:
        for check in ("ready", "disk", "space", "memory", "open files", "clock", "certificates"):
            # How much this machine has left is not what is tried here.
            assert found[f"server {name}", check] in ("ok", "warning", "error")
        assert found[f"server {name}", "ready"] == "ok"
        assert found[f"server {name}", "clock"] == "ok"
        assert found[f"server {name}", "certificates"] == "ok"
    assert found["cluster", "majority"] == found["cluster", "leader"] == "ok"
    assert found["you", "certificate"] == "ok"
    servers = json.loads(well.out)["servers"]
    assert [server["diagnosis"]["name"] for server in servers] == ["a", "b", "c"]
    for server in servers:
        assert int(server["diagnosis"]["disk"]["tried"]["count"]) > 0
        assert abs(server["clockAheadSeconds"]) < 1.0  # One clock.
        timeouts = server["diagnosis"]["group"]
        assert (timeouts["heartbeatSeconds"], timeouts["electionSeconds"]) == (0.12, 0.72)
        held = {each["name"] for each in server["diagnosis"]["certificates"]}
        assert {"ca", "server", "member", "admin", "scheduler", "controllers"} <= held
        # Nothing is left of the trial.
        assert not list((watched.group.directory / server["diagnosis"]["name"]).glob(".disk-*"))

    gone = watched.followers[0]
    watched.group.servers[gone].kill()
    result = _doctor(config_of_all, "--no-disk", "--quiet")
    assert result.code == 2
    lines = result.out.splitlines()
    assert any(line.startswith(f"error    server {gone}  answers: ") for line in lines)
    assert any(line.startswith("warning  cluster   majority: 2 of 3") for line in lines)
    assert lines[-1].endswith("1 error")

    # Without a leader, too, it says what is the matter.
    watched.group.servers[watched.leader].kill()
    result = _doctor(config_of_all, "--no-disk", "--quiet")
    assert result.code == 2
    assert "1 of 3 voters are up" in result.out


def _alone(server: CliServer) -> None:
    result = server.run("doctor", "-o", "json")
    found = _findings(result)
    assert found["cluster", "store"] == "ok"
    assert ("cluster", "majority") not in found
    assert (
        result.code
        == {"ok": 0, "warning": 1, "error": 2}[
            max(found.values(), key=("ok", "warning", "error").index)
        ]
    )


def test_a_server_alone_is_asked_and_others_than_administrators_learn_nothing():
    with cli_server() as server:
        _alone(server)
        scheduler = _doctor(server.process.config_path("scheduler"), "--no-disk")
        assert scheduler.code == 2
        assert "system:scheduler" in scheduler.out
        server.process.kill()
        result = _doctor(server.config, "--no-disk")
        assert result.code == 2
        assert f"server {server.process.address}" in result.out
        server.process.start()
