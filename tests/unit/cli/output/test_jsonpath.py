"""kubectl's JSONPath: each expected text is what kubectl 1.32 prints for the same template."""

from __future__ import annotations

import pytest

from podraft.cli.output import jsonpath
from podraft.cli.output.jsonpath import evaluation

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "a<b", "k.io/x": "1"}},
    "spec": {
        "priority": 5,
        "containers": [
            {"name": "a", "image": "i1", "ports": [{"containerPort": 80}], "stdin": True},
            {"name": "b", "image": "i2"},
            {"name": "c", "image": "i3"},
        ],
    },
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.metadata.name}", "web"),
        ("plain", "plain"),
        ("{.spec.containers[*].name}", "a b c"),
        ('{range .spec.containers[*]}{.name}{"\\t"}{end}', "a\tb\tc\t"),
        ('{.spec.containers[?(@.name=="b")].image}', "i2"),
        ("{.spec.containers[?(@.ports)].name}", "a"),
        ("{.spec.containers[-1].name}", "c"),
        ("{.spec.containers[0:2].name}", "a b"),
        ("{.spec.containers[-2:].name}", "b c"),
        ("{.spec.containers[0,2].name}", "a c"),
        ("{.spec['containers'][1].name}", "b"),
        ("{.metadata.labels}", '{"app":"a\\u003cb","k.io/x":"1"}'),
        ("{.metadata.labels.k\\.io/x}", "1"),
        ("{.metadata.labels['k\\.io/x']}", "1"),
        ("{..name}", "web a b c"),
        ("{.spec.priority}{.spec.containers[0].stdin}", "5true"),
        ("{.nope.x}", ""),
        ("{$.kind}{@.kind}{'q'}", "PodPodq"),
        ("{.spec.containers[*]['name','image']}", "a b c i1 i2 i3"),
        ("{.spec.containers[::2].name}", "a c"),
        ("{.spec.containers[1:1].name}", ""),
        (
            "{range .spec.containers[*]}{.name}{range .ports[*]}:{.containerPort}{end} {end}done",
            "a:80 b c done",
        ),
        ('{"a\\nb"}', "a\nb"),
        ("{.spec.containers[?(@.image!='i1')].name}", "b c"),
        ("{.spec.containers[?(@.ports[0].containerPort>79)].name}", "a"),
        ("{ .kind }", "Pod"),
    ],
)
def test_a_template_prints_what_kubectl_prints(template: str, text: str) -> None:
    assert jsonpath.print_text(jsonpath.parse(template), POD) == text


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{.a", "at character 4: the action is not closed"),
        ("{end}", "{end} without a {range}"),
        ("{range .a}x", "{range} without an {end}"),
        ("{kind}", 'at character 2: "kind" is no keyword; a field begins with a dot: .kind'),
        ('{.a[?(@.b=~"c")]}', 'at character 10: "=~" is no comparison'),
        ("{.a[ 0 ]}", "expected an index"),
        ("{.a[0}", "the bracket is not closed"),
        ("{.a[?(@.b}", "the filter is not closed"),
        ("{....a}", '".." follows ".."'),
        ('{"a}', "the quote is not closed"),
        ('{"\\q"}', 'at character 4: "\\q" is no escape'),
        ('{"\\u12 4"}', 'at character 4: "\\u" is no escape'),
        ('{"\\x+4"}', 'at character 4: "\\x" is no escape'),
        ('{"\\U00110000"}', 'at character 4: "\\U" is no escape'),
        ('{"\\ud800"}', 'at character 4: "\\u" is no escape'),
        ("{.a[?(@.b==1.2.3)]}", 'at character 12: "1.2.3" is no number'),
        ("{.a, .b}", "',' is not expected here"),
        ("{" + "[?(" * 40, "not closed"),
        ("{range .a}" * 40, "more than 32 ranges"),
        ("{.a[" + "9" * 30 + "]}", "expected an index"),
        ("x" * 70_000, "longer than"),
    ],
)
def test_a_malformed_template_is_refused_with_the_place(template: str, says: str) -> None:
    with pytest.raises(jsonpath.JsonPathError) as caught:
        jsonpath.parse(template)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{.spec.containers[5].name}", "the index 5 is beyond a list of 3"),
        ("{.spec.containers[2:9].name}", "the slice 2:9 is beyond a list of 3"),
        ("{.spec.containers[?(@.name==1)].image}", 'cannot compare the text "a" == the number 1'),
        ("{.spec.priority[0]}", "an index needs a list, there is the number 5"),
        ("{.metadata[?(@.a)]}", "a filter needs a list, there is an object"),
        ("{.spec.containers[::0]}", "a slice's step must be > 0"),
    ],
)
def test_a_template_that_does_not_fit_the_object_is_an_error(template: str, says: str) -> None:
    with pytest.raises(jsonpath.JsonPathError) as caught:
        jsonpath.print_text(jsonpath.parse(template), POD)
    assert says in str(caught.value)


def test_a_missing_field_is_an_error_when_that_is_wanted() -> None:
    with pytest.raises(jsonpath.JsonPathError, match="nope is not found"):
        jsonpath.print_text(jsonpath.parse("{.nope}"), POD, allow_missing=False)


def test_the_work_for_a_template_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "STEPS_MAX", 1000)
    many = {"items": [{"a": number} for number in range(100)]}
    nested = "{range .items[*]}{range .items[*]}" + "{.a}" + "{end}{end}"
    looping = "{" + ".items[*,*,*]" + "}"
    assert jsonpath.print_text(jsonpath.parse(nested), many) == ""
    with pytest.raises(jsonpath.JsonPathError, match="more than"):
        for _ in range(4):
            looping = looping[:-1] + ".*" + "}"
        jsonpath.print_text(jsonpath.parse(looping + looping + looping), many)


def test_a_path_may_lack_its_braces_and_its_dot() -> None:
    for text in ("metadata.name", ".metadata.name", "{metadata.name}", "{.metadata.name}"):
        assert jsonpath.found_by(jsonpath.relaxed(text), POD) == ["web"]
    with pytest.raises(jsonpath.JsonPathError):
        jsonpath.relaxed("{.a}{.b}")


def test_results_as_json_are_one_list_for_each_part() -> None:
    text = jsonpath.print_as_json(jsonpath.parse("{.spec.containers[0:2].name}"), POD)
    assert text == '[\n    "a",\n    "b"\n]\n'
