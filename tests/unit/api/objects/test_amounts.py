"""What a pod asks for: the sum of its containers, at least the largest init container."""

import pytest

from podraft.api.core.v1 import pod_pb2
from podraft.api.objects import amounts
from podraft.api.quantities import InvalidQuantityError


def spec_of(containers, init=()):
    spec = pod_pb2.PodSpec()
    for kept, asked in ((spec.containers, containers), (spec.init_containers, init)):
        for requests in asked:
            container = kept.add()
            for name, text in requests.items():
                container.resources.requests[name].string = text
    return spec


@pytest.mark.parametrize(
    ("containers", "init", "cpu", "memory"),
    [
        ([{"cpu": "100m", "memory": "1Ki"}, {"cpu": "1"}], [], 1100, 1024),
        ([{"cpu": "100m"}], [{"cpu": "2"}, {"cpu": "1", "memory": "5"}], 2000, 5),
        ([{"cpu": "3"}], [{"cpu": "2"}], 3000, 0),
        ([{"cpu": "1u", "memory": "1m"}], [], 1, 1),
        ([{}], [{}], 0, 0),
    ],
)
def test_containers_add_up_and_init_containers_run_one_at_a_time(containers, init, cpu, memory):
    found = amounts.pod_requests(spec_of(containers, init))
    assert (found.get("cpu", 0), found.get("memory", 0)) == (cpu, memory)


def test_a_pod_is_one_pod_whatever_it_says():
    assert amounts.pod_requests(spec_of([{"pods": "7"}])) == {}


def test_what_is_no_quantity_is_no_request():
    with pytest.raises(InvalidQuantityError):
        amounts.pod_requests(spec_of([{"cpu": "much"}]))
