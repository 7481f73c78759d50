"""How tables and documents are laid out, and what colours tell."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.cli.output import colour, documents
from podraft.cli.output.listing import Listing

NOW_S = 1_800_000_000.0
THEN = "2027-01-15T07:50:00Z"  # Ten minutes before.


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "shop", "creationTimestamp": THEN},
    "spec": {
        "type": "NodePort",
        "clusterIP": "10.96.0.9",
        "ports": [{"port": 80, "nodePort": 30080}, {"port": 53, "protocol": "UDP"}],
    },
}
CONFIG_MAP = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "c",
        "namespace": "shop",
        "creationTimestamp": THEN,
        "labels": {"b": "2", "a": "1"},
    },
    "data": {"a": "1"},
    "binaryData": {"b": "AA=="},
}


def listed(value: dict[str, Any], **options: Any) -> str:
    obj = codec.from_json(value)
    return Listing(**options).table(kinds.BUILT_IN.of(obj), [obj], NOW_S)


def test_a_table_is_laid_out_with_three_spaces_and_no_trailing_blanks() -> None:
    assert listed(SERVICE) == (
        "NAME   TYPE       CLUSTER-IP   EXTERNAL-IP   PORT(S)               AGE\n"
        "web    NodePort   10.96.0.9    <none>        80:30080/TCP,53/UDP   10m\n"
    )


def test_options_add_namespaces_labels_and_prefixes_and_leave_headers_out() -> None:
    assert (
        listed(CONFIG_MAP, with_namespace=True, with_labels=True, prefixed=True, headers=False)
        == "shop   configmap/c   2     10m   a=1,b=2\n"
    )


def test_lines_that_follow_a_table_keep_its_columns() -> None:
    listing = Listing()
    obj = codec.from_json(CONFIG_MAP)
    listing.table(kinds.CONFIG_MAP, [obj], NOW_S)

    assert listing.line(kinds.CONFIG_MAP, obj, NOW_S) == "c      2      10m\n"


def test_the_first_line_brings_the_headers_when_there_was_no_table() -> None:
    obj = codec.from_json(CONFIG_MAP)

    assert Listing().line(kinds.CONFIG_MAP, obj, NOW_S).startswith("NAME ")


@pytest.mark.parametrize(
    ("word", "code"),
    [("Running", "32"), ("CrashLoopBackOff", "31"), ("Init:0/1", "33"), ("2/3", "33"),
     ("3/3", "32"), ("Completed", "2"), ("Ready,SchedulingDisabled", "33"), ("<none>", "")],
)  # fmt: skip
def test_colour_tells_good_from_underway_from_bad(word: str, code: str) -> None:
    painted = colour.paint_status(word, word)

    assert colour.shown(painted) == (f"\x1b[{code}m{word}\x1b[0m" if code else word)


def test_yaml_reads_back_as_what_it_was() -> None:
    import yaml

    value = {"a": "yes", "b": "1", "c": "two\nlines\n", "d": "2027-01-15T07:50:00Z", "e": [1, None]}

    text = documents.as_yaml(value)

    assert yaml.safe_load(text) == value
    assert 'd: "2027-01-15T07:50:00Z"\n' in text
    assert "c: |\n  two\n  lines\n" in text


def test_one_named_object_is_itself_and_a_list_is_a_list() -> None:
    obj = codec.from_json(CONFIG_MAP)

    assert documents.document_of([obj], single=True)["kind"] == "ConfigMap"
    whole = documents.document_of([obj], single=False)
    assert (whole["kind"], len(whole["items"])) == ("List", 1)
