"""What is said of one kind stands in its room: no other module asks which kind an object is of."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from podraft.api import kinds

ROOT = Path(__file__).parents[2]
PARTS = ("protos", "client", "server", "cli")
# The rooms themselves, and what acts on certain kinds by its nature.
ROOM = re.compile(r"server/podraft/server/kinds/[^/]+/")
ACTING = (
    "cli/podraft/cli/kinds/",
    "server/podraft/server/controllers/",
    "server/podraft/server/scheduling/",
)
JUSTIFIED = {
    "cli/podraft/cli/commands/cluster/taint.py": "only nodes have taints: their word may be said",
    "cli/podraft/cli/commands/workloads/set/references.py": "what it sets is a Service's selector",
    "cli/podraft/cli/commands/troubleshooting/logs.py": "logs are pods', whatever owns them",
    "cli/podraft/cli/commands/troubleshooting/port_forward.py": "pods have the ports",
    "cli/podraft/cli/manifests/service_names.py": "which texts of a manifest a container reads",
    "cli/podraft/cli/plans/differences.py": "a Secret's values are compared by their hashes",
    "cli/podraft/cli/plans/edits/exposed.py": "a Service finds a pod by its labels",
    "cli/podraft/cli/plans/undo_plan.py": "what of a kind cannot be taken back",
    "client/podraft/client/calls/client.py": "only pods have logs, commands and ports",
    "protos/podraft/api/columns/apps.py": "a table is a kind's; one without has the plain one",
    "protos/podraft/api/columns/batch.py": "as above",
    "protos/podraft/api/columns/coordination.py": "as above",
    "protos/podraft/api/columns/core.py": "as above",
    "protos/podraft/api/columns/discovery.py": "as above",
    "protos/podraft/api/columns/events.py": "as above",
    "protos/podraft/api/columns/admission.py": "as above",
    "protos/podraft/api/columns/extensions.py": "as above",
    "protos/podraft/api/columns/networking.py": "as above",
    "protos/podraft/api/columns/storage.py": "as above",
    "protos/podraft/api/columns/rbac.py": "as above",
    "protos/podraft/api/columns/policies.py": "as above",
    "server/podraft/server/auth/authorize.py": "what nodes and components may do, by kind",
    "server/podraft/server/auth/decision.py": "namespaces' own rights; written roles",
    "server/podraft/server/auth/rbac/defaults.py": "roles and bindings that every cluster has",
    "server/podraft/server/registry/cache/rights_index.py": "roles and bindings by subject",
    "server/podraft/server/registry/access/live_rights.py": "what nodes may read of their pods'",
}
NAMES = frozenset(kind.name for kind in kinds.BUILT_IN)
CONSTANTS = frozenset(name for name, value in vars(kinds).items() if isinstance(value, kinds.Kind))


class Asking(ast.NodeVisitor):
    """Finds where a module decides by a built-in kind."""

    def __init__(self) -> None:
        self.found: list[int] = []
        # The module's own names for several kinds, such as _NODE_READS.
        self._groups: set[str] = set()

    def visit_Assign(self, node: ast.Assign) -> None:
        """Note a name for several kinds."""
        self._group(node.targets, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Note a name for several kinds."""
        self._group([node.target], node.value)

    def _group(self, targets: list[ast.expr], value: ast.expr | None) -> None:
        if isinstance(value, ast.Tuple | ast.Set | ast.List | ast.Call) and names_kind(value):
            self._groups |= {target.id for target in targets if isinstance(target, ast.Name)}
        if value is not None:
            self.visit(value)

    def visit_Compare(self, node: ast.Compare) -> None:
        """Find ``kind is kinds.POD`` and ``kind in (kinds.POD, kinds.NODE)``."""
        compared = (node.left, *node.comparators)
        groups = {part.id for part in compared if isinstance(part, ast.Name)} & self._groups
        if groups or any(is_kind(part) or names_several(part) for part in compared):
            self.found.append(node.lineno)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        """Find ``{kinds.POD: …}``, which is a ladder, too."""
        if any(key is not None and is_kind(key) for key in node.keys):
            self.found.append(node.lineno)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Find ``isinstance(obj, Pod)``."""
        if isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            named = {last_name(part) for part in ast.walk(node.args[1])}
            if named & NAMES:
                self.found.append(node.lineno)
        self.generic_visit(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        """Find ``case Pod():``."""
        if last_name(node.cls) in NAMES:
            self.found.append(node.cls.lineno)
        self.generic_visit(node)


def last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_kind(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute) and last_name(node.value) != "kinds":
        return False
    return last_name(node) in CONSTANTS


def names_kind(node: ast.expr) -> bool:
    return any(isinstance(part, ast.expr) and is_kind(part) for part in ast.walk(node))


def names_several(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple | ast.Set | ast.List) and any(map(is_kind, node.elts))


def modules() -> Iterator[tuple[str, Path]]:
    for part in PARTS:
        for path in sorted((ROOT / part / "podraft").rglob("*.py")):
            if "_pb2" not in path.name:
                yield path.relative_to(ROOT).as_posix(), path


def asking(source: str) -> list[int]:
    visitor = Asking()
    visitor.visit(ast.parse(source))
    return sorted(visitor.found)


def test_only_rooms_and_what_acts_on_a_kind_ask_for_it() -> None:
    found = {
        name: lines
        for name, path in modules()
        if not (name.startswith(ACTING) or ROOM.match(name)) and (lines := asking(path.read_text()))
    }
    assert {name: lines for name, lines in found.items() if name not in JUSTIFIED} == {}
    assert JUSTIFIED.keys() == found.keys(), "what asks no more needs no reason"


@pytest.mark.parametrize(
    ("source", "asks"),
    [
        ("kind is kinds.POD", True),
        ("kind is not POD", True),
        ("kind in (kinds.POD, kinds.NODE)", True),
        ("_READS = frozenset({kinds.POD})\nkind in _READS", True),
        ("{kinds.POD: 1}", True),
        ("isinstance(obj, Pod)", True),
        ("isinstance(obj, (int, pod_pb2.Pod))", True),
        ("match obj:\n    case Pod():\n        pass", True),
        ("hub.feed(kinds.POD)", False),
        ("authority is Authority.NODE", False),
        ("isinstance(obj, Message)", False),
    ],
)
def test_a_ladder_is_found_whatever_it_looks_like(source: str, asks: bool) -> None:
    assert bool(asking(source)) == asks
