"""The command against a real API server process: what a user types and sees."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.cli_server import COMMAND, CliServer, cli_server
from support.waiting import eventually

SHOP = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1
        ports: [{containerPort: 80, name: http}]
        resources: {requests: {cpu: 0.1, memory: 64Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: fast}
---
apiVersion: v1
kind: Secret
metadata: {name: password}
stringData: {password: hunter2}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: %s}}
spec:
  containers: [{name: c, image: busybox}]
"""


_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[CliServer]:
    with cli_server() as running:
        yield running


@pytest.fixture
def space(server: CliServer) -> Iterator[str]:
    """Make a namespace of the test's own."""
    name = f"test-{next(_NUMBERS)}"
    server.ok(
        "apply", "-f", "-", stdin=f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"
    )
    yield name
    server.run("delete", "all,configmaps,secrets", "--all", "-n", name, "--wait=false")


def test_apply_creates_then_changes_nothing_then_only_what_changed(
    server: CliServer, space: str
) -> None:
    def outcomes(text: str) -> list[str]:
        out = server.ok("apply", "-n", space, "-f", "-", stdin=text)
        return [line.rpartition(" ")[2] for line in out.splitlines()]

    assert outcomes(SHOP) == ["created"] * 4
    version = server.ok("get", "deploy/web", "-n", space, "-o", "json")
    assert outcomes(SHOP) == ["unchanged"] * 4
    assert server.ok("get", "deploy/web", "-n", space, "-o", "json") == version
    assert outcomes(SHOP.replace("nginx:1", "nginx:2").replace("fast", "slow")) == [
        "configured",
        "unchanged",
        "configured",
        "unchanged",
    ]
    live = json.loads(server.ok("get", "deploy/web", "-n", space, "-o", "json"))
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"
    assert live["metadata"]["generation"] == 2


def test_apply_is_all_or_nothing_and_says_where_the_fault_stands(
    server: CliServer, space: str, tmp_path: Path
) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP.replace("replicas: 2", "replicas: -1"))

    result = server.run("apply", "-n", space, "-f", str(file))

    assert result.code == 1
    assert result.out == ""
    assert f"{file}:7: deployment.apps/web: spec.replicas: " in result.err
    assert server.ok("get", "all,cm,secrets", "-n", space, "-o", "name") == ""


def test_a_namespace_and_what_is_in_it_are_applied_together_whatever_their_order(
    server: CliServer, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: together}\n"
    )
    (tmp_path / "b.json").write_text(
        '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "together"}}'
    )

    out = server.ok("apply", "-f", str(tmp_path))

    assert out == "configmap/c created\nnamespace/together created\n"


def test_a_dry_run_changes_nothing(server: CliServer, space: str) -> None:
    for how, note in (("client", "(dry run)"), ("server", "(server dry run)")):
        out = server.ok("apply", "-n", space, "-f", "-", f"--dry-run={how}", stdin=SHOP)
        assert out.splitlines()[0] == f"deployment.apps/web created {note}"
    assert server.ok("get", "deploy", "-n", space, "-o", "name") == ""


def test_a_namespace_that_is_not_there_is_said_not_to_be(server: CliServer) -> None:
    result = server.run("apply", "-n", "nowhere", "-f", "-", stdin=POD % ("a", "a"))

    assert result.code == 1
    assert "nowhere" in result.err
    assert "not found" in result.err.lower()


def test_scale_changes_the_replicas_and_refuses_a_negative_number(
    server: CliServer, space: str
) -> None:
    server.ok("apply", "-n", space, "-f", "-", stdin=SHOP)

    assert server.ok("scale", "deploy/web", "--replicas=5", "-n", space) == (
        "deployment.apps/web scaled\n"
    )
    live = json.loads(server.ok("get", "deploy", "web", "-n", space, "-o", "json"))
    assert live["spec"]["replicas"] == 5
    result = server.run("scale", "deploy/web", "--replicas=-1", "-n", space)
    assert result.code == 1
    assert "spec.replicas: " in result.err
    guarded = server.run("scale", "deploy/web", "--replicas=1", "--current-replicas=2", "-n", space)
    assert guarded.code == 1


