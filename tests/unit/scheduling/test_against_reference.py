"""The core decides exactly what a slow scheduler, written from the rules, would."""

import random

import pytest

from podraft.api.core.v1.pod_pb2 import Pod
from podraft.server.scheduling.core.demand import Profiles, controller_key, demand_of
from podraft.server.scheduling.core.schedule import Decision, Scheduler
from podraft.server.scheduling.core.table import NodeTable
from support.scheduling.clusters import random_node, random_pod
from support.scheduling.reference import SlowCluster


class Both:
    """The same cluster in the real table and in the slow one."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.table = NodeTable(rows=2)
        self.scheduler = Scheduler(self.table)
        self.profiles = Profiles()
        self.slow = SlowCluster()
        self.count = 0

    def step(self) -> None:
        rng = self.rng
        kind = rng.choices(
            ("schedule", "node", "remove node", "remove pod", "bind elsewhere"), (10, 3, 1, 3, 1)
        )[0]
        if kind == "node":
            new = random_node(rng, f"node-{rng.randrange(12)}")
            self.table.set_node(new)
            self.slow.nodes[new.metadata.name] = new
        elif kind == "remove node" and self.slow.nodes:
            name = rng.choice(sorted(self.slow.nodes))
            self.table.remove_node(name)
            del self.slow.nodes[name]
        elif kind == "remove pod" and self.slow.pods:
            uid = rng.choice(sorted(self.slow.pods))
            assert self.table.remove(uid)
            del self.slow.pods[uid]
        elif kind == "bind elsewhere":
            pod = self.new_pod()
            node = f"node-{rng.randrange(14)}"  # It may be unknown, and it may be full.
            self.place(pod, node)
            self.place(pod, node)
        elif kind == "schedule" and self.slow.nodes:
            self.schedule([self.new_pod() for _ in range(rng.choice([1, 3]))])

    def new_pod(self) -> Pod:
        self.count += 1
        # Pods of few templates, so that what was computed for a template is used again.
        template = random.Random(self.rng.randrange(8))
        return random_pod(template, f"pod-{self.count}")

    def place(self, pod: Pod, node: str) -> None:
        self.table.place(pod.metadata.uid, node, demand_of(pod.spec), controller_key(pod))
        self.slow.pods[pod.metadata.uid] = (node, pod)

    def schedule(self, pods: list[Pod]) -> None:
        decisions = self.scheduler.schedule([self.profiles.pending(pod) for pod in pods])
        for pod, decision in zip(pods, decisions, strict=True):
            reasons = {name: self.slow.reasons(pod, name) for name in self.slow.nodes}
            self.check(pod, decision, reasons)
            if decision.node is not None:
                self.slow.pods[pod.metadata.uid] = (decision.node, pod)

    def check(self, pod: Pod, decision: Decision, reasons: dict[str, list[str]]) -> None:
        record = decision.record
        expected: dict[str, set[str]] = {}
        for name, why in reasons.items():
            for reason in why:
                expected.setdefault(reason, set()).add(name)
        assert {r.reason: r.nodes for r in record.rejections} == {
            reason: len(names) for reason, names in expected.items()
        }
        for rejection in record.rejections:
            assert len(rejection.examples) == min(rejection.nodes, 5)
            assert set(rejection.examples) <= expected[rejection.reason]
        assert record.nodes_considered == len(self.slow.nodes)
        fitting = [name for name, why in reasons.items() if not why]
        assert (decision.node is None) == (not fitting)
        assert record.node_name == (decision.node or "")
        if decision.node is None:
            return
        scores = {name: self.slow.score(pod, name) for name in fitting}
        assert scores[decision.node] == pytest.approx(max(scores.values()), abs=1e-6)
        best = sorted(scores.values(), reverse=True)[:5]
        assert record.scores[0].node_name == decision.node
        assert len({score.node_name for score in record.scores}) == len(record.scores)
        assert [score.total for score in record.scores] == pytest.approx(best, abs=1e-6)
        for score in record.scores:
            assert score.total == pytest.approx(scores[score.node_name], abs=1e-6)
            assert all(0 <= part <= 100 for part in score.by_plugin.values())


@pytest.mark.parametrize("seed", range(30))
def test_every_decision_is_what_the_rules_say(seed: int) -> None:
    both = Both(seed)
    for _ in range(60):
        both.step()


@pytest.mark.parametrize("seed", range(5))
def test_the_table_after_any_history_equals_one_made_anew(seed: int) -> None:
    both = Both(1000 + seed)
    for _ in range(100):
        both.step()
    fresh = NodeTable()
    for node in both.slow.nodes.values():
        fresh.set_node(node)
    for where, pod in both.slow.pods.values():
        fresh.place(pod.metadata.uid, where, demand_of(pod.spec), controller_key(pod))
    assert len(fresh) == len(both.table)
    for name in both.slow.nodes:
        ours, theirs = both.table.row_of(name), fresh.row_of(name)
        assert ours is not None and theirs is not None
        for resource in ("cpu", "memory", "pods", "ephemeral-storage", "example.com/gpu"):
            mine, other = both.table.resource(resource), fresh.resource(resource)
            assert both.table.free[mine, ours] == fresh.free[other, theirs]
        assert list(both.table.scored[:, ours]) == list(fresh.scored[:, theirs])
