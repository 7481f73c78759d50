"""Probes that leave something unsaid mean what Kubernetes' defaults say."""

from podraft.api.core.v1 import container_pb2
from podraft.api.objects import probes


def test_what_a_probe_does_not_say_has_its_default():
    probe, action = container_pb2.Probe(), container_pb2.HTTPGetAction()
    assert (probes.timeout_s(probe), probes.period_s(probe)) == (1, 10)
    assert (probes.successes(probe), probes.failures(probe)) == (1, 3)
    assert (probes.scheme(action), probes.path(action)) == ("HTTP", "/")


def test_what_a_probe_says_counts():
    probe = container_pb2.Probe(
        timeout_seconds=2, period_seconds=3, success_threshold=4, failure_threshold=5
    )
    action = container_pb2.HTTPGetAction(scheme="HTTPS", path="/ok")
    assert (probes.timeout_s(probe), probes.period_s(probe)) == (2, 3)
    assert (probes.successes(probe), probes.failures(probe)) == (4, 5)
    assert (probes.scheme(action), probes.path(action)) == ("HTTPS", "/ok")
