"""A batch reaches the store past refused writes, lost answers and limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

import grpc
import pytest

from podraft.api.cluster.v1.commit_pb2 import Write
from podraft.client.calls import writes
from podraft.client.errors import (
    ApiError,
    ConflictError,
    FieldViolation,
    ForbiddenError,
    InvalidError,
    OverloadedError,
    UnavailableError,
)
from podraft.server.scheduling.binder import Binding, store
from podraft.server.scheduling.core.demand import PendingPod, Profiles
from podraft.server.scheduling.core.schedule import Decision
from podraft.server.scheduling.queue import Entry
from support.scheduling.clusters import make_pod

PROFILE = Profiles().profile(make_pod("x").spec)

Refuse: TypeAlias = Callable[[list[str]], ApiError | None]


class Api:
    """Stores batches of binds whole, or refuses them as the real API does."""

    def __init__(self, refuse: Refuse = lambda names: None) -> None:
        self.refuse = refuse
        self.stored: list[str] = []
        self.calls = 0
        self.dropped: list[str] = []

    async def commit(self, batch: Sequence[Write]) -> None:
        self.calls += 1
        names = [write.bind.name for write in batch]
        error = self.refuse(names)
        if error is not None:
            raise error
        self.stored += names

    def drop(self, binding: Binding, error: ApiError) -> None:
        self.dropped.append(binding.entry.pod.name)

    def run(self, count: int) -> Api:
        bindings = []
        for i in range(count):
            pod = PendingPod("default", f"p{i}", f"u{i}", "", PROFILE)
            write = writes.bind("default", pod.name, pod.uid, "n")
            bindings.append(Binding(Entry(pod), Decision(pod, "n", write.bind.record), write))
        asyncio.run(store(bindings, self.commit, self.drop))
        assert sorted(self.stored + self.dropped) == sorted(f"p{i}" for i in range(count))
        return self


def refusing(bad: set[str], named: bool = True) -> Refuse:
    def refuse(names: list[str]) -> ApiError | None:
        index = next((i for i, name in enumerate(names) if name in bad), None)
        if index is None:
            return None
        where = f"writes[{index}]: " if named else ""
        return ConflictError(grpc.StatusCode.ABORTED, f"{where}already bound")

    return refuse


def test_without_trouble_it_is_one_transaction() -> None:
    api = Api().run(256)
    assert (api.calls, api.dropped) == (1, [])


@pytest.mark.parametrize("bad", [{"p0"}, {"p9"}, {"p3", "p4"}, {f"p{i}" for i in range(10)}])
@pytest.mark.parametrize("named", [True, False])
def test_exactly_the_refused_writes_are_dropped(bad: set[str], named: bool) -> None:
    api = Api(refusing(bad, named)).run(10)
    assert set(api.dropped) == bad
    assert set(api.stored).isdisjoint(bad)


def test_many_offenders_cost_one_refusal_each() -> None:
    api = Api(refusing({f"p{i}" for i in range(256)})).run(256)
    assert api.calls == 256


def test_a_violation_names_the_offender_too() -> None:
    def refuse(names: list[str]) -> ApiError | None:
        if "p2" not in names:
            return None
        violation = FieldViolation(f"writes[{names.index('p2')}].node_name", "is unknown")
        return InvalidError(grpc.StatusCode.INVALID_ARGUMENT, "invalid", (violation,))

    assert Api(refuse).run(5).dropped == ["p2"]


def test_lost_answers_are_asked_again_with_the_same_writes() -> None:
    failures = iter([True, True, False])
    api = Api(
        lambda names: (
            UnavailableError(grpc.StatusCode.UNAVAILABLE, "gone") if next(failures) else None
        )
    ).run(4)
    assert (api.calls, api.dropped) == (3, [])


def test_a_batch_that_is_too_large_goes_in_parts() -> None:
    def refuse(names: list[str]) -> ApiError | None:
        if len(names) <= 3:
            return None
        return OverloadedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "the transaction is too large")

    assert Api(refuse).run(10).dropped == []


def test_what_is_never_allowed_ends_too() -> None:
    denial = ForbiddenError(grpc.StatusCode.PERMISSION_DENIED, "no")
    assert len(Api(lambda names: denial).run(16).dropped) == 16
