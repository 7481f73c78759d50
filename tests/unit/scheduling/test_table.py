"""The table forgets what it no longer needs, and what is kept for speed never shows."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from podraft.api.core.v1.pod_pb2 import PodSpec
from podraft.api.objects.amounts import PODS
from podraft.server.scheduling.core.demand import Demand, Profiles, demand_of
from podraft.server.scheduling.core.evaluation import (
    BALANCED_WEIGHT,
    LEAST_ALLOCATED_WEIGHT,
    SPREAD_WEIGHT,
    TAINT_WEIGHT,
    Evaluation,
)
from podraft.server.scheduling.core.schedule import Scheduler
from podraft.server.scheduling.core.table import NodeTable
from podraft.server.scheduling.core.taints import TaintKey
from support.scheduling.clusters import make_node, make_pod

ONE = Demand(((PODS, 1), ("cpu", 1_000)), 1_000, 0)


def table_of(*names: str, rows: int = 64) -> NodeTable:
    table = NodeTable(rows)
    for name in names:
        table.set_node(make_node(name))
    return table


def free_cpu(table: NodeTable, node: str) -> int:
    row = table.row_of(node)
    assert row is not None
    return int(table.free[table.resource("cpu"), row])


def test_every_row_is_used_before_the_table_grows_and_no_two_nodes_share_one() -> None:
    table = NodeTable(rows=4)
    capacities = []
    for number in range(17):
        table.set_node(make_node(f"n{number}"))
        capacities.append(table.capacity)
    assert capacities == [4] * 4 + [8] * 4 + [16] * 8 + [32]
    rows = [table.row_of(f"n{number}") for number in range(17)]
    assert len(set(rows)) == 17
    assert all(row is not None and 0 <= row < table.capacity for row in rows)


def test_a_pod_that_is_elsewhere_now_counts_there_only() -> None:
    table = table_of("a", "b")
    table.place("uid", "a", ONE, "owner")
    table.place("uid", "b", ONE, "owner")
    assert (free_cpu(table, "a"), free_cpu(table, "b")) == (4_000, 3_000)
    table.place("uid", "b", ONE, "")
    assert table.owner_counts("owner") is None
    assert [table.remove("uid"), table.remove("uid")] == [True, False]
    assert (free_cpu(table, "b"), table.placement("uid")) == (4_000, None)


def test_nothing_is_left_of_owners_whose_pods_are_gone_nor_of_nodes_that_left() -> None:
    table = table_of("a", rows=2)
    for number in range(200):
        owner = f"owner-{number}"
        table.place("uid", "a", ONE, owner)
        counts = table.owner_counts(owner)
        assert counts is not None
        assert counts.sum() == 1
        table.remove("uid")
        assert table.owner_counts(owner) is None
    assert not table._owners
    assert not table._owner_counts
    for number in range(50):
        node = make_node(f"passing-{number}")
        node.spec.taints.add(key="k", value=str(number), effect="NoSchedule")
        table.set_node(node)
        assert list(table.taints) == [TaintKey("k", str(number), "NoSchedule")]
        table.remove_node(node.metadata.name)
    assert (table.taints, table.capacity, len(table)) == ({}, 2, 1)


def test_a_node_that_left_keeps_its_row_until_its_pods_are_gone() -> None:
    table = table_of("a", "b", rows=2)
    table.place("uid", "a", ONE, "")
    table.remove_node("a")
    table.set_node(make_node("a"))
    assert (free_cpu(table, "a"), table.capacity) == (3_000, 2)
    table.remove_node("a")
    table.remove("uid")
    table.set_node(make_node("c"))
    assert (free_cpu(table, "c"), table.capacity) == (4_000, 2)


def test_what_is_kept_for_labels_and_owners_is_bounded_and_stays_true() -> None:
    table = table_of("a", "b")
    for number in range(700):
        table.place(f"uid-{number}", "a", Demand((), 0, 0), f"owner-{number}")
    for _ in range(2):
        for number in range(700):
            assert table.label_mask("kubernetes.io/hostname", f"n{number}").sum() == 0
            counts = table.owner_counts(f"owner-{number}")
            assert counts is not None
            assert counts.sum() == counts[table.row_of("a")] == 1
    assert len(table._label_masks) == 512
    assert len(table._owner_counts) == 64
    # A mask that is kept follows the nodes.
    assert not table.label_mask("kubernetes.io/hostname", "n699").any()
    table.set_node(make_node("n699"))
    assert table.label_mask("kubernetes.io/hostname", "n699").sum() == 1


def test_a_forgotten_log_of_changes_makes_everything_be_computed_anew() -> None:
    table = table_of("a")
    scheduler, profiles = Scheduler(table), Profiles()
    pod = profiles.pending(make_pod("p", cpu="2"))
    assert scheduler.schedule([pod])[0].node == "a"
    begin = table.position
    changes = 0
    while table.changed_since(begin) is not None:
        for _ in range(500):
            table.place("passing", "a", Demand((), 0, 0), "")
            table.remove("passing")
        changes += 1_000
        assert table.position == begin + changes
        assert changes < 100_000
    assert len(table._log) <= 65_536
    assert changes > 30_000
    table.place("large", "a", Demand((("cpu", 1_000),), 0, 0), "")
    assert scheduler.schedule([profiles.pending(make_pod("q", cpu="2"))])[0].node is None


def test_what_says_nothing_new_changes_nothing() -> None:
    table = table_of("a")
    table.place("uid", "a", ONE, "")
    before = (table.position, table.generation)
    table.place("uid", "a", ONE, "")
    table.remove_node("unknown")
    table.place("other", "absent", ONE, "")
    table.remove_node("absent")
    assert (table.position - 1, table.generation) == before
    assert (table.row_of("a"), len(table)) == (0, 1)
    assert table.owner_counts("") is None


def test_a_node_that_states_no_amounts_has_none_but_room_for_pods() -> None:
    table, bare = NodeTable(), make_node("bare")
    bare.status.ClearField("allocatable")
    table.set_node(bare)
    assert free_cpu(table, "bare") == 0
    assert table.free[table.resource(PODS), 0] == 110
    decisions = Scheduler(table).schedule([Profiles().pending(make_pod("p", cpu="1m"))])
    assert [decision.node for decision in decisions] == [None]


@pytest.mark.parametrize(("changed", "others_too"), [(1, False), (16, False), (17, True)])
def test_what_did_not_change_is_computed_again_only_with_many_others(
    changed: int, others_too: bool
) -> None:
    table = table_of("a", *(f"n{number}" for number in range(32)))
    evaluation = Evaluation(table, Profiles().profile(make_pod("p", cpu="1").spec))
    evaluation.refresh()
    unchanged, kept = table.row_of("a"), evaluation.base
    assert unchanged is not None
    true = float(kept[unchanged])
    for _ in range(2):
        kept[unchanged] = 0.0
        for number in range(changed):
            table.place(f"uid-{number}", f"n{number}", ONE, "")
        evaluation.refresh()
        assert evaluation.base is kept
        assert kept[unchanged] == (true if others_too else 0.0)
        for number in range(changed):
            table.remove(f"uid-{number}")
        evaluation.refresh()


def test_a_failure_is_not_looked_into_again_before_something_changes() -> None:
    table, profiles = table_of("a"), Profiles()
    scheduler = Scheduler(table)
    pods = [profiles.pending(make_pod(name, cpu="64")) for name in ("p", "q")]
    first, second = scheduler.schedule(pods)
    assert first.record is second.record
    table.place("uid", "a", ONE, "")
    assert scheduler.schedule(pods[:1])[0].record is not first.record


def test_of_many_equal_nodes_five_are_told_and_the_chosen_one_first() -> None:
    table = table_of(*(f"n{number}" for number in range(12)))
    pods = [Profiles().pending(make_pod(f"p{number}")) for number in range(12)]
    for decision in Scheduler(table).schedule(pods):
        told = [score.node_name for score in decision.record.scores]
        assert (told[0], len(told), len(set(told))) == (decision.node, 5, 5)


def test_a_change_is_told_to_who_looked_before_it_and_not_to_who_looked_after() -> None:
    table = table_of("a", "b")
    positions = []
    for uid, node in (("1", "a"), ("2", "b"), ("3", "b")):
        positions.append(table.position)
        table.place(uid, node, ONE, "")
    a, b = table.row_of("a"), table.row_of("b")
    assert [table.changed_since(position) for position in positions] == [[a, b, b], [b, b], [b]]
    assert table.changed_since(table.position) == []


def test_what_was_computed_for_templates_is_bounded() -> None:
    table = table_of("a")
    scheduler, profiles = Scheduler(table), Profiles()
    for number in range(4_200):
        spec = make_pod("p", cpu=f"{number + 1}m" if number < 100 else "", memory=str(number)).spec
        profile = profiles.profile(spec)
        assert profiles.profile(spec) is profile
    assert len(profiles._by_spec) == 4_096
    for number in range(100):
        pods = [make_pod(f"{size}-{number}", cpu=f"{size}{number:03}m") for size in (5, 0)]
        large, small = scheduler.schedule([profiles.pending(pod) for pod in pods])
        assert large.node is None
        assert small.node == "a"
        assert table.remove(small.pod.uid)
    assert len(scheduler._evaluations) == 32
    assert len(scheduler._failures) <= 32


def test_pods_of_one_template_share_a_profile_however_its_maps_were_filled() -> None:
    profiles = Profiles()
    keys = [f"key-{number}" for number in range(5)]
    found = set()
    for order in permutations(keys):
        spec = make_pod("p").spec
        for key in order:
            spec.node_selector[key] = "v"
        found.add(id(profiles.profile(spec)))
    assert len(found) == 1


def test_what_asks_for_nothing_is_one_pod() -> None:
    assert demand_of(PodSpec()) == Demand(((PODS, 1),), 0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_a_score_is_the_weighted_sum_of_its_parts(seed: int) -> None:
    rng = random.Random(seed)
    table = NodeTable()
    for number in range(6):
        node = make_node(f"n{number}", cpu=rng.choice(["2", "4"]))
        if rng.random() < 0.5:
            node.spec.taints.add(key="k", effect="PreferNoSchedule")
        table.set_node(node)
    scheduler, profiles = Scheduler(table), Profiles()
    weights = {
        "LeastAllocated": LEAST_ALLOCATED_WEIGHT,
        "BalancedAllocation": BALANCED_WEIGHT,
        "TaintToleration": TAINT_WEIGHT,
        "ReplicaSpread": SPREAD_WEIGHT,
    }
    for number in range(12):
        pod = make_pod(f"p{number}", owner="owner", cpu="100m")
        (decision,) = scheduler.schedule([profiles.pending(pod)])
        for score in decision.record.scores:
            # Nothing to spread from, at first.
            assert set(score.by_plugin) == set(weights) - (
                {"ReplicaSpread"} if not number else set()
            )
            parts = [weights[name] * part for name, part in score.by_plugin.items()]
            assert score.total == pytest.approx(sum(parts))


def test_a_decision_says_where_to_and_how_many_nodes_there_were() -> None:
    scheduler, profiles = Scheduler(table_of("a", "b")), Profiles()
    scheduler.table.place("uid", "a", Demand((("cpu", 4_000),), 0, 0), "")
    (decision,) = scheduler.schedule([profiles.pending(make_pod("p", cpu="1"))])
    assert decision.record.message == "assigned to b; 1 of 2 nodes fit"


def test_who_tolerates_it_goes_where_nobody_else_may() -> None:
    node = make_node("a")
    node.spec.unschedulable = True
    table = NodeTable()
    table.set_node(node)
    scheduler, profiles = Scheduler(table), Profiles()
    pods = [make_pod("p"), make_pod("daemon")]
    pods[1].spec.tolerations.add(key="node.kubernetes.io/unschedulable", operator="Exists")
    decisions = scheduler.schedule([profiles.pending(pod) for pod in pods])
    assert [decision.node for decision in decisions] == [None, "a"]
