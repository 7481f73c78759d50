"""Namespaces: a label with their name, and the finalizer that empties them before they go.

Owns: which namespaces must always exist, and what a namespace's own finalizers may be.
"""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.core.v1.namespace_pb2 import Namespace
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.well_known import (
    NAMESPACE_FINALIZER,
    NAMESPACE_NAME_LABEL,
    PROTECTED_NAMESPACES,
)
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import check_conditions

_PHASES: Final = ("", "Active", "Terminating")


def _default(namespace: Namespace) -> None:
    """Label a namespace with its name, so that selectors can name it."""
    if namespace.metadata.name:
        namespace.metadata.labels[NAMESPACE_NAME_LABEL] = namespace.metadata.name


def _begin(namespace: Namespace) -> None:
    """Give a new namespace the finalizer that empties it before it goes."""
    namespace.ClearField("spec")
    namespace.spec.finalizers.append(NAMESPACE_FINALIZER)
    namespace.status.phase = "Active"


def _check(namespace: Namespace, report: Report) -> None:
    """Check a Namespace."""
    _check_status(namespace, report)
    for finalizer in namespace.spec.finalizers:
        if finalizer != NAMESPACE_FINALIZER:
            report.add(
                "spec.finalizers",
                f'nobody serves {shown(finalizer)}: expected "{NAMESPACE_FINALIZER}" or nothing',
            )


def _keep(stored: Namespace, namespace: Namespace) -> None:
    """Keep the finalizers until the namespace is deleted: only then may they be removed."""
    if not is_deleting(stored.metadata):
        added = [f for f in namespace.spec.finalizers if f not in stored.spec.finalizers]
        namespace.spec.CopyFrom(stored.spec)
        namespace.spec.finalizers.extend(added)  # Refused by a check, not dropped in silence.


def _check_change(stored: Namespace, namespace: Namespace, report: Report) -> None:
    """Check that a namespace does not get its finalizer back while it is being deleted."""
    finalizer = NAMESPACE_FINALIZER
    if finalizer in namespace.spec.finalizers and finalizer not in stored.spec.finalizers:
        report.add("spec.finalizers", f"{shown(finalizer)} cannot be added")


def _check_status(namespace: Namespace, report: Report) -> None:
    """Check a Namespace's status."""
    report.one_of("status.phase", namespace.status.phase, _PHASES)
    check_conditions(namespace.status.conditions, report, short=False)


def _check_delete(namespace: Namespace, report: Report) -> None:
    name = namespace.metadata.name
    if name in PROTECTED_NAMESPACES:
        report.add("metadata.name", f"the namespace {name} cannot be deleted")


def _is_held(namespace: Namespace) -> bool:
    return bool(namespace.spec.finalizers)


def _mark(namespace: Namespace) -> None:
    """Set the phase that says why nothing can be created in the namespace any more."""
    namespace.status.phase = "Terminating"


RULES: Final[Rules[Namespace]] = Rules(
    check_name=names.dns_label,
    keep=_keep,
    default=_default,
    check=_check,
    check_change=_check_change,
    begin=_begin,
    check_status=_check_status,
    check_delete=_check_delete,
    is_held=_is_held,
    mark=_mark,
)