def test_get_prints_tables_documents_and_names(server: CliServer, space: str) -> None:
    server.ok("apply", "-n", space, "-f", "-", stdin=SHOP)

    table = server.ok("get", "deploy,svc,cm", "-n", space)
    assert "deployment.apps/web   0/2 " in table
    assert server.ok("get", "svc,deploy", "-n", space, "-o", "name") == (
        "service/web\ndeployment.apps/web\n"
    )
    listed = yaml.safe_load(server.ok("get", "svc,cm", "-n", space, "-o", "yaml"))
    assert listed["kind"] == "List"
    assert [item["kind"] for item in listed["items"]] == ["Service", "ConfigMap"]
    single = yaml.safe_load(server.ok("get", "svc", "web", "-n", space, "-o", "yaml"))
    assert single["spec"]["clusterIP"].startswith("10.96.")


def test_what_get_printed_can_be_applied_again(server: CliServer, space: str) -> None:
    server.ok("apply", "-n", space, "-f", "-", stdin=SHOP)

    text = server.ok("get", "svc,cm", "-n", space, "-o", "yaml")
    out = server.ok("apply", "-n", space, "-f", "-", stdin=text.replace("fast", "slow"))

    assert "configmap/settings configured" in out


def test_selectors_choose_and_nothing_found_is_said_on_standard_error(
    server: CliServer, space: str
) -> None:
    server.ok("apply", "-n", space, "-f", "-", stdin=f"{POD % ('a', 'x')}---\n{POD % ('b', 'y')}")

    assert server.ok("get", "po", "-n", space, "-l", "app=y", "-o", "name") == "pod/b\n"
    assert server.ok("get", "po", "-n", space, "--field-selector", "metadata.name!=b", "-o",
                     "name") == "pod/a\n"  # fmt: skip
    nothing = server.run("get", "po", "-n", space, "-l", "app=z")
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err == f"No resources found in {space} namespace.\n"
    wrong = server.run("get", "po", "-n", space, "-l", "app in z")
    assert wrong.code == 1
    assert "expected key=value" in wrong.err


def test_names_that_are_not_there_fail_after_those_that_are_were_shown(
    server: CliServer, space: str
) -> None:
    server.ok("apply", "-n", space, "-f", "-", stdin=POD % ("a", "x"))

    result = server.run("get", "pods", "a", "b", "c", "-n", space, "-o", "name")

    assert result.code == 1
    assert result.out == "pod/a\n"
    assert result.err == (
        f'Error: pods "b" not found in namespace {space}\n'
        f'Error: pods "c" not found in namespace {space}\n'
    )


def test_watching_shows_the_list_and_then_changes_until_it_is_interrupted(
    server: CliServer, space: str
) -> None:
    server.ok("apply", "-n", space, "-f", "-", stdin=POD % ("a", "x"))
    watch = server.start("get", "pods", "-n", space, "-w", "--no-headers")
    assert watch.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=lines.extend, args=(iter(watch.stdout.readline, ""),))
    reader.start()
    try:
        eventually(lambda: len(lines) >= 1)
        server.ok("apply", "-n", space, "-f", "-", stdin=POD % ("b", "x"))
        eventually(lambda: len(lines) >= 2, describe=lambda: lines)
        watch.send_signal(signal.SIGINT)
        assert watch.wait(30) == 130
        reader.join(10)
    finally:
        with contextlib.suppress(ProcessLookupError):
            watch.kill()
        reader.join(10)
    assert [line.split()[0] for line in lines if line.strip()] == ["a", "b"]
    assert "Traceback" not in (watch.stderr.read() if watch.stderr else "")


