"""How fields are merged is read from the contract, by the way to them and never by a name."""

import pytest

from podraft.api.apps.v1 import deployment_pb2
from podraft.api.codec import merging
from podraft.api.core.v1 import node_pb2, pod_pb2, service_pb2


def place(message, *path):
    found = message.DESCRIPTOR
    for name in path:
        found = merging.below(found, name)
    return found


@pytest.mark.parametrize(
    ("message", "path", "fields"),
    [
        (pod_pb2.Pod, "spec.containers.ports", (("containerPort", None), ("protocol", "TCP"))),
        (service_pb2.Service, "spec.ports", (("port", None), ("protocol", "TCP"))),
        (deployment_pb2.Deployment, "spec.template.spec.volumes", (("name", None),)),
        (pod_pb2.Pod, "metadata.finalizers", ()),
    ],
)
def test_a_lists_keys_depend_on_where_it_is(message, path, fields):
    keys = merging.list_keys(place(message, *path.split(".")))
    assert keys is not None
    assert keys.fields == fields


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (node_pb2.Node, "spec.taints"),
        (pod_pb2.Pod, "spec.tolerations"),
        (pod_pb2.Pod, "spec.containers.command"),
        (pod_pb2.Pod, "spec.volumes.configMap.items"),
        (pod_pb2.Pod, "spec.noSuchField"),
        (pod_pb2.Pod, "metadata.labels.containers"),
        (pod_pb2.Pod, "metadata.name.containers"),
    ],
)
def test_every_other_list_is_one_value(message, path):
    assert merging.list_keys(place(message, *path.split("."))) is None


def test_maps_are_told_from_messages():
    assert merging.is_map(place(pod_pb2.Pod, "spec", "nodeSelector"))
    assert not merging.is_map(place(pod_pb2.Pod, "spec", "securityContext"))
    assert not merging.is_map(None)


def test_an_element_is_one_of_several_things_where_the_contract_says_so():
    one_of = {
        name: merging.list_keys(place(pod_pb2.Pod, "spec", *name.split("."))).one_of
        for name in ("volumes", "containers", "containers.env")
    }
    assert one_of == {"volumes": True, "containers": False, "containers.env": True}
