"""The kinds of ``admissionregistration.k8s.io``: who is asked before something is written.

Owns: their entries.  Invariant: a policy comes before its bindings, and all of them after what
others of a manifest's objects need, so that an apply is not refused by what it brings itself.
"""

from __future__ import annotations

from typing import Final

from podraft.api.admissionregistration.v1 import (
    mutating_webhook_configuration_pb2,
    validating_admission_policy_binding_pb2,
    validating_admission_policy_pb2,
    validating_webhook_configuration_pb2,
)
from podraft.api.kinds.kind import AnyKind, Kind, Order

_API_VERSION: Final = "admissionregistration.k8s.io/v1"

VALIDATING_ADMISSION_POLICY = Kind(
    message=validating_admission_policy_pb2.ValidatingAdmissionPolicy,
    api_version=_API_VERSION,
    resource="validatingadmissionpolicies",
    namespaced=False,
    order=Order.RECORDS,
    subresources=("status",),
    categories=("api-extensions",),
    selectable_fields=("metadata.name",),
)
VALIDATING_ADMISSION_POLICY_BINDING = Kind(
    message=validating_admission_policy_binding_pb2.ValidatingAdmissionPolicyBinding,
    api_version=_API_VERSION,
    resource="validatingadmissionpolicybindings",
    namespaced=False,
    order=Order.RECORDS,
    categories=("api-extensions",),
    selectable_fields=("metadata.name",),
)
MUTATING_WEBHOOK_CONFIGURATION = Kind(
    message=mutating_webhook_configuration_pb2.MutatingWebhookConfiguration,
    api_version=_API_VERSION,
    resource="mutatingwebhookconfigurations",
    namespaced=False,
    order=Order.RECORDS,
    categories=("api-extensions",),
    selectable_fields=("metadata.name",),
)
VALIDATING_WEBHOOK_CONFIGURATION = Kind(
    message=validating_webhook_configuration_pb2.ValidatingWebhookConfiguration,
    api_version=_API_VERSION,
    resource="validatingwebhookconfigurations",
    namespaced=False,
    order=Order.RECORDS,
    categories=("api-extensions",),
    selectable_fields=("metadata.name",),
)

KINDS: Final[tuple[AnyKind, ...]] = (
    VALIDATING_ADMISSION_POLICY,
    VALIDATING_ADMISSION_POLICY_BINDING,
    MUTATING_WEBHOOK_CONFIGURATION,
    VALIDATING_WEBHOOK_CONFIGURATION,
)
