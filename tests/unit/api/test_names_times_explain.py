"""Names, times and explanations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podraft.api import explain, kinds, names, times
from podraft.api.codec import read as read_half
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import InvalidObjectError, Violation, shown

Check = Callable[[str], str | None]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            names.dns_label,
            ["a", "a-b", "1", "a" * 63],
            ["", "A", "-a", "a-", "a.b", "a_b", "a" * 64, "a\n"],
        ),
        (names.dns_label_1035, ["a", "a1"], ["", "1a", "A", "a.b"]),
        (
            names.dns_subdomain,
            ["a", "a.b-c.d", "1"],
            ["", ".a", "a.", "a..b", "A", "a" * 254, "a.-b"],
        ),
        (
            names.qualified,
            ["a", "A_b.c", "x.io/A"],
            ["", "a/", "/a", "X/a", "a/b/c", "-a", "a" * 64],
        ),
        (names.label_value, ["", "a", "A_b.c-1"], ["-a", "a b", "a" * 64, "a\n"]),
        (names.port_name, ["http", "a-1"], ["", "1", "a--b", "-a", "A", "a" * 16]),
        (names.data_key, ["a", ".a", "A_b.c-1"], ["", ".", "..", "..a", "a/b", "a" * 254]),
        (names.environment_variable, ["A", "a.b", "1a", "_"], ["", "a=b", "a\n", "ä"]),
        (names.api_version, ["v1", "apps/v1"], ["", "apps/", "/v1", "A/v1", "V1"]),
    ],
)
def test_names_follow_their_grammar(check: Check, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if check(text) is not None] == []
    assert [text for text in bad if check(text) is None] == []


@settings(max_examples=200, deadline=None, database=None, print_blob=True)
@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_times_survive_messages_and_text(moment: datetime) -> None:
    micro = times.micro_time_of(moment)
    assert times.datetime_of(micro) == moment
    assert times.parse_rfc3339(times.format_micro_time(micro)) == moment
    second = times.time_of(moment)
    assert times.datetime_of(second) == moment.replace(microsecond=0)
    assert times.parse_rfc3339(times.format_time(second)) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02",
        "2026-01-02 03:04:05Z",
        "2026-01-02T03:04:05",
        "2026-13-02T03:04:05Z",
        "20260102T030405Z",
        "0001-01-01T00:00:00+23:59",
    ],
)
def test_what_is_no_rfc_3339_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected an RFC 3339 time"):
        times.parse_rfc3339(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (330, "5m30s"),
        (600, "10m"),
        (179 * 60, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 240, "3h4m"),
        (8 * 3600 + 240, "8h"),
        (48 * 3600, "2d"),
        (76 * 3600, "3d4h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (740 * 86400, "2y10d"),
        (3000 * 86400, "8y"),
    ],
)
def test_ages_look_as_kubectl_prints_them(seconds: int, text: str) -> None:
    assert times.format_age(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90s", 90), ("1h30m", 5400), ("250ms", 0.25), ("2d", 172_800), ("1.5m", 90)],
)
def test_durations(text: str, seconds: float) -> None:
    assert times.parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5s", "5 s", "1h!", "5S", "s5"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        times.parse_duration_s(text)


def test_a_violation_reads_as_a_sentence() -> None:
    error = InvalidObjectError([Violation("a.b", "is required"), Violation("", "too large")])
    assert str(error) == "a.b: is required; too large"
    with pytest.raises(ValueError, match="at least one"):
        InvalidObjectError([])


def test_what_is_shown_is_short_and_on_one_line() -> None:
    assert shown('a"b\n') == '"a\\"b\\n"'
    assert len(shown("x" * 1000)) == 62
    assert shown(5) == "5"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2**63 - 1, "9999-12-31T23:59:59Z"),
        (-(2**63), "0001-01-01T00:00:00Z"),
        (-62_135_596_800, "0001-01-01T00:00:00Z"),
    ],
)
def test_any_time_that_a_message_can_hold_has_a_text(seconds: int, text: str) -> None:
    assert times.format_time(meta_pb2.Time(seconds=seconds)) == text
    assert times.format_time(times.time_of(times.parse_rfc3339(text))) == text


# ---- Explain ----------------------------------------------------------------------------------


def test_a_path_leads_to_its_field() -> None:
    kind, doc = explain.explain("po.spec.containers.ports.containerPort")
    assert kind is kinds.POD
    assert (doc.name, doc.type, doc.children) == ("containerPort", "integer", ())
    assert explain.explain("pod.spec.containers")[1].type == "[]Container"
    assert explain.explain("cm.data")[1].type == "map[string]string"
    assert explain.explain("pod.spec.volumes.configMap.name")[1].type == "string"
    assert explain.explain("Deployment")[1].child("apiVersion") is not None


@pytest.mark.parametrize(
    ("path", "field", "hint"),
    [
        ("pood", "pood", 'did you mean "pod"?'),
        ("pod.spec.container", "pod.spec.container", 'did you mean "containers"?'),
        ("pod.spec.nodeName.x", "pod.spec.nodeName.x", "a string has no fields"),
    ],
)
def test_what_does_not_exist_is_said_to(path: str, field: str, hint: str) -> None:
    with pytest.raises(InvalidObjectError) as caught:
        explain.explain(path)
    [violation] = caught.value.violations
    assert violation.field == field
    assert hint in violation.description


@pytest.mark.parametrize("kind", kinds.BUILT_IN, ids=lambda kind: kind.name)
def test_explain_lists_exactly_what_the_codec_reads(kind: kinds.AnyKind) -> None:
    report = read_half.Report()
    doc = explain.explain_field(kind)
    manifest = {child.name: None for child in doc.children}
    read_half.read_message(kind.message(), manifest, "", report, read_half.TYPE_META)
    assert report.violations == []
    fields = read_half.known_fields(kind.message.DESCRIPTOR)
    assert {child.name for child in doc.children} == fields | read_half.TYPE_META
