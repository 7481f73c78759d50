"""What undoes a change, and what differs: pure, tried on changes made at random."""

from __future__ import annotations

import random
from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.cli.plans.differences import differences
from podraft.cli.plans.undo_plan import UndoRefusedError, own_content, step
from podraft.client.calls.changes import ObjectChange


def deployment(**spec: Any) -> Any:
    container = {"name": "web", "image": spec.pop("image", "nginx:1")}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "1"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [container]}},
            **spec,
        },
    }
    return codec.from_json(manifest)


def config_map(data: dict[str, str], labels: dict[str, str]) -> Any:
    metadata = {"name": "c", "namespace": "default", "uid": "u", "labels": labels}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    return codec.from_json({key: value for key, value in manifest.items() if value})


def patched(live: Any, write: Any) -> Any:
    patch = codec.decode_json(write.patch.request.merge_patch)
    return codec.from_json(codec.merge_patch(codec.to_json(live), patch))


def test_undo_sets_back_what_the_change_touched_and_nothing_else() -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)

    def some() -> dict[str, str]:
        return {key: chance.choice("xyz") for key in "abc" if chance.random() < 0.7}

    for _ in range(300):
        before, after = config_map(some(), some()), config_map(some(), some())
        change = ObjectChange(kinds.CONFIG_MAP, "updated", before, after)
        live = type(after)()
        live.CopyFrom(after)
        live.data["other"] = "new"
        undone = step(change, live, owners=(), force=False)
        result = patched(live, undone.write) if undone.write is not None else live
        assert result.data.pop("other") == "new"
        assert own_content(result) == own_content(before)
        back = ObjectChange(kinds.CONFIG_MAP, "updated", after, result)
        again = step(back, result, owners=(), force=False)
        final = patched(result, again.write) if again.write is not None else result
        assert own_content(final) == own_content(after)


def test_a_field_changed_again_is_a_conflict_and_others_are_not() -> None:
    change = ObjectChange(
        kinds.DEPLOYMENT, "updated", deployment(replicas=1), deployment(replicas=2)
    )
    with pytest.raises(UndoRefusedError, match=r"spec\.replicas: 2 then, 3 now"):
        step(change, deployment(replicas=3), owners=(), force=False)
    assert step(change, deployment(replicas=3), owners=(), force=True).outcome == "restored"
    assert step(change, deployment(replicas=2, image="x:2"), owners=(), force=False).write


def with_memory(memory: str, **spec: Any) -> Any:
    obj = deployment(**spec)
    obj.spec.template.spec.containers[0].resources.limits["memory"].string = memory
    return obj


def test_another_spelling_of_a_quantity_is_no_difference_and_no_conflict() -> None:
    for one, other in (("1Gi", "1073741824"), ("1500m", "1.5")):
        assert differences(with_memory(one), with_memory(other), status=False) == []
        change = ObjectChange(
            kinds.DEPLOYMENT, "updated", with_memory(one, replicas=1), with_memory("2Gi")
        )
        live = with_memory("2147483648")
        assert step(change, live, owners=(), force=False).outcome == "restored"
    assert differences(with_memory("1Gi"), with_memory("1G"), status=False) != []


def test_what_is_created_again_begins_a_new_life() -> None:
    before = deployment(replicas=1)
    before.status.replicas = 7
    before.metadata.finalizers.append("orphan")
    for name, uid in (("alive", "alive"), ("gone", "gone"), ("misnamed", "alive")):
        owner = before.metadata.owner_references.add(kind="X", name=name, uid=uid)
        owner.api_version = "v1"
    change = ObjectChange(kinds.DEPLOYMENT, "deleted", before, None)
    made = step(change, None, owners=before.metadata.owner_references[:1], force=False)
    created = kinds.DEPLOYMENT.message.FromString(made.write.create.object.value)
    assert not created.metadata.uid
    assert not created.metadata.resource_version
    assert not created.metadata.finalizers
    assert not created.HasField("status")
    assert [owner.name for owner in created.metadata.owner_references] == ["alive"]
    assert created.spec == before.spec


def test_elements_are_compared_by_name() -> None:
    before, after = deployment(), deployment(image="nginx:2")
    after.spec.template.spec.containers.insert(0, type(after.spec.template.spec.containers[0])())
    after.spec.template.spec.containers[0].name = "first"
    found = {d.path: (d.before, d.after) for d in differences(before, after, status=False)}
    path = "spec.template.spec.containers"
    assert found[f"{path}[web].image"] == ("nginx:1", "nginx:2")
    assert found[f"{path}[first]"][0] is None
    assert len(found) == 2
    assert differences(before, before, status=True) == []
