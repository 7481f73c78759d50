"""What holds for `apply` whatever is applied, and whoever writes in between.

A small server is made of the parts that decide in the real one: admission, the codec and
merge patches.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podraft.api import codec, kinds
from podraft.api.codec import merge_patches, spelling
from podraft.api.core.v1 import config_pb2
from podraft.api.objects import well_known
from podraft.api.ownership import applying, notes, tracking
from podraft.api.ownership.holdings import COMMAND, Writer
from podraft.api.violations import InvalidObjectError
from podraft.cli.manifests import items as manifests
from podraft.cli.plans import apply_plan
from podraft.server import kinds as rooms

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FOREIGN = "someone-else"


def read(value: dict[str, Any]) -> manifests.Item:
    reading = manifests.read([("f", json.dumps(value))], None, "default")
    assert reading.faults == []
    return reading.items[0]


class Stored:
    """One object as a server stores it."""

    def __init__(self) -> None:
        self.object: Any = None

    def apply(self, value: dict[str, Any]) -> str:
        """Apply a manifest, by force, and return what `apply` says of it."""
        item, before = read(value), self.object
        stated = apply_plan.configuration(item)
        writer = Writer(COMMAND, item.kind.api_version)
        if before is None:
            self.create(stated)
            done = applying.created(item.kind, stated, writer)
        else:
            (foreseen,) = apply_plan.foreseen([(item, before)], apply_plan.Terms(force=True))
            done = applying.apply(item.kind, before, stated, writer, force=True)
            said = codec.to_json(stated)
            self.object = rooms.prepare_update(
                item.kind, before, done.object, patch=said, known=kinds.BUILT_IN
            )
        applying.record(before, self.object, done, 1)
        if before is None:
            return "created"
        outcome = "unchanged" if self.object == before else "configured"
        # What can be told without a server may count a mere spelling as a change, not less.
        assert foreseen.outcome in (outcome, "configured")
        return outcome

    def create(self, obj: Any) -> None:
        self.object = rooms.prepare_create(
            kinds.BUILT_IN.of(obj), obj, now=NOW, uid="u-1", name_suffix="", known=kinds.BUILT_IN
        )

    def patch(self, patch: dict[str, Any]) -> None:
        merged = merge_patches.merge_patch(codec.to_json(self.object), patch)
        kind = kinds.BUILT_IN.of(self.object)
        proposed = codec.parse(kind.message, merged)
        before = self.object
        self.object = rooms.prepare_update(
            kind, before, proposed, patch=patch, known=kinds.BUILT_IN
        )
        if before.metadata.managed_fields:
            writer = Writer(FOREIGN, kind.api_version)
            tracking.record_update(kind, before, self.object, writer, 2)

    @property
    def value(self) -> dict[str, Any]:
        return codec.to_json(self.object)


def service(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"selector": {"app": "x"}, **spec},
    }


def deployment(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": {"app": "x"}},
            "template": {
                "metadata": {"labels": {"app": "x"}},
                "spec": {"containers": [{"name": "c", "image": "i", **(container or {})}]},
            },
            **spec,
        },
    }


def config(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, **fields}


keys = st.sampled_from(["a", "b", "c", "d"])
maps = st.dictionaries(keys, st.sampled_from(["1", "2", ""]), max_size=3)
envs = st.lists(keys, unique=True, max_size=3).flatmap(
    lambda chosen: st.tuples(
        *(
            st.one_of(
                st.builds(lambda v, n=n: {"name": n, "value": v}, st.sampled_from(["1", "2"])),
                st.just({"name": n, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
            )
            for n in chosen
        )
    ).map(list)
)
quantities = st.sampled_from(["1Gi", "1073741824", "1024Mi", "512Mi", "536870912"])
containers = st.fixed_dictionaries(
    {},
    optional={
        "env": envs,
        "command": st.lists(keys, max_size=2),
        "ports": st.lists(st.sampled_from([80, 81]), unique=True).map(
            lambda ports: [{"containerPort": port} for port in ports]
        ),
        "resources": st.fixed_dictionaries(
            {}, optional={"limits": st.fixed_dictionaries({"memory": quantities})}
        ),
    },
)
deployments = st.builds(
    deployment,
    container=containers,
    replicas=st.integers(0, 3),
    strategy=st.sampled_from(
        [{"type": "Recreate"}, {"type": "RollingUpdate"}, {"rollingUpdate": {"maxSurge": 2}}]
    ),
)
configs = st.builds(
    lambda labels, annotations, data: config(
        data=data, metadata={"name": "m", "labels": labels, "annotations": annotations}
    ),
    maps,
    maps,
    maps,
)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.lists(deployments, max_size=4), st.lists(configs, max_size=4)))
def test_what_is_applied_last_counts_whatever_was_applied_before(
    history: list[dict[str, Any]],
) -> None:
    stored = Stored()
    for value in history:
        stored.apply(value)
        assert stored.apply(value) == "unchanged"
        fresh = Stored()
        fresh.apply(value)
        assert comparable(stored.object) == comparable(fresh.object)


def comparable(obj: Any) -> dict[str, Any]:
    """Return an object without its number of versions, in one spelling and order."""
    copied = type(obj)()
    copied.CopyFrom(obj)
    spelling.respell(copied)
    value = codec.to_json(copied)
    value["metadata"].pop("generation", None)
    template = value.get("spec", {}).get("template", {})
    for container in template.get("spec", {}).get("containers", []):
        for name, key in (("env", "name"), ("ports", "containerPort")):
            container.get(name, []).sort(key=lambda element, key=key: str(element[key]))
    return value


@settings(max_examples=40, deadline=None)
@given(configs, configs, st.lists(deployments, min_size=2, max_size=2))
def test_what_somebody_else_set_stays_through_every_apply(
    first: dict[str, Any], second: dict[str, Any], apps: list[dict[str, Any]]
) -> None:
    stored = Stored()
    stored.apply(first)
    stored.patch(
        {
            "metadata": {"labels": {FOREIGN: "x"}, "annotations": {FOREIGN: "x"}},
            "data": {FOREIGN: "x"},
        }
    )
    for value in (second, config(), first, config()):
        stored.apply(value)
        for mapping in (
            stored.object.data,
            stored.object.metadata.labels,
            stored.object.metadata.annotations,
        ):
            assert mapping[FOREIGN] == "x"

    running = Stored()
    running.apply(apps[0])
    containers = copy.deepcopy(running.value["spec"]["template"]["spec"]["containers"])
    containers[0].setdefault("env", []).append({"name": FOREIGN, "value": "x"})
    containers.append({"name": FOREIGN, "image": "proxy"})
    running.patch({"spec": {"template": {"spec": {"containers": containers}}}})
    for value in (apps[1], deployment(), apps[0]):
        running.apply(value)
        present = running.object.spec.template.spec.containers
        assert FOREIGN in [container.name for container in present]
        (own,) = (container for container in present if container.name == "c")
        assert FOREIGN in [variable.name for variable in own.env]


NODE_PORT = {"port": 80, "nodePort": 30080}


@pytest.mark.parametrize(
    ("before", "forbidden", "field"),
    [
        (
            service(type="NodePort", ports=[NODE_PORT]),
            service(type="ClusterIP", ports=[NODE_PORT]),
            "spec.ports[0].nodePort",
        ),
        (
            service(type="NodePort", ports=[NODE_PORT]),
            service(ports=[NODE_PORT]),
            "spec.ports[0].nodePort",
        ),
        (
            deployment(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2}}),
            deployment(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 2}}),
            "spec.strategy.rollingUpdate",
        ),
    ],
)
def test_what_a_type_forbids_is_refused_over_a_live_object_as_it_is_without_one(
    before: dict[str, Any], forbidden: dict[str, Any], field: str
) -> None:
    stored = Stored()
    stored.apply(before)
    for attempt in (stored, stored, Stored()):
        with pytest.raises(InvalidObjectError) as refused:
            attempt.apply(forbidden)
        assert field in [violation.field for violation in refused.value.violations]


@pytest.mark.parametrize("ports", [[{"port": 80, "nodePort": 30080}], [{"port": 80}]])
def test_node_ports_go_with_their_type_whoever_chose_them(ports: list[dict[str, Any]]) -> None:
    stored = Stored()
    stored.apply(service(type="NodePort", ports=ports))
    stored.object.spec.ports[0].node_port = 30080
    for change in ({"type": "ClusterIP"}, {}):
        again = Stored()
        again.object = copy.deepcopy(stored.object)
        assert again.apply(service(ports=[{"port": 80}], **change)) == "configured"
        assert again.object.spec.ports[0].node_port == 0
        assert again.apply(service(ports=[{"port": 80}], **change)) == "unchanged"


def test_a_rolling_updates_defaults_go_with_it() -> None:
    stored = Stored()
    stored.apply(deployment())
    assert stored.apply(deployment(strategy={"type": "Recreate"})) == "configured"
    assert not stored.object.spec.strategy.HasField("rolling_update")


def test_a_volume_has_the_one_source_that_is_declared() -> None:
    def with_volume(**source: Any) -> dict[str, Any]:
        value = deployment()
        value["spec"]["template"]["spec"]["volumes"] = [{"name": "v", **source}]
        return value

    stored = Stored()
    stored.apply(with_volume())
    stored.apply(with_volume(configMap={"name": "m"}))
    (volume,) = stored.value["spec"]["template"]["spec"]["volumes"]
    assert "emptyDir" not in volume
    assert volume["configMap"]["name"] == "m"


@pytest.mark.parametrize(
    ("one", "other"), [("1Gi", "1024Mi"), ("1Gi", "1073741824"), ("1.5Gi", "1536Mi")]
)
def test_another_spelling_of_a_quantity_is_no_change(one: str, other: str) -> None:
    stored = Stored()
    stored.apply(deployment({"resources": {"limits": {"memory": one}}}))
    assert stored.apply(deployment({"resources": {"limits": {"memory": other}}})) == "unchanged"


def test_a_text_that_looks_like_a_quantity_is_a_text() -> None:
    stored = Stored()
    stored.apply(config(data={"limits": "1Gi"}))
    assert stored.apply(config(data={"limits": "1024Mi"})) == "configured"
    assert stored.object.data["limits"] == "1024Mi"


@pytest.mark.parametrize(
    "data",
    [
        {"board.json": "x" * (1 << 20)},
        {"board.json": '"\\\n' * (1 << 18)},
        {f"key-{n}": "x" * 40 for n in range(20_000)},
    ],
)
def test_what_is_within_the_limit_of_a_config_map_can_be_applied_and_changed(
    data: dict[str, str],
) -> None:
    stored = Stored()
    stored.apply(config(data=data))
    less = dict(list(data.items())[:-1])
    assert stored.apply(config(data={**less, "more": "x"})) == "configured"
    assert dict(stored.object.data) == {**less, "more": "x"}
    assert stored.apply(config(data={**less, "more": "x"})) == "unchanged"


def test_more_names_than_an_object_can_keep_are_refused() -> None:
    data = {hashlib.sha512(str(n).encode()).hexdigest(): "" for n in range(5_000)}
    with pytest.raises(InvalidObjectError, match="of a map: its keys"):
        Stored().apply(config(data=data))


def test_what_kubectl_noted_is_understood_and_then_replaced() -> None:
    stored = Stored()
    manifest = config(data={"a": "1", "b": "2"})
    stored.create(read(manifest).message)
    stored.object.metadata.annotations[well_known.KUBECTL_LAST_APPLIED] = json.dumps(manifest)
    stored.patch({"data": {FOREIGN: "x"}})

    assert stored.apply(config(data={"a": "1"})) == "configured"

    assert dict(stored.object.data) == {"a": "1", FOREIGN: "x"}
    assert not stored.object.metadata.annotations


@pytest.mark.parametrize(
    "note",
    ["", "{", "[]", "7", "[" * 100_000, "zlib:", "zlib:!", "zlib:AAAA", "zlib:eJw=", '{"data": 7}'],
)
def test_of_a_note_that_makes_no_sense_nothing_is_known(note: str) -> None:
    stored = Stored()
    stored.create(read(config(data={"a": "1"})).message)
    stored.object.metadata.annotations[well_known.APPLIED_FIELDS] = note
    stored.apply(config(data={"b": "2"}))
    assert dict(stored.object.data) == {"a": "1", "b": "2"}
    assert stored.apply(config(data={"b": "2"})) == "unchanged"


def test_a_note_that_unpacks_to_more_than_any_note_is_not_unpacked() -> None:
    bomb = base64.b64encode(zlib.compress(b" " * (64 << 20))).decode()
    note = {well_known.APPLIED_FIELDS: f"zlib:{bomb}"}
    descriptor: Any = config_pb2.ConfigMap.DESCRIPTOR
    assert not notes.noted(note, descriptor)
