"""Properties of the core's decisions: no overcommit, spread, balance, the same every time."""

import collections
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.core.v1.scheduling_pb2 import SchedulingRecord
from podraft.server.scheduling.core.demand import Profiles, demand_of
from podraft.server.scheduling.core.schedule import Decision, Scheduler
from podraft.server.scheduling.core.table import NodeTable
from support.scheduling.clusters import make_node, make_pod, random_node, random_pod


def scheduler_of(nodes: Sequence[Node]) -> Scheduler:
    table = NodeTable()
    for node in nodes:
        table.set_node(node)
    return Scheduler(table)


def decide(
    scheduler: Scheduler, pods: Sequence[Pod], profiles: Profiles | None = None
) -> list[Decision]:
    profiles = profiles or Profiles()
    return scheduler.schedule([profiles.pending(pod) for pod in pods])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 60))
def test_no_node_is_ever_overcommitted(seed: int, nodes: int, pods: int) -> None:
    rng = random.Random(seed)
    scheduler = scheduler_of([random_node(rng, f"n{i}") for i in range(nodes)])
    decide(scheduler, [random_pod(rng, f"p{i}") for i in range(pods)])
    assert (scheduler.table.free >= 0).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_the_same_table_and_pods_give_the_same_decisions(seed: int) -> None:
    def decisions() -> list[tuple[str | None, SchedulingRecord]]:
        rng = random.Random(seed)
        scheduler = scheduler_of([random_node(rng, f"n{i}") for i in range(20)])
        pods = [random_pod(rng, f"p{i}") for i in range(40)]
        return [(d.node, d.record) for d in decide(scheduler, pods)]

    assert decisions() == decisions()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_one_batch_decides_as_many_small_ones(seed: int) -> None:
    rng = random.Random(seed)
    nodes = [random_node(rng, f"n{i}") for i in range(10)]
    pods = [random_pod(rng, f"p{i}") for i in range(30)]
    together = decide(scheduler_of(nodes), pods)
    scheduler = scheduler_of(nodes)
    singly = [decide(scheduler, [pod])[0] for pod in pods]
    assert [d.node for d in together] == [d.node for d in singly]


@pytest.mark.parametrize("replicas", [3, 10, 25])
def test_replicas_spread_evenly_over_equal_nodes(replicas: int) -> None:
    scheduler = scheduler_of([make_node(f"n{i}", cpu="16", memory="64Gi") for i in range(5)])
    pods = [make_pod(f"p{i}", owner="rs", cpu="10m") for i in range(replicas)]
    counts = collections.Counter(d.node for d in decide(scheduler, pods))
    assert max(counts.values()) - min(counts[f"n{i}"] for i in range(5)) <= 1


def test_replicas_spread_even_when_other_pods_load_some_nodes() -> None:
    scheduler = scheduler_of([make_node(f"n{i}", cpu="16", memory="64Gi") for i in range(3)])
    for i in range(8):
        pod = make_pod(f"busy{i}", cpu="1")
        scheduler.table.place(pod.metadata.uid, "n0", demand_of(pod.spec), "")
    pods = [make_pod(f"p{i}", owner="rs", cpu="10m") for i in range(3)]
    assert {d.node for d in decide(scheduler, pods)} == {"n0", "n1", "n2"}


def test_pods_without_owner_or_requests_share_equal_nodes() -> None:
    scheduler = scheduler_of([make_node(f"n{i}", cpu="64", memory="256Gi") for i in range(10)])
    pods = [make_pod(f"p{i}") for i in range(100)]
    counts = collections.Counter(d.node for d in decide(scheduler, pods))
    assert set(counts.values()) == {10}


def test_first_pods_of_many_clusters_do_not_all_go_to_one_node() -> None:
    nodes = [make_node(f"n{i}") for i in range(10)]
    chosen = {decide(scheduler_of(nodes), [make_pod(f"p{i}")])[0].node for i in range(100)}
    assert len(chosen) >= 8