def test_delete_by_name_by_label_and_by_file(server: CliServer, space: str) -> None:
    two = f"{POD % ('a', 'x')}---\n{POD % ('b', 'y')}"
    server.ok("apply", "-n", space, "-f", "-", stdin=two + "---\n" + SHOP)

    assert server.ok("delete", "pod/a", "-n", space, "--force") == 'pod "a" force deleted\n'
    assert server.ok("delete", "pods", "-l", "app=y", "-n", space, "--grace-period=0") == (
        'pod "b" force deleted\n'
    )
    out = server.ok("delete", "-n", space, "-f", "-", "--wait=false", stdin=SHOP)
    assert 'deployment.apps "web" deleted' in out
    assert server.ok("get", "pods,svc,cm", "-n", space, "-o", "name") == ""
    gone = server.run("delete", "pod", "a", "-n", space)
    assert gone.code == 1
    assert gone.err == f'Error: pods "a" not found in namespace {space}\n'
    assert server.run("delete", "pod", "a", "-n", space, "--ignore-not-found").code == 0


def test_a_rollout_that_nobody_carries_out_times_out_and_says_what_is_missing(
    server: CliServer, space: str
) -> None:
    server.ok("apply", "-n", space, "-f", "-", stdin=SHOP)

    result = server.run("rollout", "status", "deploy/web", "-n", space, "--timeout=500ms")

    assert result.code == 1
    assert result.out == "Waiting for deployment spec update to be observed...\n"
    assert result.err.startswith("Error: timed out after 0.5s; still waiting for\n")


def test_pausing_blocks_undo_and_restart_until_it_is_resumed(server: CliServer, space: str) -> None:
    server.ok("apply", "-n", space, "-f", "-", stdin=SHOP)

    assert server.ok("rollout", "pause", "deploy/web", "-n", space).endswith("paused\n")
    assert server.run("rollout", "pause", "deploy/web", "-n", space).code == 1
    assert "is paused" in server.run("rollout", "undo", "deploy/web", "-n", space).err
    assert "is paused" in server.run("rollout", "restart", "deploy/web", "-n", space).err
    assert server.ok("rollout", "resume", "deploy/web", "-n", space).endswith("resumed\n")
    server.ok("rollout", "restart", "deploy/web", "-n", space)
    live = json.loads(server.ok("get", "deploy/web", "-n", space, "-o", "json"))
    annotations = live["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in annotations


def test_describe_and_why_know_an_object_that_nothing_works_on(
    server: CliServer, space: str
) -> None:
    server.ok("apply", "-n", space, "-f", "-", stdin=SHOP + "---\n" + POD % ("a", "web"))

    described = server.ok("describe", "deploy,svc,cm,secret,pod", "-n", space)
    assert "Image:" in described
    assert "hunter2" not in described
    assert "pod/a is Pending, on no node" in server.ok("why", "pod/a", "-n", space)
    assert "its last change was not seen by the controllers yet" in server.ok(
        "why", "deploy/web", "-n", space
    )
    service = server.ok("why", "svc/web", "-n", space)
    assert "0 of 1 pods receive its traffic" in service
    assert 'no container of it has a port named "http"' in service


def test_wait_says_what_is_missing_when_time_is_over(server: CliServer, space: str) -> None:
    server.ok("apply", "-n", space, "-f", "-", stdin=POD % ("a", "x"))

    result = server.run("wait", "--for=condition=Ready", "pod/a", "-n", space, "--timeout=300ms")

    assert result.code == 1
    assert "timed out after 0.3s waiting for Ready=True" in result.err
    server.ok("delete", "pod/a", "-n", space, "--force")
    assert server.run("wait", "--for=delete", "pod/a", "-n", space).code == 0


def test_a_server_that_is_not_there_is_named_with_what_to_check(
    server: CliServer, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(server.config.read_text().replace(f":{server.process.port}", ":1"))

    result = server.run("get", "pods", "--config", str(config))

    assert result.code == 1
    assert "cannot reach the API server at " in result.err
    assert ":1: " in result.err
    assert "check that podraft-server runs" in result.err
    assert "Traceback" not in result.err


def test_a_reader_that_leaves_is_no_reason_to_complain(server: CliServer) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [*COMMAND, "api-resources"],
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            env=server.environment(),
            timeout=30,
            check=False,
        )
    finally:
        os.close(write_end)

    assert done.stderr == ""
    assert done.returncode != 0


def test_the_server_is_asked_for_its_version_and_for_join_tokens(server: CliServer) -> None:
    assert "Server version: " in server.ok("version")
    assert len(server.ok("token", "create", "--ttl=1h").strip()) > 10


def test_tokens_are_listed_without_their_secrets_and_deleted(server: CliServer) -> None:
    token = server.ok("token", "create", "--uses=3", "--ttl=2h").strip()
    named = server.ok("token", "create", "--name=n7").strip()
    listed = server.ok("token", "list")
    for text in (token, named):
        _, identifier, secret, _ = text.split(".")
        assert identifier in listed
        assert secret not in listed
        assert secret not in server.ok("token", "list", "-o", "json")
    (row,) = (line.split() for line in listed.splitlines() if token.split(".")[1] in line)
    assert row[1:4] == ["node", "<any>", "3/3"]
    assert row[4].startswith(("119m", "1h", "2h"))
    assert "deleted" in server.ok("token", "delete", token, named.split(".")[1])
    assert token.split(".")[1] not in server.ok("token", "list")
    assert "there is no join token" in server.run("token", "delete", token).err
    assert "12 hexadecimal digits" in server.run("token", "delete", "../x").err
    assert "--uses" in server.run("token", "create", "--uses=1001").err


def test_a_crowd_of_objects_is_one_transaction(server: CliServer, space: str) -> None:
    texts = [
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{index}}}\n" for index in range(200)
    ]

    out = server.ok("apply", "-n", space, "-f", "-", stdin="---\n".join(texts))

    assert len(out.splitlines()) == 200
    listed = json.loads(server.ok("get", "cm", "-n", space, "-o", "json"))
    versions = {item["metadata"]["resourceVersion"] for item in listed["items"]}
    assert len(versions) == 1


