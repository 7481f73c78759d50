"""Changing objects by words, patches and an editor, against a real API server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.cli_server import CliServer

DEPLOYMENT = ("create", "deployment", "web", "--image=nginx:1", "--port=80")


@pytest.fixture
def web(shared_server: CliServer, room: str) -> str:
    """Make a Deployment in a namespace of the test's own; return the namespace."""
    shared_server.ok(*DEPLOYMENT, "-n", room)
    return room


def spec_of(server: CliServer, room: str) -> dict[str, Any]:
    live = json.loads(server.ok("get", "deploy", "web", "-n", room, "-o", "json"))
    spec = live["spec"]
    assert isinstance(spec, dict)
    return spec


def test_labels_are_set_listed_guarded_and_removed(shared_server: CliServer, web: str) -> None:
    def label(*words: str) -> str:
        return shared_server.ok("label", "deploy/web", *words, "-n", web)

    assert label("a=1", "b=2") == "deployment.apps/web labeled\n"
    assert label("a=1") == "deployment.apps/web unchanged\n"
    assert label("--list") == "a=1\napp=web\nb=2\n"
    refused = shared_server.run("label", "deploy/web", "a=3", "-n", web)
    assert (refused.code, refused.out) == (1, "")
    assert 'labels has a="1" already; --overwrite changes it' in refused.err
    assert (
        label("a=3", "--overwrite", "--dry-run=server", "-o", "jsonpath={.metadata.labels.a}")
        == "3"
    )
    assert label("a-", "b-") == "deployment.apps/web labeled\n"
    assert label("--list") == "app=web\n"
    stale = shared_server.run("label", "deploy/web", "c=1", "--resource-version=1", "-n", web)
    assert stale.code == 1
    assert "is at revision" in stale.err


def test_objects_are_chosen_by_field_label_and_manifest(
    shared_server: CliServer, room: str
) -> None:
    for name in ("a", "b", "c"):
        shared_server.ok("create", "cm", name, "-n", room)
    chosen = ("--field-selector=metadata.name=b", "-o", "name")
    assert shared_server.ok("annotate", "cm", "x=1", *chosen, "-n", room) == "configmap/b\n"
    assert shared_server.ok("label", "cm", "--all", "x=1", "-n", room).count("labeled") == 3
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
    words = ("label", "-f", "-", "y=2", "-n", room)
    assert shared_server.ok(*words, stdin=manifest) == "configmap/c labeled\n"
    local = shared_server.ok(*words, "--local", "-o", "jsonpath={.metadata.labels}", stdin=manifest)
    assert local == '{"y":"2"}'
    out = shared_server.ok("delete", "cm", "--field-selector=metadata.name=a", "-n", room)
    assert out == 'configmap "a" deleted\n'
    assert "(dry run)" in shared_server.ok("delete", "cm", "--all", "--dry-run=client", "-n", room)
    asked = shared_server.run("delete", "cm", "b", "-i", "-n", room, stdin="n\n")
    assert "nothing was deleted" in asked.err
    assert shared_server.ok("get", "cm", "-n", room, "-o", "name") == "configmap/b\nconfigmap/c\n"


