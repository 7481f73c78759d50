"""Custom columns and the order of objects; what is printed is what kubectl 1.32 prints."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import codec
from podraft.cli.errors import CliError
from podraft.cli.output import custom_columns, sorting


def pod(name: str, **spec: Any) -> Any:
    containers = [{"name": "c", "image": "i"}]
    return codec.from_json(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": spec.pop("labels", {})},
            "spec": {"containers": containers, **spec},
        }
    )


def test_custom_columns_show_lists_and_objects_on_one_line_and_say_what_is_missing() -> None:
    value = codec.to_json(pod("web", labels={"b": "2", "a": "1"}))
    columns = custom_columns.columns_of(
        "NAME:.metadata.name,L:metadata.labels,NODE:{.spec.nodeName},C:.spec.containers[*].name"
    )
    assert custom_columns.table(columns, [value], headers=True) == (
        "NAME   L              NODE     C\nweb    map[a:1 b:2]   <none>   c\n"
    )
    assert custom_columns.table(columns[:1], [value], headers=False) == "web\n"


def test_custom_columns_come_from_a_file_of_two_lines() -> None:
    columns = custom_columns.columns_of_file("NAME  N\nmetadata.name .spec.nodeName\n", "f")
    assert [column.header for column in columns] == ["NAME", "N"]


@pytest.mark.parametrize("text", ["", "NAME", "NAME:", ":.a", "A:.a,B", "A:{.a}{.b}", "A:.a[x]"])
def test_malformed_columns_are_a_usage_error(text: str) -> None:
    with pytest.raises(CliError) as caught:
        custom_columns.columns_of(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "A\n", "A B\n.a\n", "A\n.a\n.b\n"])
def test_a_malformed_file_of_columns_is_a_usage_error(text: str) -> None:
    with pytest.raises(CliError) as caught:
        custom_columns.columns_of_file(text, "f")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("path", "values", "order"),
    [
        (".metadata.name", ["web-10", "web-2", "a"], ["a", "web-2", "web-10"]),
        ("{.spec.nodeName}", [None, "n2", "n10"], [None, "n2", "n10"]),
        (".metadata.labels.size", ["1Gi", "500Mi", "2k"], ["2k", "500Mi", "1Gi"]),
        (".spec.terminationGracePeriodSeconds", [10, 9, 100], [9, 10, 100]),
    ],
)
def test_objects_are_ordered_by_numbers_quantities_and_texts(path, values, order) -> None:
    field = path.strip("{}").rpartition(".")[2]
    made = [
        pod(value) if field == "name"
        else pod("p", labels={"size": value}) if field == "size"
        else pod("p", **({field: value} if value is not None else {}))
        for value in values
    ]  # fmt: skip
    found = sorting.in_order(made, sorting.path_of(path), path)
    assert [made.index(obj) for obj in found] == [values.index(value) for value in order]


def test_an_order_by_a_field_that_no_object_has_is_an_error() -> None:
    for path, says in ((".spec.nope", "none of the objects"), (".spec", "no number or text")):
        with pytest.raises(CliError, match=says):
            sorting.in_order([pod("a")], sorting.path_of(path), path)
