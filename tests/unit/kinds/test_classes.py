"""Classes, drivers and policies: what they are by default, and what of them never changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.api.kinds import AnyKind
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from support.api_objects import example

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def created(kind: AnyKind) -> Any:
    """Return an object as the server stores it."""
    return rooms.prepare_create(
        kind, example(kind, "a"), now=NOW, uid="u", name_suffix="", known=kinds.BUILT_IN
    )


def at(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    return value


RULE = "spec.matchConstraints.resourceRules.0"


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (kinds.NETWORK_POLICY, "spec.policyTypes", ["Ingress"]),
        (kinds.STORAGE_CLASS, "reclaimPolicy", "Delete"),
        (kinds.STORAGE_CLASS, "volumeBindingMode", "Immediate"),
        (kinds.CSI_DRIVER, "spec.attachRequired", True),
        (kinds.CSI_DRIVER, "spec.podInfoOnMount", False),
        (kinds.CSI_DRIVER, "spec.storageCapacity", False),
        (kinds.CSI_DRIVER, "spec.requiresRepublish", False),
        (kinds.CSI_DRIVER, "spec.seLinuxMount", False),
        (kinds.CSI_DRIVER, "spec.fsGroupPolicy", "ReadWriteOnceWithFSType"),
        (kinds.CSI_DRIVER, "spec.volumeLifecycleModes", ["Persistent"]),
        (kinds.MUTATING_WEBHOOK_CONFIGURATION, "webhooks.0.reinvocationPolicy", "Never"),
        (kinds.VALIDATING_WEBHOOK_CONFIGURATION, "webhooks.0.failurePolicy", "Fail"),
        (kinds.VALIDATING_WEBHOOK_CONFIGURATION, "webhooks.0.matchPolicy", "Equivalent"),
        (kinds.VALIDATING_WEBHOOK_CONFIGURATION, "webhooks.0.timeoutSeconds", 10),
        (kinds.VALIDATING_WEBHOOK_CONFIGURATION, "webhooks.0.namespaceSelector", {}),
        (kinds.VALIDATING_WEBHOOK_CONFIGURATION, "webhooks.0.objectSelector", {}),
        (kinds.VALIDATING_WEBHOOK_CONFIGURATION, "webhooks.0.rules.0.scope", "*"),
        (kinds.VALIDATING_WEBHOOK_CONFIGURATION, "webhooks.0.clientConfig.service.port", 443),
        (kinds.VALIDATING_ADMISSION_POLICY, "spec.failurePolicy", "Fail"),
        (kinds.VALIDATING_ADMISSION_POLICY, "spec.matchConstraints.matchPolicy", "Equivalent"),
        (kinds.VALIDATING_ADMISSION_POLICY, "spec.matchConstraints.namespaceSelector", {}),
        (kinds.VALIDATING_ADMISSION_POLICY, f"{RULE}.scope", "*"),
    ],
    ids=lambda value: value.name if isinstance(value, kinds.Kind) else None,
)
def test_what_is_left_out_is_as_in_kubernetes(kind: AnyKind, field: str, value: Any) -> None:
    assert at(codec.to_json(created(kind)), field) == value


def test_a_policy_with_egress_rules_is_for_both_directions() -> None:
    policy = example(kinds.NETWORK_POLICY, "p")
    policy.spec.egress.add().ports.add().port.int_val = 53
    stored: Any = rooms.prepare_create(
        kinds.NETWORK_POLICY, policy, now=NOW, uid="u", name_suffix="", known=kinds.BUILT_IN
    )
    assert list(stored.spec.policy_types) == ["Ingress", "Egress"]
    assert stored.spec.egress[0].ports[0].protocol == "TCP"


def test_an_ingress_class_names_parameters_of_the_cluster_unless_it_says_so() -> None:
    ingress_class = example(kinds.INGRESS_CLASS, "c")
    ingress_class.spec.parameters.kind = ingress_class.spec.parameters.name = "x"
    stored: Any = rooms.prepare_create(
        kinds.INGRESS_CLASS, ingress_class, now=NOW, uid="u", name_suffix="", known=kinds.BUILT_IN
    )
    assert stored.spec.parameters.scope == "Cluster"


def _set(path: str, value: Any) -> Any:
    def change(obj: Any) -> None:
        *parents, last = path.split(".")
        for part in parents:
            obj = obj[int(part)] if part.isdigit() else getattr(obj, part)
        setattr(obj, last, value)

    return change


@pytest.mark.parametrize(
    ("kind", "change", "field"),
    [
        (kinds.INGRESS_CLASS, _set("spec.controller", "a.b/c"), "spec.controller"),
        (kinds.RUNTIME_CLASS, _set("handler", "runc"), "handler"),
        (kinds.STORAGE_CLASS, _set("provisioner", "a.b/c"), "provisioner"),
        (kinds.STORAGE_CLASS, lambda one: one.parameters.clear(), "parameters"),
        (kinds.STORAGE_CLASS, _set("reclaim_policy", "Retain"), "reclaimPolicy"),
        (
            kinds.STORAGE_CLASS,
            _set("volume_binding_mode", "WaitForFirstConsumer"),
            "volumeBindingMode",
        ),
        (kinds.CSI_DRIVER, _set("spec.attach_required", False), "spec.attachRequired"),
        (
            kinds.CSI_DRIVER,
            lambda one: one.spec.volume_lifecycle_modes.append("Ephemeral"),
            "spec.volumeLifecycleModes",
        ),
        (kinds.CSI_NODE, _set("spec.drivers.0.node_id", "n2"), "spec.drivers[0].nodeID"),
        (
            kinds.CSI_NODE,
            lambda one: one.spec.drivers[0].topology_keys.append("zone"),
            "spec.drivers[0].topologyKeys",
        ),
    ],
)
def test_what_others_rely_on_never_changes(kind: AnyKind, change: Any, field: str) -> None:
    stored, changed = created(kind), created(kind)
    change(changed)
    with pytest.raises(InvalidObjectError) as caught:
        rooms.prepare_update(kind, stored, changed, known=kinds.BUILT_IN)
    assert [violation.field for violation in caught.value.violations] == [field]
    assert "cannot be changed" in caught.value.violations[0].description


def test_a_request_for_a_certificate_never_changes_and_says_nothing_of_who_asks() -> None:
    kind = kinds.CERTIFICATE_SIGNING_REQUEST
    asked = example(kind, "a")
    asked.spec.username = "root"
    asked.spec.groups.append("system:masters")
    stored: Any = rooms.prepare_create(
        kind, asked, now=NOW, uid="u", name_suffix="", known=kinds.BUILT_IN
    )
    assert (stored.spec.username, list(stored.spec.groups)) == ("", [])
    changed = created(kind)
    changed.spec.usages.append("server auth")
    with pytest.raises(InvalidObjectError, match="make another request"):
        rooms.prepare_update(kind, stored, changed, known=kinds.BUILT_IN)


def test_a_certificate_comes_after_the_approval_which_excludes_a_denial() -> None:
    kind = kinds.CERTIFICATE_SIGNING_REQUEST
    stored, changed = created(kind), created(kind)

    def refused() -> list[str]:
        with pytest.raises(InvalidObjectError) as caught:
            rooms.prepare_update(kind, stored, changed, known=kinds.BUILT_IN, subresource="status")
        return [violation.field for violation in caught.value.violations]

    changed.status.certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert refused() == ["status.certificate"]
    changed.status.conditions.add(type="Approved", status="True")
    rooms.prepare_update(kind, stored, changed, known=kinds.BUILT_IN, subresource="status")
    changed.status.conditions.add(type="Denied", status="True")
    assert refused() == ["status.conditions"]
    changed.status.conditions[1].status = "False"
    assert refused() == ["status.conditions[1].status", "status.conditions"]


@pytest.mark.parametrize("decision", ["Approved", "Denied", "Failed"])
def test_a_decision_about_a_request_is_never_undone(decision: str) -> None:
    kind = kinds.CERTIFICATE_SIGNING_REQUEST

    def after(stored: Any, *types: str, certificate: bytes = b"") -> Any:
        changed = created(kind)
        for type_ in types:
            changed.status.conditions.add(type=type_, status="True")
        if certificate:
            changed.status.certificate = certificate
        return rooms.prepare_update(
            kind, stored, changed, known=kinds.BUILT_IN, subresource="status"
        )

    decided = after(created(kind), decision, "example.com/Seen")
    assert len(after(decided, decision).status.conditions) == 1
    for others in ((), ("example.com/Seen",)):
        with pytest.raises(InvalidObjectError, match=f"must keep {decision}"):
            after(decided, *others)
    if decision == "Approved":
        block = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        signed = after(decided, decision, certificate=block)
        assert after(signed, decision, "Failed", certificate=block).status.certificate == block
        for other in (b"", block * 2):
            with pytest.raises(InvalidObjectError, match="cannot be changed once it is there"):
                after(signed, decision, certificate=other)


def test_what_may_change_of_a_class_changes() -> None:
    stored, changed = created(kinds.STORAGE_CLASS), created(kinds.STORAGE_CLASS)
    changed.allow_volume_expansion = True
    changed.mount_options.append("noatime")
    assert (
        rooms.prepare_update(kinds.STORAGE_CLASS, stored, changed, known=kinds.BUILT_IN) == changed
    )
