"""Which toleration means which taint."""

import pytest

from podraft.api.core.v1 import node_pb2, pod_pb2
from podraft.api.objects import taints


@pytest.mark.parametrize(
    ("key", "operator", "value", "effect", "expected"),
    [
        ("k", "Exists", "", "NoExecute", True),
        ("k", "Exists", "", "", True),
        ("", "Exists", "", "", True),
        ("", "Exists", "", "NoSchedule", False),
        ("other", "Exists", "", "NoExecute", False),
        ("k", "Equal", "v", "NoExecute", True),
        ("k", "", "v", "", True),
        ("k", "Equal", "other", "NoExecute", False),
        ("other", "Equal", "v", "", False),
        ("", "Equal", "v", "", False),
        ("k", "Equal", "", "", False),
        ("k", "Equal", "v", "NoSchedule", False),
        ("k", "Gt", "v", "NoExecute", False),
    ],
)
def test_what_a_toleration_means(key, operator, value, effect, expected):
    toleration = pod_pb2.Toleration(key=key, operator=operator, value=value, effect=effect)
    taint = node_pb2.Taint(key="k", value="v", effect="NoExecute")
    assert taints.tolerates(toleration, taint) is expected
