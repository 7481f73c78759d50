"""Templates, identities, volumes, claims and limits: what is filled in, and what may change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.api.kinds import AnyKind
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from support.api_objects import example

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def created(kind: AnyKind, **spec: Any) -> Any:
    """Return the example of a kind as it is stored, with some fields of its spec set."""
    data = codec.to_json(example(kind, "web", namespace="default"))
    data.setdefault("spec", {}).update(spec)
    if not data["spec"]:
        del data["spec"]
    proposed: Any = codec.from_json(data)
    return rooms.prepare_create(
        kind, proposed, now=NOW, uid="u-1", name_suffix="x7k2p", known=kinds.BUILT_IN
    )


def refused(kind: AnyKind, before: Any, after: Any, subresource: str = "") -> list[str]:
    """Return the fields that an update is refused for; none if it is not."""
    try:
        rooms.prepare_update(kind, before, after, known=kinds.BUILT_IN, subresource=subresource)
    except InvalidObjectError as error:
        return [violation.field for violation in error.violations]
    return []


def copied(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def test_a_replication_controller_takes_its_labels_and_selector_from_the_template() -> None:
    controller = codec.to_json(created(kinds.REPLICATION_CONTROLLER))
    assert controller["metadata"]["labels"] == {"app": "web"}
    assert controller["spec"]["selector"] == {"app": "web"}
    assert controller["spec"]["template"]["spec"]["dnsPolicy"] == "ClusterFirst"


def test_the_selector_of_a_replication_controller_may_change_with_its_template() -> None:
    before = created(kinds.REPLICATION_CONTROLLER)
    after = copied(before)
    for labels in (after.spec.selector, after.spec.template.metadata.labels):
        labels["app"] = "other"
    assert refused(kinds.REPLICATION_CONTROLLER, before, after) == []
    after.status.replicas, after.status.ready_replicas = 1, 2
    assert refused(kinds.REPLICATION_CONTROLLER, before, after, "status") == [
        "status.readyReplicas"
    ]


def test_a_pod_template_may_have_any_restart_policy() -> None:
    template = example(kinds.POD_TEMPLATE, "web")
    template.template.spec.restart_policy = "Never"
    made = rooms.prepare_create(
        kinds.POD_TEMPLATE, template, now=NOW, uid="u", name_suffix="x", known=kinds.BUILT_IN
    )
    assert made.template.spec.termination_grace_period_seconds == 30


def test_an_address_of_endpoints_stays_on_its_node() -> None:
    before = created(kinds.ENDPOINTS)
    before.subsets[0].addresses[0].node_name = "one"
    after = copied(before)
    after.subsets[0].addresses[0].node_name = "two"
    assert refused(kinds.ENDPOINTS, before, after) == ["subsets[0].addresses[0].nodeName"]


def test_a_volume_is_retained_and_pending_and_keeps_its_source() -> None:
    before = created(kinds.PERSISTENT_VOLUME)
    assert before.spec.persistent_volume_reclaim_policy == "Retain"
    assert (before.spec.volume_mode, before.status.phase) == ("Filesystem", "Pending")
    after = copied(before)
    after.spec.persistent_volume_reclaim_policy = "Delete"
    after.spec.claim_ref.name = "data"
    assert refused(kinds.PERSISTENT_VOLUME, before, after) == []
    after.spec.persistent_volume_source.host_path.path = "/other"
    after.spec.volume_mode = "Block"
    assert refused(kinds.PERSISTENT_VOLUME, before, after) == ["spec", "spec.volumeMode"]


@pytest.mark.parametrize(
    ("source", "filled_in"),
    [
        ({"rbd": {"monitors": ["a"], "image": "b"}}, {"pool": "rbd", "user": "admin"}),
        ({"iscsi": {"targetPortal": "a", "iqn": "b"}}, {"iscsiInterface": "default"}),
        ({"azureDisk": {"diskName": "a", "diskURI": "b"}}, {"kind": "Shared", "fsType": "ext4"}),
    ],
)
def test_sources_of_plugins_have_the_same_defaults_in_volumes_and_pods(
    source: dict[str, Any], filled_in: dict[str, Any]
) -> None:
    [name] = source
    volume = codec.to_json(created(kinds.PERSISTENT_VOLUME, hostPath=None, **source))["spec"]
    pod = codec.to_json(created(kinds.POD, volumes=[{"name": "v", **source}]))["spec"]
    for found in (volume[name], pod["volumes"][0][name]):
        assert {field: found[field] for field in filled_in} == filled_in


@pytest.mark.parametrize(
    ("source", "filled_in"),
    [
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            {
                "sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}],
                "defaultMode": 420,
            },
        ),
        (
            {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.uid"}}]}},
            {
                "items": [
                    {"path": "a", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}}
                ],
                "defaultMode": 420,
            },
        ),
        (
            {"image": {"reference": "registry.example/data"}},
            {"reference": "registry.example/data", "pullPolicy": "Always"},
        ),
        ({"nfs": {"server": "a", "path": "/b"}}, {"server": "a", "path": "/b"}),
    ],
    ids=["projected", "downwardAPI", "image", "nfs"],
)
def test_a_volume_gets_the_defaults_of_its_source_and_no_other_source(
    source: dict[str, Any], filled_in: dict[str, Any]
) -> None:
    [name] = source
    pod = codec.to_json(created(kinds.POD, volumes=[{"name": "v", **source}]))
    assert pod["spec"]["volumes"] == [{"name": "v", name: filled_in}]


def test_the_addresses_of_a_load_balancer_are_checked() -> None:
    before = created(kinds.SERVICE)
    after = copied(before)
    after.status.load_balancer.ingress.add(ip="198.51.100.7", ip_mode="VIP")
    after.status.load_balancer.ingress.add(hostname="lb.example.com")
    assert refused(kinds.SERVICE, before, after, "status") == []
    first, second = after.status.load_balancer.ingress
    first.ip, first.ip_mode = "here", "Direct"
    second.hostname = "198.51.100.7"
    second.ports.add(port=80, protocol="HTTP")
    field = "status.loadBalancer.ingress"
    assert refused(kinds.SERVICE, before, after, "status") == [
        f"{field}[0].ip",
        f"{field}[0].ipMode",
        f"{field}[1].hostname",
        f"{field}[1].ports[0].protocol",
    ]


def bound(storage: str = "1Gi", capacity: str = "1Gi") -> Any:
    claim = created(
        kinds.PERSISTENT_VOLUME_CLAIM, volumeName="v", resources={"requests": {"storage": storage}}
    )
    claim.status.phase = "Bound"
    claim.status.capacity["storage"].string = capacity
    return claim


def test_a_claim_is_pending_and_gets_a_volume_once() -> None:
    before = created(kinds.PERSISTENT_VOLUME_CLAIM)
    assert (before.spec.volume_mode, before.status.phase) == ("Filesystem", "Pending")
    after = copied(before)
    after.spec.volume_name = "v"
    assert refused(kinds.PERSISTENT_VOLUME_CLAIM, before, after) == []
    other = copied(after)
    other.spec.volume_name = "w"
    assert refused(kinds.PERSISTENT_VOLUME_CLAIM, after, other) == ["spec"]


def test_a_claims_manifest_need_not_name_the_volume_that_it_got() -> None:
    before = bound()
    after = copied(before)
    after.spec.ClearField("volume_name")
    kind = kinds.PERSISTENT_VOLUME_CLAIM
    assert rooms.prepare_update(kind, before, after, known=kinds.BUILT_IN) == before


@pytest.mark.parametrize(
    ("claim", "wanted", "fields"),
    [
        (bound(), "2Gi", []),
        (bound("2Gi", "1Gi"), "1Gi", []),
        (bound("2Gi", "1Gi"), "500Mi", ["spec.resources.requests[storage]"]),
        (
            created(kinds.PERSISTENT_VOLUME_CLAIM),
            "2Gi",
            ["spec.resources.requests[storage]"],
        ),
    ],
    ids=["grow", "take back a growth", "below the volume's size", "before it is bound"],
)
def test_a_bound_claim_may_grow(claim: Any, wanted: str, fields: list[str]) -> None:
    after = copied(claim)
    after.spec.resources.requests["storage"].string = wanted
    assert refused(kinds.PERSISTENT_VOLUME_CLAIM, claim, after) == fields


def test_a_claims_other_wishes_stay() -> None:
    before = bound()
    after = copied(before)
    after.spec.access_modes[0] = "ReadWriteMany"
    assert refused(kinds.PERSISTENT_VOLUME_CLAIM, before, after) == ["spec"]
    after = copied(before)
    after.spec.volume_attributes_class_name = "fast"
    assert refused(kinds.PERSISTENT_VOLUME_CLAIM, before, after) == []


def test_the_status_of_a_claim_is_checked() -> None:
    before = bound()
    after = copied(before)
    after.status.phase = "Taken"
    after.status.access_modes.append("ReadSometimes")
    after.status.capacity["storage"].string = "-1"
    after.status.modify_volume_status.status = "Soon"
    assert refused(kinds.PERSISTENT_VOLUME_CLAIM, before, after, "status") == [
        "status.phase",
        "status.accessModes[0]",
        "status.capacity[storage]",
        "status.modifyVolumeStatus.status",
    ]


def test_a_quota_counts_the_same_objects_for_ever_and_its_limits_may_change() -> None:
    before = created(kinds.RESOURCE_QUOTA, scopes=["NotTerminating"])
    after = copied(before)
    after.spec.hard["pods"].string = "20"
    assert refused(kinds.RESOURCE_QUOTA, before, after) == []
    after.spec.scopes[0] = "Terminating"
    after.spec.scope_selector.match_expressions.add(scope_name="PriorityClass", operator="Exists")
    assert refused(kinds.RESOURCE_QUOTA, before, after) == ["spec.scopes", "spec.scopeSelector"]


def test_containers_get_the_most_as_limit_and_the_limit_or_the_least_as_request() -> None:
    item = {
        "type": "Container",
        "max": {"cpu": "2"},
        "min": {"cpu": "100m", "memory": "16Mi"},
        "default": {"cpu": "1"},
    }
    [found] = codec.to_json(created(kinds.LIMIT_RANGE, limits=[item]))["spec"]["limits"]
    assert found["default"] == {"cpu": "1"}
    assert found["defaultRequest"] == {"cpu": "1", "memory": "16Mi"}
    [found] = codec.to_json(created(kinds.LIMIT_RANGE))["spec"]["limits"]
    assert (found["default"], found["defaultRequest"]) == ({"cpu": "2"}, {"cpu": "2"})
