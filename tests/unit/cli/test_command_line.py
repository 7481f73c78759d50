"""The command line itself: usage, exit codes, what needs no cluster, what is imported when."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from podraft.cli.app import ENTRIES, cli


def run(*arguments: str, **options: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), **options)  # type: ignore[arg-type]  # env, input


@pytest.mark.parametrize("name", ENTRIES)
def test_every_listed_command_exists_and_explains_itself(name: str) -> None:
    result = run(name, "--help")

    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: podraft {name}") or "Usage:" in result.output


def test_the_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from podraft.cli.app import cli; "
        "cli.main(['--help'], 'podraft', None, False); "
        "print([m for m in ('grpc', 'yaml', 'rich', 'asyncio', 'google.protobuf') "
        "if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.splitlines()[-1] == "[]"


def test_an_unknown_command_is_a_usage_error_with_a_suggestion() -> None:
    result = run("gte", "pods")

    assert result.exit_code == 2
    assert 'Did you mean "get"?' in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("get",), "say which kind"),
        (("get", "podz"), 'did you mean "pod"?'),
        (("get", "pods,svc", "a"), "names can follow one kind only"),
        (("get", "pods", "-o", "xml"), "'xml' is not one of"),
        (("get", "pod/a/b"), "expected KIND/NAME"),
        (("get", "pods", "svc/a"), "expected KIND/NAME"),
        (("get", "pods,svc", "-w"), "-w watches one kind"),
        (("apply",), "Missing option '-f'"),
        (("delete",), "say what to delete"),
        (("delete", "pods"), "or say --all"),
        (("scale", "deploy/web"), "Missing option '--replicas'"),
        (("scale", "deploy/web", "--replicas", "x"), "not a valid integer"),
        (("rollout", "status"), "Missing argument"),
        (("rollout", "status", "deployments"), "expected one object as KIND/NAME"),
        (("logs",), "say which pod"),
        (("exec", "web"), "say which command"),
        (("wait", "pods", "--for", "never"), "expected condition=NAME"),
        (("get", "pods", "--request-timeout", "soon"), "duration"),
        (("completion", "tcsh"), "not one of"),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_says_what_is_wrong(
    arguments: tuple[str, ...], says: str
) -> None:
    result = run(*arguments)

    assert result.exit_code == 2, result.output
    assert says in result.output
    assert "Traceback" not in result.output


def test_scaling_what_has_no_replicas_is_refused() -> None:
    result = run("scale", "svc/web", "--replicas", "1")

    assert result.exit_code == 1
    assert result.output.startswith("Error: scale works on a Deployment or ")
    assert result.output.endswith(", not on a Service\n")


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    result = run("get", "pods", "--config", str(tmp_path / "none"))

    assert result.exit_code == 1
    assert f"{tmp_path / 'none'}: there is no such configuration file" in result.output


def test_a_malformed_manifest_is_refused_before_any_server_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  name: b\n")

    result = run("apply", "-f", str(file), "-n", "default")

    assert result.exit_code == 1
    assert result.output == (
        f'Error: nothing was applied\n  {file}:5: the key "name" stands twice in one mapping, '
        "first on line 4 (kubectl drops the first and takes the last)\n"
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe\x00", "not UTF-16 text"),
        (b"a: \xff", "not UTF-8 text"),
        (b"", "no objects in"),
        (b"\x00", "not valid YAML"),
        (b"a: b: c", "not valid YAML"),
    ],
)
def test_files_that_are_no_manifests_are_refused(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)

    result = run("apply", "-f", str(file), "-n", "default")

    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output


def test_a_directory_without_manifests_is_said_to_have_none(tmp_path: Path) -> None:
    result = run("apply", "-f", str(tmp_path), "-n", "default")

    assert result.exit_code == 1
    assert "no .yaml, .yml or .json file in this directory" in result.output


def test_explain_needs_no_cluster_and_prints_the_contracts_words(tmp_path: Path) -> None:
    result = run("explain", "deploy.spec.replicas", "--config", str(tmp_path / "none"))

    assert result.exit_code == 0
    assert "FIELD:    replicas <integer>" in result.output
    assert "<no description>" not in result.output


def test_explain_suggests_a_field_that_is_spelt_like_it() -> None:
    result = run("explain", "pod.spec.contaners")

    assert result.exit_code == 1
    assert 'did you mean "containers"?' in result.output


def test_global_options_may_stand_before_and_after_the_command(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")

    assert (
        run("--config", missing, "get", "pods").output
        == run("get", "pods", "--config", missing).output
    )
    assert missing in run("get", "pods", "--config", missing).output


def test_flags_accept_a_value_as_kubectls_do() -> None:
    from podraft.cli.commands.objects.delete import delete

    context = delete.make_context("delete", ["pod/a", "--wait=false", "--force=true"])

    assert context.params["wait_for"] is False
    assert context.params["force"] is True


def test_what_follows_two_dashes_belongs_to_the_command_that_is_run() -> None:
    from podraft.cli.commands.troubleshooting.exec import exec as command

    context = command.make_context("exec", ["-it", "web", "--", "sh", "-c", "x", "--wait=true"])

    assert context.params["words"] == ("sh", "-c", "x", "--wait=true")
    assert context.params["with_stdin"] and context.params["tty"]


def test_our_own_fault_is_one_message_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("broken")
    def broken() -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr(type(cli), "get_command", lambda self, ctx, name: broken)
    result = run("get")

    assert result.exit_code == 1
    assert result.output.startswith("Error: unexpected RuntimeError: oops\n")


def test_the_clients_version_needs_no_cluster(tmp_path: Path) -> None:
    result = run("version", "--client", "--config", str(tmp_path / "none"))

    assert result.exit_code == 0
    assert result.output.startswith("Client version: ")


BUDGET = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "a"}}
FORMS = ("yaml", "json")
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "b"}}


def test_convert_prints_every_object_as_it_is_written_today() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [LEASE, BUDGET]}
    text = f"{json.dumps(BUDGET)}\n---\n{json.dumps(listed)}\n"
    present = {**BUDGET, "apiVersion": "policy/v1"}

    in_yaml, in_json = (run("convert", "-f", "-", "-o", form, input=text) for form in FORMS)

    assert list(yaml.safe_load_all(in_yaml.stdout)) == [present, LEASE, present]
    assert json.loads(in_json.stdout)["items"] == [present, LEASE, present]
    old, new = (f"{version} PodDisruptionBudget" for version in ("policy/v1beta1", "policy/v1"))
    assert in_yaml.stderr.splitlines()[0] == (
        f'Warning: stdin:1: PodDisruptionBudget "a": apiVersion: {old} is an old form, '
        f"read as {new}"
    )


def test_convert_prints_nothing_if_an_object_has_no_present_form() -> None:
    gone = {**BUDGET, "kind": "PodSecurityPolicy"}
    result = run("convert", "-f", "-", input=f"{json.dumps(BUDGET)}\n{json.dumps(gone)}\n")

    assert (result.exit_code, result.stdout) == (1, "")
    assert 'stdin:2: PodSecurityPolicy "a": kind: Kubernetes removed' in result.stderr
