"""What words of `wait`, `taint`, `drain` and `config` mean, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import codec
from podraft.cli.errors import CliError
from podraft.cli.plans import config_edits, draining, waits
from podraft.cli.plans.edits import environment, taints


def pod(name: str = "p", owner: str = "", phase: str = "Running", **spec: Any) -> Any:
    owners = (
        [{"apiVersion": "apps/v1", "kind": owner, "name": "o", "uid": "u", "controller": True}]
        if owner
        else []
    )
    return codec.from_json(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "n", "ownerReferences": owners},
            "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
            "status": {
                "phase": phase,
                "conditions": [{"type": "Ready", "status": "False", "reason": "Starting"}],
            },
        }
    )


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("condition=ready=false", ""),
        ("condition=Ready", "Ready is False (Starting)"),
        ("condition=Other", "Other is not known"),
        ("jsonpath={.status.phase}=Running", ""),
        ("jsonpath=.status.phase=Failed", ".status.phase is Running"),
        ("jsonpath={.status.podIP}", "{.status.podIP} is not set"),
        ('jsonpath={.status.conditions[?(@.type=="Ready")].status}=False', ""),
        ("create", ""),
    ],
)
def test_a_wait_knows_what_an_object_lacks(text: str, lacks: str) -> None:
    assert waits.lacking(waits.wanted_of(text), pod()) == lacks


@pytest.mark.parametrize(
    "text", ["", "never", "condition", "condition==x", "delete=1", "jsonpath={.a", "jsonpath={.a}="]
)
def test_a_wait_for_nothing_known_is_a_usage_error(text: str) -> None:
    with pytest.raises(CliError) as caught:
        waits.wanted_of(text)
    assert caught.value.exit_code == 2


def tainted(*words: str, overwrite: bool = False) -> list[dict[str, str]]:
    node = {"spec": {"taints": [{"key": "a", "value": "1", "effect": "NoSchedule"}]}}
    taints.taint(node, "node/n", taints.split(words)[1], overwrite=overwrite)
    found = node["spec"].get("taints", [])
    return [dict(one) for one in found]


def test_taints_are_set_changed_and_removed() -> None:
    first = {"key": "a", "value": "1", "effect": "NoSchedule"}
    assert tainted("b:NoExecute") == [first, {"key": "b", "effect": "NoExecute"}]
    assert tainted("a=1:NoSchedule") == [first]
    assert tainted("a=2:NoSchedule", overwrite=True) == [{**first, "value": "2"}]
    assert tainted("a:NoSchedule-") == tainted("a-") == []
    wrong: list[tuple[tuple[str, ...], str]] = [
        (("a=2:NoSchedule",), "already"),
        (("b-",), "has no taint b"),
        (("a:Never",), "the effect is one of"),
        (("a",), "say which taint"),
        (("a=1",), "expected KEY"),
        (("a:NoSchedule", "a:NoSchedule-"), "changed twice"),
    ]
    for words, says in wrong:
        with pytest.raises(CliError, match=says):
            tainted(*words)


def test_a_drain_asks_before_it_loses_something() -> None:
    volumes: dict[str, Any] = {"volumes": [{"name": "v", "emptyDir": {}}]}
    pods = [
        pod("daemon", "DaemonSet"),
        pod("data", "ReplicaSet", **volumes),
        pod("alone"),
        pod("done", phase="Succeeded", **volumes),
        pod("plain", "ReplicaSet"),
    ]
    refused = draining.plan(pods, draining.Allowed())
    assert [fault.partition(" (")[2].partition(" ")[0] for fault in refused.faults] == [
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        "--force",
    ]
    allowed = draining.plan(pods, draining.Allowed(True, True, True))
    assert allowed.faults == []
    assert [one.metadata.name for one in allowed.removed] == ["alone", "data", "done", "plain"]
    assert len(allowed.warnings) == 3


def test_variables_are_set_in_place_and_removed() -> None:
    container: dict[str, Any] = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    environment.set_variables(container, {"A": {"value": "3"}, "B": None}, overwrite=True)
    assert container["env"] == [{"name": "A", "value": "3"}]
    with pytest.raises(CliError, match="set already"):
        environment.set_variables(container, {"A": {"value": "4"}}, overwrite=False)
    environment.set_variables(container, {"A": None}, overwrite=True)
    assert container == {}


def test_a_configuration_keeps_what_a_change_does_not_name() -> None:
    document: dict[str, Any] = {"other": 1, "current-context": "a"}
    assert not config_edits.set_entry(document, "contexts", "a", {"cluster": "c", "user": "u"})
    assert config_edits.set_entry(document, "contexts", "a", {"namespace": "n"})
    body = {"cluster": "c", "user": "u", "namespace": "n"}
    assert document["contexts"] == [{"name": "a", "context": body}]
    config_edits.rename_context(document, "a", "b")
    assert document["current-context"] == "b"
    for section, name in (("clusters", "c"), ("users", "u"), ("clusters", "d")):
        config_edits.set_entry(document, section, name, {"server": "x"})
    assert config_edits.names(config_edits.minified(document, "b"), "clusters") == ["c"]
    config_edits.delete_entry(document, "clusters", "d")
    assert config_edits.names(document, "clusters") == ["c"]
    for broken in (
        lambda: config_edits.use_context(document, "nope"),
        lambda: config_edits.delete_entry(document, "users", "nope"),
        lambda: config_edits.rename_context(document, "b", "b"),
    ):
        with pytest.raises(CliError):
            broken()
    assert document["other"] == 1
