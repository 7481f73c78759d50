"""What an object says is worked out in `api/objects` and nowhere else: copies come to differ."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from podraft.api.objects import amounts, pods, taints, well_known

ROOT = Path(__file__).parents[2]
OWNER = ROOT / "protos/podraft/api/objects"
# Words of plain language mean other things, too.
PLAIN = {"default", "kubernetes", "orphan"}
NAMES = {
    value for value in vars(well_known).values() if isinstance(value, str) and "\n" not in value
} - PLAIN
NAMES -= {well_known.__name__, well_known.__file__, "annotations"}


def sources() -> list[Path]:
    found = [
        path
        for part in ("protos", "client", "server", "agent", "cli")
        for path in (ROOT / part).rglob("*.py")
        if "_pb2" not in path.name and OWNER not in path.parents
    ]
    assert len(found) > 300
    return found


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text())))


def texts(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def collections(path: Path) -> Iterator[frozenset[str]]:
    """Yield the texts that each display of a tuple, list or set has, if they are all it has."""
    for node in nodes(path):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            values = [
                one.value
                for one in node.elts
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            if len(values) == len(node.elts):
                yield frozenset(values)


def calls(path: Path) -> Iterator[tuple[str, str]]:
    for node in nodes(path):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and len(node.args) == 1
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.func.attr, str(node.args[0].value)


def test_the_names_that_several_parts_know_are_written_in_one_module() -> None:
    assert {"kubernetes.io/hostname", "podraft-system", "pod-template-hash"} <= NAMES
    copies = {str(path.relative_to(ROOT)): NAMES.intersection(texts(path)) for path in sources()}
    assert {path: found for path, found in copies.items() if found} == {}


@pytest.mark.parametrize(
    "known",
    [pods.FINAL_PHASES, frozenset(taints.EFFECTS), frozenset((amounts.CPU, amounts.MEMORY))],
    ids=["the last phases", "taints' effects", "what is counted of a pod"],
)
def test_what_is_known_as_a_whole_is_written_once(known: frozenset[str]) -> None:
    copies = [str(path.relative_to(ROOT)) for path in sources() if known in set(collections(path))]
    assert copies == []


def test_whether_a_deletion_has_begun_is_asked_of_one_function() -> None:
    asked = ("HasField", "deletion_timestamp")
    copies = [str(path.relative_to(ROOT)) for path in sources() if asked in set(calls(path))]
    assert copies == []


def test_the_search_finds_what_it_is_for(tmp_path: Path) -> None:
    source = tmp_path / "copy.py"
    source.write_text(
        'LABEL = "kubernetes.io/hostname"\n'
        'ENDED = ("Failed", "Succeeded")\n'
        'if pod.metadata.HasField("deletion_timestamp"):\n    pass\n'
    )
    assert NAMES.intersection(texts(source)) == {"kubernetes.io/hostname"}
    assert pods.FINAL_PHASES in set(collections(source))
    assert ("HasField", "deletion_timestamp") in set(calls(source))
