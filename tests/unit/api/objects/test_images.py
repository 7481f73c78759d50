"""When an image is pulled whose container does not say."""

import pytest

from podraft.api.core.v1 import pod_pb2
from podraft.api.objects import images, pods

DIGEST = "@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry.example.com:5000/web/nginx", "Always"),
        ("registry.example.com:5000/web/nginx:1.27", "IfNotPresent"),
        (f"nginx{DIGEST}", "IfNotPresent"),
        (f"nginx:1.27{DIGEST}", "IfNotPresent"),
        # As in Kubernetes: the tag decides, although the digest says exactly which it is.
        (f"nginx:latest{DIGEST}", "Always"),
    ],
)
def test_a_tag_that_moves_is_pulled_each_time(image, policy):
    assert images.implied_pull_policy(image) == policy


def test_a_pod_that_names_no_restart_policy_is_started_again():
    assert pods.restart_policy(pod_pb2.PodSpec()) == "Always"
    for policy in pods.RESTART_POLICIES:
        assert pods.restart_policy(pod_pb2.PodSpec(restart_policy=policy)) == policy
