"""Selectors mean the same whether they come as text or as messages, and faults are named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podraft.api import kinds
from podraft.api.core.v1 import node_pb2, pod_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.selectors import fields
from podraft.api.selectors import labels as label_selectors
from podraft.api.selectors.fields import parse_field_selector
from podraft.api.selectors.labels import (
    EVERYTHING,
    NOTHING,
    LabelSelector,
    Requirement,
    parse_label_selector,
)
from podraft.api.violations import InvalidObjectError

LABELS = {"a": "b", "e": "x", "g": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("  ", True),
        ("a=b", True),
        ("a==b", True),
        ("a = b", True),
        ("a=c", False),
        ("z=", False),
        ("g=", True),
        ("a!=c", True),
        ("a!=b", False),
        ("z!=b", True),
        ("e in (x,y)", True),
        ("e in ( y , z )", False),
        ("e notin (y,z)", True),
        ("z notin (y,z)", True),
        ("e notin (x)", False),
        ("g", True),
        ("z", False),
        ("!z", True),
        ("!g", False),
        ("in in (x)", False),
        ("a=b,c!=d,e in (x,y),f notin (z),g,!h", True),
        ("a=b,e in (y),g", False),
        ("example.com/name!=v", True),
    ],
)
def test_text_selects(text: str, matches: bool) -> None:
    assert parse_label_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a=b,", "ends with a comma"),
        (",a", "has nothing between two commas"),
        ("a, ,b", "has nothing between two commas"),
        ("a b", 'cannot parse "a b"'),
        ("e in x", 'cannot parse "e in x"'),
        ("e in (x", "cannot parse"),
        ("e of (x)", "cannot parse"),
        ("a=b=c", "cannot parse"),
        ("=b", "cannot parse"),
        ("a=b;c", 'value "b;c" must consist of'),
        ("-a=b", 'key "-a" its name must consist of'),
        ("a" * 64, "must be 1 to 63 characters, is 64"),
        (f"a={'b' * 64}", "must be at most 63 characters, is 64"),
        ("a" * 20_000, "must be at most 16384 characters"),
        (",".join(["a"] * 300), "must have at most 256 requirements"),
    ],
)
def test_malformed_text_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidObjectError) as caught:
        parse_label_selector(text)
    assert problem in str(caught.value)
    assert caught.value.violations[0].field == "labelSelector"


WORDS = st.sampled_from(["a", "b", "c"])
REQUIREMENTS = st.one_of(
    st.builds(
        Requirement,
        WORDS,
        st.sampled_from(["In", "NotIn"]),
        st.frozensets(WORDS, min_size=1, max_size=2),
    ),
    st.builds(Requirement, WORDS, st.sampled_from(["Exists", "DoesNotExist"])),
)
SELECTORS = st.builds(lambda terms: LabelSelector(tuple(terms)), st.lists(REQUIREMENTS, max_size=3))
LABEL_MAPS = st.dictionaries(WORDS, WORDS, max_size=3)


@settings(max_examples=300, deadline=None, database=None, print_blob=True)
@given(SELECTORS, LABEL_MAPS)
def test_text_message_and_compiled_form_agree(
    selector: LabelSelector, labels: dict[str, str]
) -> None:
    message = meta_pb2.LabelSelector()
    for term in selector.requirements:
        message.match_expressions.add(
            key=term.key, operator=term.operator, values=sorted(term.values)
        )
    expected = selector.matches(labels)
    assert parse_label_selector(str(selector)).matches(labels) is expected
    assert label_selectors.label_selector_of(message).matches(labels) is expected


def test_a_services_selector_of_nothing_matches_nothing() -> None:
    assert label_selectors.exact_selector({}) is NOTHING
    assert not NOTHING.matches({"a": "b"})
    assert label_selectors.exact_selector({"a": "b"}).matches(LABELS)
    assert EVERYTHING.is_everything
    assert not NOTHING.is_everything


def message(**fields: Any) -> meta_pb2.LabelSelector:
    return meta_pb2.LabelSelector(**fields)


@pytest.mark.parametrize(
    ("selector", "field", "problem"),
    [
        (
            message(match_expressions=[{"key": "a", "operator": "Is", "values": ["b"]}]),
            "spec.selector.matchExpressions[0].operator",
            'expected one of In, NotIn, Exists, DoesNotExist, got "Is"',
        ),
        (
            message(match_expressions=[{"key": "a", "operator": "In"}]),
            "spec.selector.matchExpressions[0].values",
            "is required with operator In",
        ),
        (
            message(match_expressions=[{"key": "a", "operator": "Exists", "values": ["b"]}]),
            "spec.selector.matchExpressions[0].values",
            "must be empty with operator Exists",
        ),
        (
            message(match_labels={"a": "b c"}),
            "spec.selector.matchLabels[a]",
            "\"b c\" must consist of letters, digits, '-', '_' and '.', "
            "and start and end with a letter or digit",
        ),
    ],
)
def test_a_wrong_message_is_refused(
    selector: meta_pb2.LabelSelector, field: str, problem: str
) -> None:
    with pytest.raises(InvalidObjectError) as caught:
        label_selectors.label_selector_of(selector, "spec.selector")
    [violation] = caught.value.violations
    assert (violation.field, violation.description) == (field, problem)


# ---- Fields -----------------------------------------------------------------------------------


def running_pod() -> pod_pb2.Pod:
    pod = pod_pb2.Pod()
    pod.metadata.name = "web"
    pod.spec.node_name = "n1"
    pod.status.phase = "Running"
    pod.status.pod_ip = "10.0.0.1"
    return pod


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("spec.nodeName=n1", True),
        ("spec.nodeName==n1,status.phase!=Failed", True),
        ("spec.nodeName!=n1", False),
        ("spec.nodeName=", False),
        ("spec.restartPolicy=", True),
        ("status.podIP=10.0.0.1", True),
        (" metadata.name = web ", True),
    ],
)
def test_fields_select(text: str, matches: bool) -> None:
    assert parse_field_selector(kinds.POD, text).matches(running_pod()) is matches


def test_an_unset_bool_is_false() -> None:
    selector = parse_field_selector(kinds.NODE, "spec.unschedulable=false")
    assert selector.matches(node_pb2.Node())
    assert fields.field_value(kinds.NODE, node_pb2.Node(), "spec.unschedulable") == "false"


def test_what_must_be_equal_can_be_asked_for() -> None:
    selector = parse_field_selector(kinds.POD, "spec.nodeName=n1,status.phase!=Failed")
    assert selector.required("spec.nodeName") == "n1"
    assert selector.required("status.phase") is None
    assert str(selector) == "spec.nodeName=n1,status.phase!=Failed"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("spec.nodeName", 'cannot parse "spec.nodeName": expected path=value or path!=value'),
        ("spec.hostname=a", 'pods cannot be selected by "spec.hostname": expected one of'),
        ("a=b,,", "cannot parse"),
        ("spec.nodeName=a=b", "cannot parse"),
    ],
)
def test_malformed_field_selectors_are_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidObjectError) as caught:
        parse_field_selector(kinds.POD, text)
    assert problem in str(caught.value)


@pytest.mark.parametrize("kind", kinds.BUILT_IN, ids=lambda kind: kind.name)
def test_every_selectable_field_exists(kind: kinds.AnyKind) -> None:
    for path in kind.selectable_fields:
        assert isinstance(fields.field_value(kind, kind.message(), path), str)


@pytest.mark.parametrize("path", ["spec", "spec.containers", "metadata.labels", "nothing", ""])
def test_what_is_no_scalar_field_has_no_value(path: str) -> None:
    with pytest.raises(KeyError):
        fields.field_value(kinds.POD, pod_pb2.Pod(), path)