def test_one_thing_of_a_workload_is_set(shared_server: CliServer, web: str) -> None:
    def change(*words: str, stdin: str = "") -> str:
        return shared_server.ok("set", *words, "-n", web, stdin=stdin)

    assert change("image", "deploy/web", "*=nginx:2") == "deployment.apps/web image updated\n"
    change("env", "deploy/web", "A=1", "B=2")
    change("env", "deploy/web", "-", "B-", stdin="C=3\n")
    shared_server.ok("create", "cm", "settings", "--from-literal=log-level=x", "-n", web)
    change("env", "deploy/web", "--from=configmap/settings", "--prefix=S_")
    assert change("env", "deploy/web", "--list").splitlines()[1:] == [
        "A=1",
        "C=3",
        "# S_LOG_LEVEL from configmap settings, key log-level",
    ]
    change("resources", "deploy/web", "-c", "nginx", "--limits=cpu=1,memory=1Gi")
    (container,) = spec_of(shared_server, web)["template"]["spec"]["containers"]
    assert container["image"] == "nginx:2"
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    shared_server.ok("expose", "deploy/web", "--port=8080", "--target-port=80", "-n", web)
    assert change("selector", "svc/web", "a=b,c=d") == "service/web selector updated\n"
    selected = ("get", "svc/web", "-n", web, "-o", "jsonpath={.spec.selector}{.spec.ports[0].port}")
    assert shared_server.ok(*selected) == '{"a":"b","c":"d"}8080'


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("set", "env", "deploy/web", "-c", "nope", "A=1"), 1, 'no container is called "nope"'),
        (("set", "env", "deploy/web"), 2, "say which variable"),
        (("set", "env", "cm/x", "A=1"), 1, "works on what makes pods, not on a ConfigMap"),
        (("set", "resources", "deploy/web", "--limits=cpu=lots"), 2, "--limits: cpu: expected a"),
        (("set", "selector", "deploy/web", "a=b"), 1, "works on a Service, not on a Deployment"),
        (("label", "deploy/web"), 2, "say what to change"),
        (("label", "deploy", "a=b"), 2, "select them with -l, or say --all"),
        (("patch", "deploy/web"), 2, "say the patch"),
        (("patch", "deploy/web", "-p", "{"), 1, "-p:2: not valid YAML"),
        (("patch", "deploy/web", "-p", "[]"), 1, "expected one mapping"),
        (("patch", "deploy/web", "-p", '{"spec": {"replicas": -1}}'), 1, "spec.replicas: "),
        (("patch", "deploy/web", "--type=json", "-p", "{}"), 1, "expected a list of operations"),
        (("taint", "node-9", "a=b"), 2, "expected KEY[=VALUE]:EFFECT"),
        (("taint", "node-9", "a=b:Never"), 2, "the effect is one of"),
        (("drain",), 2, "name the nodes"),
        (("drain", "node-9"), 1, "node-9"),
        (("expose", "cm/x", "--port=1"), 1, "works on what makes pods"),
        (("run", "x", "--image=i", "--expose"), 2, "say --port"),
        (("replace",), 2, "Missing option '-f'"),
        (("edit", "deploy"), 2, "or say --all"),
    ],
)
def test_what_cannot_be_changed_so_is_refused_and_stays(
    shared_server: CliServer, refusals: str, words: tuple[str, ...], code: int, says: str
) -> None:
    before = spec_of(shared_server, refusals)
    result = shared_server.run(*words, "-n", refusals)
    assert (result.code, result.out) == (code, ""), result
    assert says in result.err
    assert "Traceback" not in result.err
    assert spec_of(shared_server, refusals) == before


@pytest.fixture(scope="module")
def refusals(shared_server: CliServer) -> str:
    """Make a namespace whose objects no test may change."""
    shared_server.ok("create", "ns", "refusals")
    shared_server.ok(*DEPLOYMENT, "-n", "refusals")
    shared_server.ok("create", "cm", "x", "-n", "refusals")
    return "refusals"


def test_a_patch_changes_and_says_when_there_is_nothing_to_change(
    shared_server: CliServer, web: str, tmp_path: Path
) -> None:
    words = ("patch", "deploy/web", "-n", web)
    patch = tmp_path / "p.yaml"
    patch.write_text("spec:\n  replicas: 3\n")
    assert shared_server.ok(*words, "--patch-file", str(patch)) == "deployment.apps/web patched\n"
    again = shared_server.ok(*words, "-p", '{"spec": {"replicas": 3}}')
    assert again == "deployment.apps/web patched (no change)\n"
    dry = shared_server.ok(
        *words, "-p", "spec: {replicas: 9}", "--dry-run=server", "-o", "jsonpath={.spec.replicas}"
    )
    assert dry == "9"
    keyed = '{"spec": {"template": {"spec": {"containers": [{"name": "nginx", "image": "x"}]}}}}'
    image = ("-o", "jsonpath={.spec.template.spec.containers[0]['image','ports']}")
    assert shared_server.ok(*words, "-p", keyed, *image).startswith("x [{")
    named = ("--field-manager=me", "--show-managed-fields", "-o", "jsonpath={.metadata}")
    other = '{"spec": {"replicas": 4}}'
    assert '"manager":"me"' in shared_server.ok(*words, "-p", other, *named, "--dry-run=server")
    moved = '[{"op": "replace", "path": "/spec/replicas", "value": 3}]'
    assert "no change" in shared_server.ok(*words, "--type=json", "-p", moved)
    assert spec_of(shared_server, web)["replicas"] == 3


