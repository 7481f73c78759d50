"""What an undo gives up when others have the addresses that it asks for, and what it says."""

from __future__ import annotations

import grpc

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import config_pb2, service_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.cli.plans.undo_refusals import located, without_taken
from podraft.client.calls import writes
from podraft.client.errors import FieldViolation, InvalidError

IP, PORT = "writes[1].create.object.spec.clusterIP", "writes[1].spec.ports[0].nodePort"


def refused(*fields: str) -> InvalidError:
    violations = tuple(FieldViolation(field, "is taken") for field in fields)
    return InvalidError(grpc.StatusCode.INVALID_ARGUMENT, "invalid", violations)


def asked() -> list[commit_pb2.Write]:
    service = service_pb2.Service(metadata=meta_pb2.ObjectMeta(name="web"))
    service.spec.cluster_ip = "10.96.0.9"
    service.spec.cluster_ips.append("10.96.0.9")
    service.spec.ports.add(port=80, node_port=30080)
    config_map = config_pb2.ConfigMap(metadata=meta_pb2.ObjectMeta(name="c"))
    return [writes.create(config_map), writes.create(service)]


def service_in(write: commit_pb2.Write) -> service_pb2.Service:
    service = service_pb2.Service()
    assert write.create.object.Unpack(service)
    return service


def test_only_what_was_refused_is_given_up_and_nothing_else_changes() -> None:
    before = asked()

    kept = without_taken(before, refused(IP))

    assert kept is not None
    assert kept[0] == before[0]
    spec = service_in(kept[1]).spec
    assert (spec.cluster_ip, list(spec.cluster_ips)) == ("", [])
    assert spec.ports[0].node_port == 30080
    assert before == asked(), "what was asked for is as it was"


def test_several_can_be_given_up_at_once() -> None:
    kept = without_taken(asked(), refused(IP, PORT))

    assert kept is not None
    spec = service_in(kept[1]).spec
    assert (spec.cluster_ip, spec.ports[0].node_port) == ("", 0)


def test_what_is_refused_again_or_for_another_reason_is_not_tried_again() -> None:
    kept = without_taken(asked(), refused(PORT))

    assert kept is not None
    assert without_taken(kept, refused(PORT)) is None
    assert without_taken(asked(), refused(IP, "writes[0].metadata.name")) is None
    assert without_taken(asked(), refused("writes[0].spec.clusterIP")) is None


def test_a_refusal_that_names_no_field_stays_what_it_is() -> None:
    error = refused()

    assert located(error, []) is error
