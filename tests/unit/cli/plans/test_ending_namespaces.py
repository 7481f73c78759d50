"""What holds a namespace that is being deleted is named, object by object."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.cli.kinds import view_of
from podraft.cli.plans import ending_namespaces
from support.api_objects import example

GOING = {"deletionTimestamp": "2026-01-02T03:04:05Z"}


def config(name: str, *finalizers: str, going: bool = True) -> Any:
    obj = example(kinds.CONFIG_MAP, name)
    obj.metadata.finalizers.extend(finalizers)
    if going:
        obj.metadata.deletion_timestamp.seconds = 1
    return obj


def namespace(*spec_finalizers: str, own: str = "", **status: Any) -> Any:
    return codec.from_json(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "shop", **GOING, **({"finalizers": [own]} if own else {})},
            "spec": {"finalizers": list(spec_finalizers)},
            "status": status,
        }
    )


@pytest.mark.parametrize(
    ("held", "inside", "more", "words"),
    [
        (namespace("kubernetes"), [config("a", "x.y/z")], False, ["configmap/a", "x.y/z"]),
        (namespace("kubernetes"), [config("a")], False, ["still ending: configmap/a"]),
        (namespace("kubernetes"), [config("a", going=False)], True, ["not being deleted", "more"]),
        (namespace(own="x.y/own"), [], False, ["the namespace itself", "x.y/own"]),
        (namespace("foregroundDeletion"), [], False, ["foregroundDeletion", "nobody serves"]),
        (namespace("kubernetes"), [], False, ["it is empty"]),
    ],
)
def test_a_reason_names_object_and_finalizer(
    held: Any, inside: list[Any], more: bool, words: list[str]
) -> None:
    text = "\n".join(ending_namespaces.reasons(held, inside, more=more))
    assert all(word in text for word in words)


def test_many_objects_make_no_long_answer() -> None:
    inside = [config(f"a-{n}", "x.y/z") for n in range(500)] + [
        config(f"b-{n}") for n in range(500)
    ]
    found = ending_namespaces.reasons(namespace("kubernetes"), inside, more=True)
    assert len(found) < 30
    assert "480 more objects are held by finalizers" in found


def test_delete_tells_what_the_namespaces_conditions_say() -> None:
    condition = {
        "type": "NamespaceFinalizersRemaining",
        "status": "True",
        "message": "Held by finalizers: x.y/z holds 1 (configmaps/a)",
    }
    told = view_of(kinds.NAMESPACE).held_by(namespace("kubernetes", conditions=[condition]))
    assert told == condition["message"]
    assert view_of(kinds.NAMESPACE).held_by(namespace("kubernetes")) == "terminating"
