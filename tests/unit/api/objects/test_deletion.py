"""How long a pod may take to end."""

import pytest

from podraft.api.core.v1 import pod_pb2
from podraft.api.objects import deletion, pods


@pytest.mark.parametrize(
    ("said", "is_meant"),
    [(None, 30), (0, 0), (7, 7), (-1, 0), (2**62, deletion.GRACE_S_MAX)],
)
def test_a_spec_that_says_nothing_means_thirty_seconds_and_nothing_exceeds_the_limits(
    said, is_meant
):
    spec = pod_pb2.PodSpec(termination_grace_period_seconds=said)
    assert deletion.spec_grace_s(spec) == is_meant


def test_what_the_deletion_gave_counts_more_than_the_spec():
    pod = pod_pb2.Pod(spec=pod_pb2.PodSpec(termination_grace_period_seconds=60))
    assert deletion.grace_s(pod) == 60
    pod.metadata.deletion_grace_period_seconds = 0
    assert deletion.grace_s(pod) == 0


@pytest.mark.parametrize("phase", pods.PHASES)
def test_a_pod_that_ended_or_is_ending_is_no_replica(phase):
    pod = pod_pb2.Pod(status=pod_pb2.PodStatus(phase=phase))
    assert pods.is_active(pod) == (phase not in ("Succeeded", "Failed"))
    assert pods.is_finished(pod) != pods.is_active(pod)
    pod.metadata.deletion_timestamp.seconds = 1
    assert not pods.is_active(pod)
