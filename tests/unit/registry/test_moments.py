"""How new a list is and how a watch begins: what requests mean, and what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api.meta.v1 import requests_pb2
from podraft.api.meta.v1.requests_pb2 import ListRequest, WatchRequest
from podraft.server.registry.cache.watch_starts import WatchStart, changes_after, start_of
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.reads.moments import ListMoment, moment_of
from podraft.server.state.datastore import FutureRevisionError

EXACT = requests_pb2.RESOURCE_VERSION_MATCH_EXACT
NOT_OLDER = requests_pb2.RESOURCE_VERSION_MATCH_NOT_OLDER_THAN


@pytest.mark.parametrize(
    ("fields", "moment"),
    [
        ({}, ListMoment()),
        ({"allow_stale": True}, ListMoment(may_be_old=True)),
        ({"resource_version": "0"}, ListMoment(may_be_old=True)),
        ({"resource_version": "0", "limit": 3}, ListMoment(may_be_old=True)),
        ({"resource_version": "7"}, ListMoment(reached=7)),
        ({"resource_version": "7", "limit": 3}, ListMoment(exact=7)),
        (
            {"resource_version": "7", "limit": 3, "resource_version_match": NOT_OLDER},
            ListMoment(reached=7),
        ),
        ({"resource_version": "7", "resource_version_match": EXACT}, ListMoment(exact=7)),
        ({"continue_token": "x"}, ListMoment()),
    ],
)
def test_a_list_is_as_new_as_its_request_says(fields: Any, moment: ListMoment) -> None:
    assert moment_of(ListRequest(**fields)) == moment


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"resource_version_match": EXACT}, "resourceVersionMatch"),
        ({"resource_version": "0", "resource_version_match": EXACT}, "resourceVersion"),
        ({"resource_version": "7", "continue_token": "x"}, "resourceVersion"),
        ({"resource_version": "7", "at": "3"}, "resourceVersion"),
        ({"resource_version": "7", "resource_version_match": 9}, "resourceVersionMatch"),
        ({"resource_version": "-7"}, "resourceVersion"),
        ({"resource_version": "\u0667"}, "resourceVersion"),
        ({"resource_version": "1" * 19}, "resourceVersion"),
    ],
)
def test_a_lists_contradictions_are_named(fields: Any, named: str) -> None:
    with pytest.raises(RefusedError) as caught:
        moment_of(ListRequest(**fields))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.violations[0].field == named


def test_a_list_that_is_too_old_is_refused() -> None:
    ListMoment(reached=7).check(7)
    with pytest.raises(FutureRevisionError):
        ListMoment(reached=7).check(6)


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({}, WatchStart()),
        ({"resource_version": "0"}, WatchStart(may_be_old=True)),
        ({"resource_version": "7"}, changes_after(7)),
        ({"resource_version": "7", "send_initial_events": True}, WatchStart(7)),
        (
            {
                "resource_version": "7",
                "send_initial_events": True,
                "resource_version_match": NOT_OLDER,
            },
            WatchStart(7),
        ),
        ({"send_initial_events": False}, changes_after(0)),
        ({"resource_version": "0", "send_initial_events": False}, changes_after(0)),
        ({"allow_watch_bookmarks": True}, WatchStart()),
        ({"allow_watch_bookmarks": False}, WatchStart(has_bookmarks=False)),
        ({"timeout_seconds": 5}, WatchStart(timeout_s=5)),
    ],
)
def test_a_watch_begins_as_its_request_says(fields: Any, start: WatchStart) -> None:
    assert start_of(WatchRequest(**fields)) == start


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"resource_version": "x"}, "resourceVersion"),
        ({"timeout_seconds": -1}, "timeoutSeconds"),
        ({"timeout_seconds": 1 << 40}, "timeoutSeconds"),
        ({"resource_version_match": NOT_OLDER}, "resourceVersionMatch"),
        (
            {"resource_version_match": EXACT, "send_initial_events": True},
            "resourceVersionMatch",
        ),
    ],
)
def test_a_watchs_contradictions_are_named(fields: Any, named: str) -> None:
    with pytest.raises(RefusedError) as caught:
        start_of(WatchRequest(**fields))
    assert caught.value.violations[0].field == named
