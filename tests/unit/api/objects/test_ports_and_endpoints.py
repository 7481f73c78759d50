"""Ports by number and by name; what an endpoint says, and what it leaves unsaid."""

import pytest

from podraft.api.core.v1 import pod_pb2, service_pb2
from podraft.api.discovery.v1 import endpoint_slice_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import endpoints, ports


def pod_with(*declared: tuple[str, int, str]) -> pod_pb2.Pod:
    pod = pod_pb2.Pod()
    for name, number, protocol in declared:
        container = pod.spec.containers.add()
        container.ports.add(name=name, container_port=number, protocol=protocol)
    return pod


def service_port(target: meta_pb2.IntOrString, protocol: str = "") -> service_pb2.ServicePort:
    return service_pb2.ServicePort(port=80, target_port=target, protocol=protocol)


NAMED = meta_pb2.IntOrString(type=1, str_val="web")


def test_a_named_target_is_a_port_of_that_name_and_protocol():
    pod = pod_with(("web", 53, "UDP"), ("web", 8080, "TCP"))
    assert ports.target_number(service_port(NAMED), pod) == 8080
    assert ports.target_number(service_port(NAMED, "UDP"), pod) == 53
    assert ports.target_number(service_port(NAMED, "SCTP"), pod) is None


def test_a_port_that_says_no_protocol_is_of_tcp():
    assert ports.target_number(service_port(NAMED, "TCP"), pod_with(("web", 8080, ""))) == 8080


@pytest.mark.parametrize(("said", "meant"), [(0, 80), (8080, 8080)])
def test_a_target_that_is_not_said_is_the_services_own_number(said, meant):
    port = service_port(meta_pb2.IntOrString(int_val=said))
    assert ports.target_number(port, pod_pb2.Pod()) == meant
    assert ports.target_text(port) == str(meant)


def test_the_type_decides_whether_a_port_is_a_name():
    port = service_port(meta_pb2.IntOrString(type=0, int_val=8080, str_val="web"))
    assert ports.target_number(port, pod_with(("web", 1, "TCP"))) == 8080
    assert ports.target_text(port) == "8080"
    assert ports.target_text(service_port(NAMED)) == "web"


@pytest.mark.parametrize(
    ("ready", "serving", "terminating", "is_ready", "is_serving", "is_draining"),
    [
        (None, None, None, True, True, False),
        (None, None, True, True, True, True),
        (False, None, True, False, False, False),
        (False, True, True, False, True, True),
        (True, False, None, True, False, False),
    ],
)
def test_what_an_endpoint_does_not_say_counts_in_its_favour(
    ready, serving, terminating, is_ready, is_serving, is_draining
):
    said = endpoint_slice_pb2.EndpointConditions(
        ready=ready, serving=serving, terminating=terminating
    )
    endpoint = endpoint_slice_pb2.Endpoint(conditions=said)
    assert endpoints.is_ready(endpoint) is is_ready
    assert endpoints.is_serving(endpoint) is is_serving
    assert endpoints.is_draining(endpoint) is is_draining