def test_a_replaced_object_says_only_what_its_manifest_says(
    shared_server: CliServer, room: str
) -> None:
    shared_server.ok("create", "cm", "c", "--from-literal=a=1", "--from-literal=b=2", "-n", room)
    made = shared_server.ok(
        "create", "cm", "c", "--from-literal=a=3", "--dry-run=client", "-o", "yaml"
    )
    words = ("replace", "-n", room, "-f", "-")
    data = ("get", "cm", "c", "-n", room, "-o", "jsonpath={.data}{.metadata.uid}")
    assert shared_server.ok(*words, stdin=made) == "configmap/c replaced\n"
    first = shared_server.ok(*data)
    assert first.startswith('{"a":"3"}')
    assert shared_server.ok(*words, "--force", stdin=made) == "configmap/c replaced\n"
    second = shared_server.ok(*data)
    assert second.startswith('{"a":"3"}')
    assert second != first
    missing = shared_server.run(*words, stdin=made.replace("name: c", "name: d"))
    assert missing.code == 1
    assert "not found" in missing.err


def edited(server: CliServer, script: Path, *words: str) -> Any:
    import subprocess

    from support.cli_server import COMMAND, Result

    environment = {**server.environment(), "PODRAFT_EDITOR": f"sh {script}"}
    done = subprocess.run(
        [*COMMAND, "edit", *words], capture_output=True, text=True, env=environment, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_an_editor_changes_what_was_changed_in_it_and_keeps_what_was_refused(
    shared_server: CliServer, web: str, tmp_path: Path
) -> None:
    script = tmp_path / "editor.sh"
    script.write_text('sed -i "s/replicas: 1/replicas: 2/" "$1"\n')
    words = ("deploy/web", "-n", web, "--output-patch")
    done = edited(shared_server, script, *words)
    assert done.out == 'Patch: {"spec": {"replicas": 2}}\ndeployment.apps/web edited\n', done
    assert "Edit cancelled" in edited(shared_server, script, *words).err

    script.write_text('sed -i "s/replicas: 2/replicas: -2/" "$1"\n')
    refused = edited(shared_server, script, *words)
    assert refused.code == 1
    assert "spec.replicas: " in refused.err
    kept = Path(refused.err.rpartition("kept in ")[2].strip())
    assert "replicas: -2" in kept.read_text()
    kept.unlink()

    script.write_text(
        f'podraft() {{ PYTHONPATH= "$@"; }}; sed -i "s/replicas: 2/replicas: 4/" "$1"\n'
        f"{' '.join(_scaling(web))}\n"
    )
    conflict = edited(shared_server, script, *words)
    assert conflict.code == 1, conflict
    kept = Path(conflict.err.rpartition("kept in ")[2].strip())
    assert "replicas: 4" in kept.read_text()
    kept.unlink()


def _scaling(web: str) -> list[str]:
    """Return the words of a shell that scale the Deployment."""
    import shlex

    from support.cli_server import COMMAND

    words = [*COMMAND, "scale", "deploy/web", "--replicas=5", "-n", web]
    return [shlex.quote(word) for word in words]


def test_a_pod_runs_an_image_and_gets_a_service(shared_server: CliServer, room: str) -> None:
    out = shared_server.ok(
        "run", "p", "--image=nginx", "--port=80", "--expose", "--env=A=b", "-n", room, "--", "x"
    )
    assert out == "pod/p created\nservice/p created\n"
    path = "jsonpath={.metadata.labels.run}{.spec.containers[0].args[0]}{.spec.restartPolicy}"
    assert shared_server.ok("get", "pod/p", "-n", room, "-o", path) == "pxAlways"
    assert shared_server.ok("get", "svc/p", "-n", room, "-o", "jsonpath={.spec.selector}") == (
        '{"run":"p"}'
    )


def test_a_wait_ends_when_the_object_is_as_wanted(shared_server: CliServer, room: str) -> None:
    waiting = shared_server.start("wait", "cm/later", "--for=create", "-n", room, "--timeout=60s")
    shared_server.ok("create", "cm", "now", "--from-literal=a=b", "-n", room)
    words = ("wait", "cm/now", "-n", room)
    assert shared_server.ok(*words, "--for=jsonpath={.data.a}=b") == "configmap/now condition met\n"
    late = shared_server.run(*words, "--for=jsonpath={.data.a}=c", "--timeout=100ms")
    assert (late.code, late.out) == (1, "")
    assert "{.data.a} is b" in late.err
    shared_server.ok("create", "cm", "later", "-n", room)
    out, _ = waiting.communicate(timeout=60)
    assert out == "configmap/later condition met\n"


def test_events_are_listed_by_their_object_and_type(shared_server: CliServer, room: str) -> None:
    event = """\
apiVersion: events.k8s.io/v1
kind: Event
metadata: {name: %s}
eventTime: "2026-01-01T00:00:00.000000Z"
reportingController: test.example.com/test
reportingInstance: test-1
action: Testing
reason: %s
regarding: {kind: ConfigMap, name: %s, namespace: "%s", apiVersion: v1}
type: %s
note: it happened
"""
    for name, of, type_ in (("a", "x", "Normal"), ("b", "x", "Warning"), ("c", "y", "Normal")):
        manifest = event % (name, name.upper(), of, room, type_)
        shared_server.ok("create", "-f", "-", "-n", room, stdin=manifest)
    names = ("-n", room, "-o", "jsonpath={.items[*].metadata.name}")
    assert shared_server.ok("events", *names) == "a b c"
    assert shared_server.ok("events", "--for=cm/x", *names) == "a b"
    assert shared_server.ok("events", "--for=cm/x", "--types=warning", *names) == "b"
    assert "it happened" in shared_server.ok("events", "-n", room)
    assert shared_server.run("events", "--types=Odd").code == 2


DRAINED = """\
apiVersion: v1
kind: Node
metadata: {name: %(node)s}
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: "%(room)s", labels: {app: p}}
spec:
  nodeName: %(node)s
  containers: [{name: c, image: i}]
  volumes: [{name: v, emptyDir: {}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: b, namespace: "%(room)s"}
spec: {minAvailable: 1, selector: {matchLabels: {app: p}}}
"""


def test_a_drain_loses_nothing_unasked_and_heeds_budgets(
    shared_server: CliServer, room: str
) -> None:
    node = f"node-{room}"
    manifests = DRAINED % {"node": node, "room": room}
    shared_server.ok("create", "-f", "-", stdin=manifests)

    ready = '{"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}'
    patch = ("patch", "pod/p", "-n", room, "--type=merge", "--subresource=status", "-p", ready)
    assert shared_server.ok(*patch) == "pod/p patched\n"

    def is_cordoned() -> str:
        return shared_server.ok("get", "node", node, "-o", "jsonpath={.spec.unschedulable}")

    refused = shared_server.run("drain", node)
    assert (refused.code, refused.out) == (1, "")
    assert "--delete-emptydir-data" in refused.err
    assert "--force" in refused.err
    assert is_cordoned() == ""
    words = ("drain", node, "--force", "--delete-emptydir-data", "--grace-period=0")
    dry = shared_server.ok(*words, "--dry-run=client")
    assert f"node/{node} drained (dry run)" in dry
    assert is_cordoned() == ""
    held = shared_server.run(*words, "--timeout=200ms")
    assert held.code == 1
    assert f"node/{node} is not drained after 0.2s" in held.err
    assert is_cordoned() == "true"
    assert "drained" in shared_server.ok(*words, "--disable-eviction")
    assert shared_server.ok("get", "pods", "-n", room, "-o", "name") == ""
    assert shared_server.ok("uncordon", node) == f"node/{node} uncordoned\n"
    assert shared_server.ok("taint", node, "a=b:NoSchedule") == f"node/{node} tainted\n"
    assert shared_server.ok("taint", node, "a-") == f"node/{node} untainted\n"
