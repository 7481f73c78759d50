"""What two calls with one request id must have in common to be the same call."""

from __future__ import annotations

import asyncio

from podraft.api import kinds
from podraft.server.registry.slices import Turns
from podraft.server.registry.writes.operations import Create, Operation, Update
from podraft.server.registry.writes.repeats import CallId, identified
from support.api_objects import example

ID = bytes(range(16))
MAP = example(kinds.CONFIG_MAP, "colors")


def call_of(*operations: Operation, manager: str = "") -> CallId:
    work = Turns().work(b"somebody")
    return asyncio.run(identified(b"somebody", ID, operations, work, manager))


def test_the_same_writes_in_the_same_managers_name_are_the_same_call() -> None:
    assert call_of(Create(kinds.CONFIG_MAP, MAP), manager="me") == call_of(
        Create(kinds.CONFIG_MAP, MAP), manager="me"
    )


def test_other_writes_or_another_manager_are_another_call() -> None:
    create, update = Create(kinds.CONFIG_MAP, MAP), Update(kinds.CONFIG_MAP, MAP, "")
    calls = [
        call_of(create),
        call_of(update),
        call_of(create, create),
        call_of(create, manager="me"),
        call_of(create, manager="you"),
    ]

    assert len({call.digest for call in calls}) == len(calls)
    assert len({call.request for call in calls}) == 1
