"""`get` against a real API server: what chooses objects, orders them and shows them."""

from __future__ import annotations

import itertools
import json
import threading
from typing import Any

import pytest

from support.cli_server import CliServer
from support.waiting import eventually


@pytest.fixture(scope="module")
def shop(shared_server: CliServer) -> str:
    """Make a namespace with some objects that no test changes."""
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    ]
    objects += [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"c-{number}",
                "namespace": "shop",
                "labels": {"number": str(number), "app": "x"},
            },
            "data": {"n": f"{number}"},
        }
        for number in (10, 9, 2)
    ]
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    shared_server.ok("apply", "-f", "-", stdin=json.dumps(listed))
    return "shop"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-o", "jsonpath={.items[*].metadata.name}"), "c-10 c-2 c-9"),
        (
            ("-o", 'jsonpath={range .items[*]}{.metadata.name}={.data.n}{"\\n"}{end}'),
            "c-10=10\nc-2=2\nc-9=9\n",
        ),
        (("c-2", "-o", "jsonpath", "--template", "{.data.n}"), "2"),
        (("--sort-by", ".metadata.name", "-o", "jsonpath={.items[*].data.n}"), "2 9 10"),
        (("--sort-by={.data.n}", "--chunk-size=1", "-o", "jsonpath={.items[*].data.n}"), "2 9 10"),
        (
            ("-o", "custom-columns=A:.metadata.name,B:.data.n", "--no-headers"),
            "c-10   10\nc-2    2\nc-9    9\n",
        ),
        (("-l", "number=2", "-o", "jsonpath-as-json={.items[*].data.n}"), '[\n    "2"\n]\n'),
        (("--field-selector", "metadata.name=c-9", "-o", "name"), "configmap/c-9\n"),
    ],
)  # fmt: skip
def test_a_list_is_shown_by_templates_and_in_the_order_of_a_field(
    shared_server: CliServer, shop: str, arguments: tuple[str, ...], expected: str
) -> None:
    assert shared_server.ok("get", "configmaps", "-n", shop, *arguments) == expected


def test_labels_become_columns_and_kinds_prefixes(shared_server: CliServer, shop: str) -> None:
    out = shared_server.ok("get", "cm", "-n", shop, "-L", "number,nope", "--show-kind")
    assert out.splitlines()[0].split() == ["NAME", "DATA", "AGE", "NUMBER", "NOPE"]
    assert [line.split()[0] for line in out.splitlines()[1:]] == [
        "configmap/c-10",
        "configmap/c-2",
        "configmap/c-9",
    ]
    assert out.splitlines()[1].split()[-1] == "10"


def test_manifests_name_what_is_listed(shared_server: CliServer, shop: str) -> None:
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c-9, namespace: {shop}}}\n"
    assert shared_server.ok("get", "-f", "-", "-o", "jsonpath={.data.n}", stdin=manifest) == "9"


def test_a_watch_without_its_list_shows_only_what_happens(
    shared_server: CliServer, room: str
) -> None:
    def make(name: str) -> None:
        manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"
        shared_server.ok("apply", "-n", room, "-f", "-", stdin=manifest)

    make("before")
    watch = shared_server.start(
        "get", "cm", "-n", room, "--watch-only", "--output-watch-events", "--no-headers"
    )
    seen: list[str] = []
    assert watch.stdout is not None
    reader = threading.Thread(target=seen.extend, args=(iter(watch.stdout.readline, ""),))
    reader.start()
    try:
        numbers = itertools.count()

        def shown() -> bool:
            make(f"new-{next(numbers)}")
            return bool(seen)

        # What happens before the watch has begun is not shown.
        eventually(shown, within_s=60)
        assert seen[0].startswith("ADDED   new-")
    finally:
        watch.terminate()
        watch.wait()
        reader.join()
        watch.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("-o", "jsonpath={.a"), 2, "-o jsonpath: at character 4: the action is not closed"),
        (("-o", "jsonpath={.items[99]}"), 1, "the index 99 is beyond a list of 3"),
        (("-o", "custom-columns=A"), 2, "expected HEADER:.path"),
        (("-o", "go-template={{.kind}}"), 2, "Go's templates are not supported"),
        (("-o", "jsonpath-file=/nowhere"), 1, "/nowhere: No such file"),
        (("--sort-by", ".nope"), 1, "none of the objects has the field .nope"),
        (("c-2", "--subresource", "status"), 2, "a ConfigMap has no status"),
        (("--chunk-size", "-1"), 2, "-1 is not in the range"),
    ],
)
def test_what_cannot_be_shown_is_an_error_in_one_line(
    shared_server: CliServer, shop: str, arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = shared_server.run("get", "cm", "-n", shop, *arguments)
    assert (result.code, result.out) == (code, "")
    assert says in result.err
    assert "Traceback" not in result.err