def test_the_emptier_and_the_better_balanced_node_win() -> None:
    nodes = [make_node("small", cpu="2", memory="4Gi"), make_node("large", cpu="16", memory="32Gi")]
    assert decide(scheduler_of(nodes), [make_pod("p", cpu="1", memory="2Gi")])[0].node == "large"
    nodes = [make_node("lop", cpu="4", memory="64Gi"), make_node("even", cpu="8", memory="8Gi")]
    assert decide(scheduler_of(nodes), [make_pod("p", cpu="4", memory="4Gi")])[0].node == "even"


def test_a_soft_taint_is_avoided_but_not_forbidden() -> None:
    tainted, free = make_node("tainted"), make_node("free", pods="1")
    tainted.spec.taints.add(key="old", value="", effect="PreferNoSchedule")
    decisions = decide(scheduler_of([tainted, free]), [make_pod("a"), make_pod("b")])
    assert [d.node for d in decisions] == ["free", "tainted"]


def test_the_message_names_every_reason_and_how_many_nodes_it_refused() -> None:
    nodes = [make_node(f"small{i}", cpu="1") for i in range(3)]
    for i in range(2):
        nodes.append(make_node(f"tainted{i}"))
        nodes[-1].spec.taints.add(key="team", value="db", effect="NoSchedule")
    [decision] = decide(scheduler_of(nodes), [make_pod("p", cpu="2")])
    assert decision.node is None
    assert decision.record.message == (
        "0/5 nodes are available: 3 insufficient cpu, 2 node(s) had untolerated taint {team: db}."
    )
    taint, cpu = decision.record.rejections
    assert (taint.filter, taint.nodes, list(taint.examples)) == (
        "TaintToleration",
        2,
        ["tainted0", "tainted1"],
    )
    assert (cpu.filter, cpu.reason, cpu.nodes) == ("NodeResourcesFit", "insufficient cpu", 3)


def test_without_nodes_the_message_says_so() -> None:
    [decision] = decide(scheduler_of([]), [make_pod("p")])
    assert decision.node is None
    assert decision.record.message == "no nodes are available to schedule pods"


def test_a_pod_fits_again_once_there_is_room() -> None:
    scheduler, profiles = scheduler_of([make_node("n", cpu="1")]), Profiles()
    first, second = make_pod("a", cpu="1"), make_pod("b", cpu="1")
    assert [d.node for d in decide(scheduler, [first, second], profiles)] == ["n", None]
    assert decide(scheduler, [second], profiles)[0].node is None
    scheduler.table.remove(first.metadata.uid)
    assert decide(scheduler, [second], profiles)[0].node == "n"
    assert decide(scheduler, [first], profiles)[0].node is None
    scheduler.table.set_node(make_node("m", cpu="1"))
    assert decide(scheduler, [first], profiles)[0].node == "m"


def test_absurd_amounts_fit_nowhere_and_break_nothing() -> None:
    node = make_node("n", cpu="9223372036854775807", memory="9223372036854775807")
    scheduler = scheduler_of([node])
    huge = make_pod("huge", cpu="9223372036854775807", memory="9223372036854775807")
    assert decide(scheduler, [huge])[0].node is None
    for i in range(100):
        scheduler.table.place(f"bound-{i}", "n", demand_of(huge.spec), "")
    assert decide(scheduler, [make_pod("p", cpu="1")])[0].node is None
    for i in range(100):
        scheduler.table.remove(f"bound-{i}")
    assert decide(scheduler, [make_pod("p", cpu="1")])[0].node == "n"


def test_reading_a_pod_does_not_change_it() -> None:
    pod = make_pod("p", cpu="1")
    before = pod.SerializeToString()
    Profiles().pending(pod)
    demand_of(pod.spec)
    assert pod.SerializeToString() == before


def test_a_status_that_changes_nothing_for_scheduling_is_no_change() -> None:
    table, node = NodeTable(), make_node("n")
    assert table.set_node(node)
    generation = table.generation
    node.status.conditions[0].last_heartbeat_time.seconds = 7
    node.metadata.annotations["a"] = "b"
    assert not table.set_node(node)
    assert table.generation == generation
