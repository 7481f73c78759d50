"""Commands that need no cluster: the configuration file, plug-ins, lists of kinds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from podraft.cli.app import cli


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(cli, arguments, **options)


def test_a_configuration_is_made_and_changed_by_commands_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "config"
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\n")

    def config(*words: str) -> str:
        result = run("config", *words, "--config", str(path))
        assert result.exit_code == 0, result.output
        return result.output

    trusted = f"--certificate-authority={authority}"
    config("set-cluster", "c", "--server=https://10.0.0.1:7443", trusted)
    config("set-credentials", "u", f"--client-certificate={authority}", f"--client-key={authority}")
    assert config("set-context", "x", "--cluster=c", "--user=u", "-n", "shop") == (
        'Context "x" created.\n'
    )
    assert config("use-context", "x") == 'Switched to context "x".\n'
    assert config("set-context", "--current", "-n", "other") == 'Context "x" modified.\n'
    assert config("current-context") == "x\n"
    assert config("get-contexts", "-o", "name") == "x\n"
    assert path.stat().st_mode & 0o077 == 0
    document = yaml.safe_load(path.read_text())
    assert document["contexts"][0]["context"]["namespace"] == "other"
    assert "client-key-data" in document["users"][0]["user"]
    assert "REDACTED" in config("view", "--minify")
    config("rename-context", "x", "y")
    config("delete-context", "y")
    assert config("get-contexts", "--no-headers") == ""
    failed = run("config", "use-context", "y", "--config", str(path))
    assert (failed.exit_code, failed.output) == (
        1,
        'Error: there is no context "y"; there are: none\n',
    )


def test_a_program_on_the_path_is_a_command_that_gets_its_words(tmp_path: Path) -> None:
    for name, says in (("podraft-hello", "hello"), ("podraft-hello-my_world", "world")):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {says} "$@"\n')
        program.chmod(0o755)
    (tmp_path / "podraft-get").write_text("#!/bin/sh\necho never\n")
    (tmp_path / "podraft-get").chmod(0o755)
    (tmp_path / "podraft-data").write_text("not to be run")

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        code = "from podraft.cli.app import main; main()"
        path = f"{tmp_path}:/usr/bin:/bin"
        return subprocess.run(
            [sys.executable, "-c", code, *words],
            capture_output=True, text=True, env={"PATH": path}, check=False,
        )  # fmt: skip

    assert call("hello", "x", "--flag").stdout == "hello x --flag\n"
    assert call("hello", "my-world", "-n", "y").stdout == "world -n y\n"
    assert "options stand after the name of a plug-in" in call("-n", "x", "hello").stderr
    listed = call("plugin", "list", "--name-only")
    assert listed.stdout.split() == ["podraft-get", "podraft-hello", "podraft-hello-my_world"]
    assert "podraft has a command of its name" in listed.stderr
    assert listed.returncode == 1
    assert call("data").returncode == 2


def test_kinds_are_listed_by_group_verb_and_category() -> None:
    assert "apps/v1" in run("api-versions").output.splitlines()
    names = run("api-resources", "--api-group=apps", "-o", "name").output.split()
    assert "deployments.apps" in names
    assert all(name.endswith(".apps") for name in names)
    assert "nodes" in run("api-resources", "--no-namespaced", "-o", "name").output.split()
    assert "pods" in run("api-resources", "--categories=all", "-o", "name").output.split()
    assert "VERBS" in run("api-resources", "-o", "wide").output
