"""What workloads leave unsaid, and revisions."""

import pytest

from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.objects import workloads
from podraft.api.objects.well_known import REVISION


def test_what_is_not_said_has_kubernetes_defaults_and_zero_is_said():
    spec = deployment_pb2.DeploymentSpec()
    assert workloads.replicas(spec) == workloads.replicas(replica_set_pb2.ReplicaSetSpec()) == 1
    assert (workloads.history_limit(spec), workloads.progress_deadline_s(spec)) == (10, 600)
    spec = deployment_pb2.DeploymentSpec(
        replicas=0, revision_history_limit=0, progress_deadline_seconds=0
    )
    assert workloads.replicas(spec) == workloads.history_limit(spec) == 0
    assert workloads.progress_deadline_s(spec) == 0


@pytest.mark.parametrize(
    ("text", "revision"),
    [("7", 7), ("", 0), ("x", 0), ("-1", 0), ("1.5", 0), ("٣", 0), ("9" * 4400, 0)],
)
def test_a_revision_is_a_number_of_plain_digits_or_none_at_all(text, revision):
    replica_set = replica_set_pb2.ReplicaSet()
    replica_set.metadata.annotations[REVISION] = text
    assert workloads.revision_of(replica_set) == revision
