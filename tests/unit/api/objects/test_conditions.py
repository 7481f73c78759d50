"""Conditions: the transition time changes with the status, and with nothing else."""

from podraft.api.core.v1 import namespace_pb2, node_pb2, pod_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import conditions, nodes, pods

EARLIER, NOW = meta_pb2.Time(seconds=100), meta_pb2.Time(seconds=200)


def status_with(status: str) -> pod_pb2.PodStatus:
    made = pod_pb2.PodStatus()
    made.conditions.add(type="Ready", status=status, last_transition_time=EARLIER)
    return made


def test_the_transition_time_stays_while_the_status_does():
    status = status_with("True")
    changed = conditions.set_condition(status.conditions, "Ready", "True", NOW, reason="Other")
    assert changed
    assert status.conditions[0].reason == "Other"
    assert status.conditions[0].last_transition_time == EARLIER


def test_the_transition_time_changes_with_the_status():
    status = status_with("False")
    assert conditions.set_condition(status.conditions, "Ready", "True", NOW)
    assert status.conditions[0].last_transition_time == NOW


def test_a_condition_that_was_there_as_false_becomes_true():
    status = namespace_pb2.NamespaceStatus()
    status.conditions.add(type="NamespaceContentRemaining", status="False", reason="Empty")
    conditions.set_condition(status.conditions, "NamespaceContentRemaining", "True", NOW)
    assert [(c.status, c.HasField("reason")) for c in status.conditions] == [("True", False)]


def test_setting_what_is_so_already_changes_nothing():
    status = status_with("True")
    before = status.SerializeToString()
    assert not conditions.set_condition(status.conditions, "Ready", "True", NOW)
    assert status.SerializeToString() == before


def test_a_condition_without_a_time_gets_one_although_its_status_stays():
    stored = node_pb2.NodeCondition(type="Ready", status="True")
    assert conditions.transition_time(stored, "True", NOW) == NOW
    assert conditions.transition_time(None, "True", NOW) == NOW


def test_what_is_not_there_is_not_true():
    assert nodes.ready_condition(node_pb2.Node()) is None
    assert not nodes.is_ready(node_pb2.Node())
    assert not pods.is_ready(pod_pb2.Pod())


def test_only_the_condition_of_the_type_is_looked_at():
    pod = pod_pb2.Pod(status=status_with("False"))
    pod.status.conditions.add(type="ContainersReady", status="True")
    assert not pods.is_ready(pod)
    assert conditions.is_true(pod.status.conditions, "ContainersReady")
