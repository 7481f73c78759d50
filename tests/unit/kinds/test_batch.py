"""Jobs and cron jobs: what the server chooses, what may change, and when a schedule is due."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podraft.api import codec, kinds
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from podraft.server.kinds.shared.index_lists import Indexes
from podraft.server.kinds.shared.schedules import (
    InvalidScheduleError,
    check_schedule,
    latest_time,
    times_after,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POD = {"restartPolicy": "Never", "containers": [{"name": "app", "image": "busybox:1"}]}


def manifest(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "pi", "namespace": "default"},
        "spec": {"template": {"spec": copy.deepcopy(POD)}, **spec},
    }


def create(data: dict[str, Any], uid: str = "u-1") -> Any:
    proposed: Any = codec.from_json(data)
    return rooms.prepare_create(
        kinds.JOB, proposed, now=NOW, uid=uid, name_suffix="x", known=kinds.BUILT_IN
    )


def created(uid: str = "u-1", **spec: Any) -> Any:
    return create(manifest(**spec), uid)


def updated(before: Any, after: Any) -> Any:
    return rooms.prepare_update(kinds.JOB, before, after, known=kinds.BUILT_IN)


def faults(before: Any, after: Any) -> list[str]:
    with pytest.raises(InvalidObjectError) as caught:
        updated(before, after)
    return [violation.field for violation in caught.value.violations]


def refused(**spec: Any) -> list[str]:
    with pytest.raises(InvalidObjectError) as caught:
        created(**spec)
    return [violation.field for violation in caught.value.violations]


def test_the_server_chooses_by_which_labels_a_jobs_pods_are_found() -> None:
    spec = codec.to_json(created("u-7"))["spec"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-7"}}
    assert spec["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": "u-7",
        "controller-uid": "u-7",
        "batch.kubernetes.io/job-name": "pi",
        "job-name": "pi",
    }


def test_a_selector_of_ones_own_stays() -> None:
    template = {"metadata": {"labels": {"app": "pi"}}, "spec": POD}
    job = created(manualSelector=True, selector={"matchLabels": {"app": "pi"}}, template=template)
    assert dict(job.spec.selector.match_labels) == {"app": "pi"}
    assert dict(job.spec.template.metadata.labels) == {"app": "pi"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {"completions": 1, "parallelism": 1, "backoffLimit": 6}),
        ({"parallelism": 3}, {"completions": None, "parallelism": 3}),
        ({"completions": 3}, {"completions": 3, "parallelism": 1}),
        (
            {"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 1},
            {"backoffLimit": 2**31 - 1},
        ),
        ({}, {"podReplacementPolicy": "TerminatingOrFailed", "completionMode": "NonIndexed"}),
        ({"podFailurePolicy": {"rules": []}}, {"podReplacementPolicy": "Failed"}),
        ({}, {"suspend": False}),
    ],
)
def test_the_defaults_of_a_job(spec: dict[str, Any], expected: dict[str, Any]) -> None:
    found = codec.to_json(created(**spec))["spec"]
    assert {name: found.get(name) for name in expected} == expected


INDEXED = {"completionMode": "Indexed", "completions": 3}


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"completionMode": "Indexed", "parallelism": 1}, ["spec.completions"]),
        ({**INDEXED, "parallelism": 100_001}, ["spec.parallelism"]),
        ({**INDEXED, "maxFailedIndexes": 1}, ["spec.backoffLimitPerIndex"]),
        (
            {**INDEXED, "maxFailedIndexes": 4, "backoffLimitPerIndex": 1},
            ["spec.maxFailedIndexes"],
        ),
        (
            {**INDEXED, "completions": 200_000, "backoffLimitPerIndex": 1},
            ["spec.maxFailedIndexes"],
        ),
        ({**INDEXED, "successPolicy": {"rules": []}}, ["spec.successPolicy.rules"]),
        ({**INDEXED, "successPolicy": {"rules": [{}]}}, ["spec.successPolicy.rules[0]"]),
        (
            {**INDEXED, "successPolicy": {"rules": [{"succeededIndexes": "1,0"}]}},
            ["spec.successPolicy.rules[0].succeededIndexes"],
        ),
        (
            {**INDEXED, "successPolicy": {"rules": [{"succeededIndexes": "1-3"}]}},
            ["spec.successPolicy.rules[0].succeededIndexes"],
        ),
        (
            {
                **INDEXED,
                "successPolicy": {"rules": [{"succeededIndexes": "1", "succeededCount": 2}]},
            },
            ["spec.successPolicy.rules[0].succeededCount"],
        ),
        (
            {"podFailurePolicy": {"rules": []}, "podReplacementPolicy": "TerminatingOrFailed"},
            ["spec.podReplacementPolicy"],
        ),
        (
            {
                "podFailurePolicy": {"rules": []},
                "template": {"spec": POD | {"restartPolicy": "OnFailure"}},
            },
            ["spec.template.spec.restartPolicy"],
        ),
    ],
)
def test_what_no_job_can_be_is_refused(spec: dict[str, Any], fields: list[str]) -> None:
    assert refused(**spec) == fields


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda job: job.spec.selector.match_labels.update(a="b"), "spec.selector"),
        (lambda job: setattr(job.spec, "completion_mode", "Indexed"), "spec.completionMode"),
        (lambda job: setattr(job.spec, "completions", 5), "spec.completions"),
        (lambda job: setattr(job.spec, "managed_by", "example.com/x"), "spec.managedBy"),
        (lambda job: job.spec.template.metadata.labels.update(a="b"), "spec.template"),
        (
            lambda job: setattr(job.spec.template.spec.containers[0], "image", "other:1"),
            "spec.template",
        ),
    ],
)
def test_what_a_job_is_never_changes(change: Any, field: str) -> None:
    before = created()
    after = copy.deepcopy(before)
    change(after)
    assert field in faults(before, after)


def test_what_only_limits_a_job_can_change() -> None:
    before = created()
    after = copy.deepcopy(before)
    after.spec.parallelism, after.spec.suspend = 4, True
    after.spec.active_deadline_seconds, after.spec.backoff_limit = 9, 2
    after.spec.ttl_seconds_after_finished = 60
    assert updated(before, after).spec == after.spec


def test_an_indexed_job_can_grow_and_shrink_as_a_whole() -> None:
    before = created(completionMode="Indexed", completions=3, parallelism=3)
    after = copy.deepcopy(before)
    after.spec.completions = after.spec.parallelism = 5
    assert updated(before, after).spec.completions == 5
    after.spec.parallelism = 4
    assert faults(before, after) == ["spec.completions"]


def test_where_the_pods_of_a_job_run_can_change_before_they_run() -> None:
    before = created(suspend=True)
    after = copy.deepcopy(before)
    after.spec.template.spec.node_selector["disk"] = "ssd"
    after.spec.template.metadata.annotations["queue"] = "night"
    assert updated(before, after).spec == after.spec
    before.status.start_time.seconds = after.status.start_time.seconds = 1
    assert faults(before, after) == ["spec.template"]


def test_the_name_of_an_indexed_job_leaves_room_for_its_hosts() -> None:
    data = manifest(completionMode="Indexed", completions=1000)
    data["metadata"]["name"] = "a" * 60
    with pytest.raises(InvalidObjectError) as caught:
        create(data)
    assert [violation.field for violation in caught.value.violations] == ["metadata.name"]


# ---- Schedules ----------------------------------------------------------------------------------


def due(schedule: str, zone: str, after: str, count: int = 3) -> list[str]:
    after_s = datetime.fromisoformat(after).timestamp()
    return [
        datetime.fromtimestamp(time_s, UTC).strftime("%m-%dT%H:%M")
        for time_s in islice(times_after(schedule, zone, after_s), count)
    ]


@pytest.mark.parametrize(
    ("schedule", "zone", "times"),
    [
        ("30 2 * * *", "", ["03-28T02:30", "03-29T02:30", "03-30T02:30"]),
        ("@hourly", "", ["03-28T01:00", "03-28T02:00", "03-28T03:00"]),
        ("@every 1h30m", "", ["03-28T01:30", "03-28T03:00", "03-28T04:30"]),
        ("0 12 ? * MON-TUE", "", ["03-30T12:00", "03-31T12:00", "04-06T12:00"]),
        # The clock in Zurich goes from 2:00 to 3:00 on the 29th.
        ("30 1 * * *", "Europe/Zurich", ["03-28T00:30", "03-29T00:30", "03-29T23:30"]),
        ("0 6 * * *", "Asia/Kolkata", ["03-28T00:30", "03-29T00:30", "03-30T00:30"]),
        # Either the day of the month or that of the week, as both are given.
        ("0 0 1 * SUN", "", ["03-29T00:00", "04-01T00:00", "04-05T00:00"]),
    ],
)
def test_a_schedule_is_due_at_its_times(schedule: str, zone: str, times: list[str]) -> None:
    check_schedule(schedule)
    assert due(schedule, zone, "2026-03-28T00:00:00+00:00") == times


def test_a_time_of_the_clocks_change_comes_once() -> None:
    spring = due("30 2 * * *", "Europe/Zurich", "2026-03-28T02:00:00+00:00", 2)
    assert spring == ["03-29T01:00", "03-30T00:30"]
    autumn = due("30 2 * * *", "Europe/Zurich", "2026-10-24T12:00:00+00:00", 2)
    assert autumn == ["10-25T00:30", "10-26T01:30"]


def test_a_moment_is_not_after_itself() -> None:
    assert due("* * * * *", "", "2026-03-28T00:00:00+00:00", 1) == ["03-28T00:01"]
    assert due("* * * * *", "", "2026-03-28T00:00:59.500000+00:00", 1) == ["03-28T00:01"]


@pytest.mark.parametrize("schedule", ["*/7 3-5 * * *", "0 0 1 * *", "@every 7m", "0 0 29 2 *"])
@given(length_s=st.integers(0, 40 * 86_400), start_s=st.integers(1_700_000_000, 1_710_000_000))
def test_the_latest_time_is_the_last_one_before_now(
    schedule: str, length_s: int, start_s: int
) -> None:
    until_s = start_s + length_s
    passed = takewhile(lambda time_s: time_s <= until_s, times_after(schedule, "", start_s))
    assert latest_time(schedule, "", start_s, until_s) == max(passed, default=None)


@pytest.mark.parametrize(
    "schedule",
    [
        "", "*", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
        "*/0 * * * *", "5-1 * * * *", "a * * * *", "* * L * *", "* * 15W * *", "* * * * 5L",
        "* * * * MON#2", "@reboot", "@every", "@every 1x", "@every 0s", "0 0 30 2 *",
        "1," * 600 + "1 * * * *",
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(InvalidScheduleError):
        check_schedule(schedule)


@given(st.text(alphabet="0123456789*,/-?LW#MONJUL @every\x00é", max_size=40))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    try:
        check_schedule(text)
    except InvalidScheduleError:
        return
    assert next(times_after(text, "", 1_700_000_000.0)) > 1_700_000_000.0


# ---- Indexes ------------------------------------------------------------------------------------

index_sets = st.sets(st.integers(0, 40))


@given(index_sets, index_sets)
def test_sets_of_indexes_are_sets(one: set[int], other: set[int]) -> None:
    first, second = Indexes.of(one), Indexes.of(other)
    assert Indexes.parse(str(first)) == first
    assert len(first) == len(one)
    assert first | second == Indexes.of(one | other)
    assert first.common(second) == len(one & other)
    assert all((index in first) == (index in one) for index in range(42))
    assert first.last == max(one, default=-1)
    assert first.below(20) == Indexes.of(index for index in one if index < 20)
    assert list(first.missing(20)) == [index for index in range(20) if index not in one]


@pytest.mark.parametrize(
    ("indexes", "text"), [([], ""), ([4], "4"), ([0, 1], "0,1"), ([5, 1, 2, 3, 7], "1-3,5,7")]
)
def test_indexes_are_written_as_ranges(indexes: list[int], text: str) -> None:
    assert str(Indexes.of(indexes)) == text


@pytest.mark.parametrize("text", ["a", "1-", "-1", "3,1", "2-1", "1,1", "1,,2", "1-3,2", "9" * 11])
def test_what_is_no_list_of_indexes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Indexes.parse(text)
