"""The view of a Namespace: what keeps it from being deleted."""

from __future__ import annotations

from podraft.api.core.v1 import namespace_pb2
from podraft.api.objects.deletion import is_deleting
from podraft.cli.kinds.view import Explanation, Need, Surroundings, View, bullets
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import block
from podraft.cli.plans import ending_namespaces


class NamespaceView(View[namespace_pb2.Namespace]):
    """The view of a namespace, which has something to explain only while it is being deleted."""

    def body(
        self, namespace: namespace_pb2.Namespace, around: Surroundings, now_s: float
    ) -> list[str]:
        """Return the lines of a namespace without its events."""
        pairs = common.metadata(namespace.metadata, namespaced=False)
        pairs.append(("Status", namespace.status.phase or "Active"))
        pairs.append(("Conditions", common.conditions(namespace.status.conditions)))
        return block(pairs)

    def why_needs(self, namespace: namespace_pb2.Namespace) -> frozenset[Need]:
        """Return what is needed to explain a namespace: its contents, if it is being deleted."""
        if is_deleting(namespace.metadata):
            return frozenset({Need.CONTENTS})
        return super().why_needs(namespace)

    def why(
        self, namespace: namespace_pb2.Namespace, around: Surroundings, now_s: float
    ) -> Explanation:
        """Return what keeps a namespace from being deleted."""
        if not is_deleting(namespace.metadata):
            return super().why(namespace, around, now_s)
        found = ending_namespaces.reasons(namespace, around.contents, more=around.more_contents)
        return Explanation(["", "What holds it:", *bullets(found)], "Terminating")

    def held_by(self, namespace: namespace_pb2.Namespace) -> str:
        """Return what a namespace that is being deleted waits for."""
        held = is_deleting(namespace.metadata) and ending_namespaces.holding_conditions(namespace)
        return "; ".join(held) if held else super().held_by(namespace)