def test_labels_and_annotations_are_set_guarded_and_removed(server: CliServer, space: str) -> None:
    server.ok("apply", "-n", space, "-f", "-", stdin=POD % ("a", "x"))

    assert server.ok("label", "pod/a", "tier=web", "-n", space) == "pod/a labeled\n"
    assert server.ok("label", "pod/a", "tier=web", "-n", space) == "pod/a unchanged\n"
    taken = server.run("label", "pod/a", "tier=db", "-n", space)
    assert taken.code == 1
    assert taken.err == 'Error: pod/a: labels has tier="web" already; --overwrite changes it\n'
    server.ok("label", "pods", "--all", "tier=db", "app-", "--overwrite", "-n", space)
    server.ok("annotate", "pod", "a", "note=hello there", "-n", space)
    metadata = json.loads(server.ok("get", "pod/a", "-n", space, "-o", "json"))["metadata"]
    assert metadata["labels"] == {"tier": "db"}
    assert metadata["annotations"]["note"] == "hello there"
    assert server.run("label", "pod/a", "-n", space).code == 2


def test_a_cordoned_node_says_so_until_it_is_uncordoned(server: CliServer) -> None:
    node = "apiVersion: v1\nkind: Node\nmetadata: {name: n9}\n"
    server.ok("apply", "-f", "-", stdin=node)

    assert server.ok("cordon", "n9") == "node/n9 cordoned\n"
    assert server.ok("cordon", "node/n9") == "node/n9 already cordoned\n"
    assert "SchedulingDisabled" in server.ok("get", "nodes", "n9")
    assert server.ok("uncordon", "n9") == "node/n9 uncordoned\n"
    assert "SchedulingDisabled" not in server.ok("get", "nodes", "n9")
