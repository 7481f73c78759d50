"""Descriptions: every kind has one, and a scheduling record reads as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.api.core.v1 import scheduling_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.cli.kinds import view_of
from podraft.cli.kinds.view import Surroundings
from podraft.cli.output.sections import scheduling
from podraft.cli.output.sections.layout import Below, block

NOW_S = 1_800_000_000.0


def test_keys_are_aligned_and_empty_values_are_said_to_be_none() -> None:
    assert block([("A", "x"), ("Long key", ["y", "z"]), ("Empty", []), ("In", Below(["l"]))]) == [
        "A:         x",
        "Long key:  y",
        "           z",
        "Empty:     <none>",
        "In:",
        "  l",
    ]


@pytest.mark.parametrize("kind", kinds.BUILT_IN, ids=lambda kind: kind.name)
def test_every_kind_has_a_description_even_with_nothing_set(kind: kinds.AnyKind) -> None:
    obj = kind.message(metadata=meta_pb2.ObjectMeta(name="bare"))

    lines = described(obj, Surroundings())

    assert lines[0].split() == ["Name:", "bare"]


def test_a_kind_that_nobody_wrote_a_view_for_is_described_as_yaml_with_its_events() -> None:
    unknown = replace(kinds.LEASE)
    obj = made(kinds.LEASE, spec={"holderIdentity": "n1"})

    text = "\n".join(view_of(unknown).describe(obj, Surroundings(), NOW_S))

    assert "\n  holderIdentity: n1\n" in text
    assert text.endswith("Events:  <none>")


def record() -> scheduling_pb2.SchedulingRecord:
    return scheduling_pb2.SchedulingRecord(
        attempted_at=meta_pb2.Time(seconds=int(NOW_S) - 90),
        node_name="n2",
        message="assigned to n2; 2 of 10 nodes fit",
        nodes_considered=10,
        attempts=1,
        rejections=[
            scheduling_pb2.FilterRejection(
                filter="NodeSelector", reason="node(s) didn't match", nodes=1, examples=["n0"]
            ),
            scheduling_pb2.FilterRejection(
                filter="Resources", reason="Insufficient cpu", nodes=7, examples=["n3", "n4", "n5"]
            ),
        ],
        scores=[
            scheduling_pb2.NodeScore(node_name="n1", total=80, by_plugin={"Least": 30, "B": 50}),
            scheduling_pb2.NodeScore(
                node_name="n2", total=90.5, by_plugin={"Least": 40, "B": 50.5}
            ),
        ],
    )


def test_a_scheduling_record_shows_who_refused_and_who_won_by_what() -> None:
    assert "\n".join(scheduling.record_lines(record(), NOW_S)) == (
        "Node:     n2\n"
        "Decided:  90s ago, attempt 1\n"
        "Nodes:    10 looked at, 2 fit\n"
        "Message:  assigned to n2; 2 of 10 nodes fit\n"
        "Refused by:\n"
        "  Filter         Nodes   Reason                 Examples\n"
        "  ------         -----   ------                 --------\n"
        "  Resources      7       Insufficient cpu       n3, n4, n5, … 4 more\n"
        "  NodeSelector   1       node(s) didn't match   n0\n"
        "Scores:\n"
        "  Node          Total   B      Least\n"
        "  ----          -----   -      -----\n"
        "  n2 ← chosen   90.5    50.5   40.0\n"
        "  n1            80.0    50.0   30.0"
    )


def test_a_record_in_one_line_names_the_node_or_why_there_is_none() -> None:
    assert scheduling.record_summary(record()) == "n2, of 2/10 that fit, score 90"
    nowhere = scheduling_pb2.SchedulingRecord(message="0/3 nodes are available")
    assert scheduling.record_summary(nowhere) == "0/3 nodes are available"


def test_a_services_description_lists_the_endpoints_of_each_port() -> None:
    service = made(
        kinds.SERVICE,
        spec={"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 80, "nodePort": 30080}]},
    )
    points = [
        {"addresses": [f"10.0.0.{number}"], "conditions": {"ready": number != 3}}
        for number in range(4)
    ]
    slices = [
        made(
            kinds.ENDPOINT_SLICE,
            addressType="IPv4",
            endpoints=points,
            ports=[{"name": "http", "port": 8080}],
        )
    ]

    text = "\n".join(described(service, Surroundings(slices=slices)))

    assert "10.0.0.0:8080,10.0.0.1:8080,10.0.0.2:8080\n" in text
    assert "NodePort http:" in text


def test_a_nodes_description_sums_what_its_pods_ask_for() -> None:
    node = made(kinds.NODE, status={"allocatable": {"cpu": "2", "memory": "4Gi"}})
    request = {"resources": {"requests": {"cpu": "250m", "memory": "1Gi"}}}
    pods = [
        made(kinds.POD, spec={"containers": [{"name": "c", **request}]}),
        made(kinds.POD, spec={"containers": [{"name": "c"}], "initContainers": [
            {"name": "i", **request}]}),
        made(kinds.POD, spec={"containers": [{"name": "c", **request}]},
             status={"phase": "Succeeded"}),
    ]  # fmt: skip

    text = "\n".join(described(node, Surroundings(pods=pods)))

    assert "Pods (2 in total):" in text
    assert "cpu: 500m (25%)" in text
    assert "memory: 2048Mi (50%)" in text


def described(obj: Any, around: Surroundings) -> list[str]:
    return view_of(kinds.BUILT_IN.of(obj)).describe(obj, around, NOW_S)


def made(kind: kinds.AnyKind, **parts: Any) -> Any:
    metadata = {"name": "x", **({"namespace": "default"} if kind.namespaced else {})}
    value = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **parts}
    return codec.from_json(value)
