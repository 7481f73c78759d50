"""Environment and command line as Kubernetes composes them."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.podman.core.expansion import expand
from podraft.agent.pods.core.environment import Surroundings, environment, service_variables
from podraft.api.core.v1 import config_pb2, container_pb2, service_pb2
from podraft.api.objects.references import Reference, references
from unit.agent.pod_world import make_pod


def around(**parts: Any) -> Surroundings:
    pod = make_pod("main")
    pod.metadata.labels["app"] = "shop"
    pod.spec.node_name = "n1"
    return Surroundings(pod=pod, address="10.244.0.9", node_ip="10.0.0.1", **parts)


def service(name: str, *ports: tuple[str, int], address: str = "10.96.0.5") -> service_pb2.Service:
    made = service_pb2.Service()
    made.metadata.name = name
    made.spec.cluster_ip = address
    for port_name, port in ports:
        made.spec.ports.add(name=port_name, port=port, protocol="TCP")
    return made


def test_a_service_is_told_as_docker_links_were() -> None:
    variables = service_variables([service("my-web", ("http", 80), ("admin", 81))])
    assert variables["MY_WEB_SERVICE_HOST"] == "10.96.0.5"
    assert variables["MY_WEB_SERVICE_PORT"] == "80"
    assert variables["MY_WEB_SERVICE_PORT_ADMIN"] == "81"
    assert variables["MY_WEB_PORT"] == "tcp://10.96.0.5:80"
    assert variables["MY_WEB_PORT_81_TCP_ADDR"] == "10.96.0.5"


def test_a_headless_service_has_no_variables() -> None:
    assert service_variables([service("db", ("", 1), address="None")]) == {}


def test_service_links_can_be_switched_off() -> None:
    given = around(services=[service("web", ("", 80))])
    container = container_pb2.Container()
    assert "WEB_SERVICE_HOST" in environment(container, given)
    given.pod.spec.enable_service_links = False
    assert environment(container, given) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)-$(B)", "1-2"),
        ("$$(A)", "$(A)"),
        ("$(MISSING)", "$(MISSING)"),
        ("$A", "$A"),
        ("$$$(A)", "$1"),
    ],
)
def test_expansion_is_kubernetes(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}, "x") == expected


def test_later_sources_override_earlier_ones_and_may_refer_to_them() -> None:
    settings = config_pb2.ConfigMap(data={"HOST": "db"})
    container = container_pb2.Container()
    source = container.env_from.add(prefix="P_")
    source.config_map_ref.local_object_reference.name = "settings"
    container.env.add(name="URL", value="pg://$(P_HOST)")
    container.env.add(name="P_HOST", value="other")
    result = environment(container, around(config_maps={"settings": settings}))
    assert result == {"P_HOST": "other", "URL": "pg://db"}


@pytest.mark.parametrize("prefix", ["", "P_"])
def test_every_key_of_a_source_becomes_a_variable(prefix: str) -> None:
    keys = ("UPPER", "dotted.key", "dash-key", "1first", "under_score", "empty")
    odd = config_pb2.ConfigMap(data=dict.fromkeys(keys, ""))
    container = container_pb2.Container()
    source = container.env_from.add(prefix=prefix)
    source.config_map_ref.local_object_reference.name = "odd"
    result = environment(container, around(config_maps={"odd": odd}))
    assert set(result) == {prefix + key for key in keys}


def test_a_key_that_can_be_no_variable_is_named() -> None:
    container = container_pb2.Container()
    container.env_from.add(prefix="A=").config_map_ref.local_object_reference.name = "odd"
    given = around(config_maps={"odd": config_pb2.ConfigMap(data={"key": "x"})})
    with pytest.raises(ConfigurationError, match='key "key" of ConfigMap "odd"'):
        environment(container, given)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.uid", "uid-1"),
        ("metadata.labels['app']", "shop"),
        ("spec.nodeName", "n1"),
        ("status.podIP", "10.244.0.9"),
        ("status.hostIP", "10.0.0.1"),
    ],
)
def test_a_pod_field_can_be_a_variable(path: str, value: str) -> None:
    container = container_pb2.Container()
    container.env.add(name="X").value_from.field_ref.field_path = path
    assert environment(container, around()) == {"X": value}


def test_a_missing_object_or_key_is_named() -> None:
    container = container_pb2.Container()
    reference = container.env.add(name="X").value_from.secret_key_ref
    reference.local_object_reference.name, reference.key = "keys", "password"
    with pytest.raises(ConfigurationError, match='Secret "keys" not found'):
        environment(container, around())
    with pytest.raises(ConfigurationError, match='key "password" in Secret "keys"'):
        environment(container, around(secrets={"keys": config_pb2.Secret()}))
    reference.optional = True
    assert environment(container, around()) == {}


def test_all_references_of_a_pod_are_found() -> None:
    pod = make_pod("main", init=("first",))
    source = pod.spec.init_containers[0].env_from.add()
    source.secret_ref.local_object_reference.name = "a"
    value = pod.spec.containers[0].env.add(name="X").value_from
    value.config_map_key_ref.local_object_reference.name = "b"
    pod.spec.volumes.add(name="v").volume_source.secret.secret_name = "c"
    assert references(pod.spec) == {
        Reference("Secret", "a"),
        Reference("ConfigMap", "b"),
        Reference("Secret", "c"),
    }
