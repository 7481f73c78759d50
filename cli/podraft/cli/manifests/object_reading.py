"""Reading one object of a manifest: its present form, its message, and where it belongs.

Owns: the order of the steps, and what the user is told of each. Pure.

Invariant: an object of which there is a fault is not read; a warning never changes what a user
can have meant.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from podraft.api import codec, conversion, kinds, limits, support, views
from podraft.api.codec.read import TYPE_META
from podraft.api.violations import InvalidObjectError, Violation
from podraft.cli.manifests.lines import Lines, parts_of
from podraft.cli.manifests.nodes import Path
from podraft.cli.manifests.unsaid import without_unsaid

# What the codec says where the contract lacks fields that Kubernetes has.
_LACKING = "unknown field, or one that podraft does not support"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the user demands of every object.

    Attributes:
        namespace: The namespace that every object must be in; None if any will do.
        default_namespace: The namespace of objects that name none.
        ignore_unsupported: Whether fields without effect are no faults.
    """

    namespace: str | None
    default_namespace: str
    ignore_unsupported: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """What there is to say: faults and warnings, as lines for a user."""

    faults: list[str]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """The reading of one object; it adds to `findings`."""

    source: str
    lines: Lines
    rules: Rules
    findings: Findings

    def read(self, value: dict[str, Any]) -> Any:
        """Return the object's message, or None if there are faults."""
        try:
            present = without_unsaid(self.present_form(value))
            message = self._parsed(_stored_form(present))
            self._check(message)
        except InvalidObjectError as error:
            self.report_faults(value, error)
            return None
        return message

    def report_faults(self, value: Mapping[str, Any], error: InvalidObjectError) -> None:
        """Note what is wrong with an object."""
        self._report(value, error.violations, self.findings.faults)

    def present_form(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return a manifest as it is written today, with a warning if it is not.

        Raises:
            InvalidObjectError: It is of an old kind and cannot be written so.
        """
        if not conversion.is_old(value) or _is_known(value):
            return value
        present = conversion.converted(value)
        old, new = (f"{one['apiVersion']} {one['kind']}" for one in (value, present))
        self._warn(value, Violation("apiVersion", f"{old} is an old form, read as {new}"))
        return present

    def _parsed(self, value: dict[str, Any]) -> Any:
        try:
            return codec.from_json(value)
        except InvalidObjectError as error:
            lacking = [v for v in error.violations if v.description.startswith(_LACKING)]
            if not self.rules.ignore_unsupported or not lacking:
                raise
            ignored = (Violation(fault.field, "not supported, ignored") for fault in lacking)
            self._report(value, ignored, self.findings.warnings)
            return codec.from_json(_without(value, (parts_of(fault.field) for fault in lacking)))

    def _check(self, message: Any) -> None:
        kind = kinds.BUILT_IN.of(message)
        if not kind.namespaced and message.metadata.namespace:
            # Tools that render manifests write it into every object, and kubectl accepts it.
            ignored = f"a {kind.name} belongs to no namespace, ignored"
            self._warn(_titled(kind, message), Violation("metadata.namespace", ignored))
            message.metadata.ClearField("namespace")
        self._check_effects(kind, message)
        size = message.ByteSize()
        if size > limits.OBJECT_BYTES_MAX:
            # The server would say the same, unless a whole commit of such is more than it takes.
            raise InvalidObjectError.of("", limits.object_too_large(size))
        _place(kind, message, self.rules)

    def _check_effects(self, kind: kinds.AnyKind, message: Any) -> None:
        found = support.unsupported_fields(message)
        if not found:
            return
        if not self.rules.ignore_unsupported:
            raise InvalidObjectError(Violation(one.path, one.refusal) for one in found)
        for one in found:
            self._warn(_titled(kind, message), Violation(one.path, one.warning))

    def _warn(self, value: Mapping[str, Any], warning: Violation) -> None:
        self._report(value, (warning,), self.findings.warnings)

    def _report(
        self, value: Mapping[str, Any], violations: Iterable[Violation], into: list[str]
    ) -> None:
        title = _title(value)
        into.extend(f"{self.source}:{self.lines.at(one.field)}: {title}{one}" for one in violations)


def _stored_form(value: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest of a form in which nothing is stored in the form that is.

    Raises:
        InvalidObjectError: It has faults.
    """
    view = views.by_manifest(value.get("apiVersion"), value.get("kind"))
    if view is None:
        return value
    fields = {name: item for name, item in value.items() if name not in TYPE_META}
    return codec.to_json(view.stored(codec.parse(view.kind.message, fields)))


def _is_known(value: Mapping[str, Any]) -> bool:
    return kinds.BUILT_IN.by_manifest(value["apiVersion"], value["kind"]) is not None


def _titled(kind: kinds.AnyKind, message: Any) -> Mapping[str, Any]:
    return {"kind": kind.name, "metadata": {"name": message.metadata.name}}


def _title(value: Mapping[str, Any]) -> str:
    """Return ``Deployment "web": `` for messages, or as much of it as is known."""
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    kind = value.get("kind")
    if not isinstance(kind, str):
        return ""
    return f'{kind} "{name}": ' if isinstance(name, str) else f"{kind}: "


def _place(kind: kinds.AnyKind, message: Any, rules: Rules) -> None:
    """Give an object its namespace.

    Raises:
        InvalidObjectError: It has no name, or another namespace than the user demands.
    """
    metadata = message.metadata
    if not metadata.name:
        hint = "generateName cannot be applied" if metadata.generate_name else "is required"
        raise InvalidObjectError.of("metadata.name", hint)
    if not kind.namespaced:
        return
    wanted = rules.namespace
    if wanted and metadata.namespace and metadata.namespace != wanted:
        raise InvalidObjectError.of(
            "metadata.namespace", f'is "{metadata.namespace}", but --namespace says "{wanted}"'
        )
    if not metadata.namespace:
        metadata.namespace = wanted or rules.default_namespace
    if not metadata.namespace:
        metadata.ClearField("namespace")


def _without(value: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """Return a copy without the fields at `paths`."""
    result = cast("dict[str, Any]", json.loads(json.dumps(value)))
    for path in paths:
        parent: Any = result
        for part in path[:-1]:
            parent = parent[part]
        parent.pop(path[-1], None)
    return result
