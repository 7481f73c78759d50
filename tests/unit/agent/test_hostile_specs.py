"""Whatever a pod's spec says ends in a decision, a request or a typed error, within bounds."""

from __future__ import annotations

import random
import time
import tracemalloc
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from podraft.agent.podman.core import spec
from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.podman.core.expansion import ALL_BYTES_MAX, STRING_BYTES_MAX
from podraft.agent.pods.core.environment import Surroundings, environment
from podraft.agent.pods.core.plan import plan
from podraft.agent.pods.core.records import ContainerPhase, Inputs, ObservedContainer
from podraft.agent.volumes.core import payload
from podraft.api.core.v1 import config_pb2, container_pb2, pod_pb2
from podraft.api.moments import Now
from podraft.api.objects.references import references
from unit.agent.pod_world import make_pod
from unit.agent.test_podman_spec import attempt

TEXTS = (
    "",
    "main",
    "other",
    "a\0b",
    "$(A)$(B)$(A)",
    "$$$(",
    "$(" * 500,
    "../../etc/passwd",
    "/",
    "..",
    "..data",
    "x" * 5000,
    "\u202e\x1b[31m",
    "\N{ARABIC-INDIC DIGIT ZERO}",
    "0",
    "00",
    "0x0",
    "metadata.labels['a']",
    "1e400000",
    "a/b",
)
INTEGERS = (0, 1, -1, 2**31 - 1, -(2**31))
QUANTITIES = ("0", "1", "100m", "1Ki", "1e3")
SEEDS = 300


def hostile(message: Any, chance: random.Random, depth: int = 0) -> Any:
    """Set fields of a message at random to what nobody should write."""
    for field in message.DESCRIPTOR.fields:
        if depth < 8 and chance.random() < 0.4:
            _set(message, field, chance, depth)
    return message


def _set(message: Any, field: FieldDescriptor, chance: random.Random, depth: int) -> None:
    target = getattr(message, field.name)
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        value = kind.fields_by_name["value"]
        for _ in range(chance.randint(1, 3)):
            key = chance.choice((*TEXTS, "cpu", "memory"))
            if value.message_type is not None:
                # Amounts are what the API server has read already.
                target[key].string = chance.choice(QUANTITIES)
            else:
                target[key] = _scalar(value, chance)
    elif kind is not None and kind.name == "Quantity":
        target.string = chance.choice(QUANTITIES)
    elif kind is not None and field.is_repeated:
        for _ in range(chance.randint(1, 3)):
            hostile(target.add(), chance, depth + 1)
    elif kind is not None:
        target.SetInParent()
        hostile(target, chance, depth + 1)
    elif field.is_repeated:
        target.extend(_scalar(field, chance) for _ in range(chance.randint(1, 3)))
    else:
        setattr(message, field.name, _scalar(field, chance))


def _scalar(field: FieldDescriptor, chance: random.Random) -> Any:
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return chance.choice(TEXTS)
        case FieldDescriptor.TYPE_BYTES:
            return chance.choice((b"", b"\xff\0", b"text"))
        case FieldDescriptor.TYPE_BOOL:
            return chance.random() < 0.5
    return chance.choice(INTEGERS)


def _pod(chance: random.Random) -> pod_pb2.Pod:
    pod = pod_pb2.Pod(metadata=make_pod("main").metadata)
    hostile(pod.spec, chance)
    hostile(pod.status, chance)
    if not pod.spec.containers:
        pod.spec.containers.add(name="main", image="a")
    return pod


@pytest.mark.parametrize("first_seed", range(0, SEEDS, 50))
def test_any_spec_ends_in_a_decision_and_a_request_or_an_error_that_says_why(
    first_seed: int,
) -> None:
    for seed in range(first_seed, first_seed + 50):
        chance = random.Random(seed)
        try:
            _try(_pod(chance), chance)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error


def _try(pod: pod_pb2.Pod, chance: random.Random) -> None:
    names = [c.name for c in (*pod.spec.init_containers, *pod.spec.containers)]
    containers = tuple(
        ObservedContainer(f"id{i}", name, i, chance.choice(tuple(ContainerPhase)), finished_s=5.0)
        for i, name in enumerate(names)
    )
    plan(
        Inputs(
            pod, Now.at(1000.0), "10.0.0.1", containers, address=chance.choice((None, "10.1.0.1"))
        )
    )
    references(pod.spec)
    objects = {name: config_pb2.ConfigMap(data={"a": "1", "..": "2"}) for name in TEXTS}
    secrets = {name: config_pb2.Secret(data={"main": b"\xff", "b": b"\0"}) for name in TEXTS}
    around = Surroundings(pod, "10.1.0.1", "10.0.0.1", objects, secrets)
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        try:
            variables = environment(container, around)
            user = chance.choice(TEXTS)
            made = attempt(pod, container=container, environment=variables, image_user=user)
            request = spec.create_request(made)
        except ConfigurationError:
            continue
        assert "\0" not in repr(request), "Podman would cut it short"
    for volume in pod.spec.volumes:
        source = volume.volume_source
        for make in (
            lambda s=source: payload.config_map_payload(s.config_map, objects["main"]),
            lambda s=source: payload.secret_payload(s.secret, secrets["main"]),
        ):
            try:
                files = make()
            except ConfigurationError:
                continue
            assert not any(".." in path.split("/") or path.startswith("/") for path in files)
            assert all(0 <= file.mode <= 0o7777 for file in files.values())


def test_variables_that_double_each_other_are_refused_before_they_grow() -> None:
    container = container_pb2.Container()
    container.env.add(name="A", value="x" * 1000)
    for _ in range(40):
        container.env.add(name="A", value="$(A)" * 1000)
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(ConfigurationError, match='variable "A" is longer than'):
        environment(container, Surroundings(make_pod("main"), "10.0.0.2", "10.0.0.1"))
    took_s, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    assert took_s < 1


@pytest.mark.parametrize("field", ["command", "args"])
def test_an_argument_beyond_what_the_kernel_takes_is_named(field: str) -> None:
    pod = make_pod("main")
    getattr(pod.spec.containers[0], field).extend(["a", "$(A)" * 5])
    variables = {"A": "x" * 100_000}
    with pytest.raises(
        ConfigurationError, match=rf"{field}\[1\] is longer than {STRING_BYTES_MAX}"
    ):
        spec.create_request(attempt(pod, environment=variables))


def test_variables_and_arguments_are_bounded_in_sum() -> None:
    pod = make_pod("main")
    pod.spec.containers[0].args.extend("$(A)" for _ in range(30))
    with pytest.raises(ConfigurationError, match=rf"exceed the {ALL_BYTES_MAX} bytes in sum"):
        spec.create_request(attempt(pod, environment={"A": "x" * 100_000}))


@pytest.mark.parametrize(
    ("value", "problem"), [(b"a\0b", "contains a NUL"), (b"\xff\xfe", "is not UTF-8 text")]
)
def test_a_secret_that_no_variable_can_hold_is_named(value: bytes, problem: str) -> None:
    container = container_pb2.Container()
    reference = container.env.add(name="KEY").value_from.secret_key_ref
    reference.local_object_reference.name, reference.key = "keys", "k"
    around = Surroundings(
        make_pod("main"), "", "", secrets={"keys": config_pb2.Secret(data={"k": value})}
    )
    with pytest.raises(ConfigurationError, match=f'variable "KEY" {problem}'):
        environment(container, around)
