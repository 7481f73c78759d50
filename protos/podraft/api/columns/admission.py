"""The tables of the group ``admissionregistration.k8s.io``: webhooks and policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podraft.api import kinds
from podraft.api.admissionregistration.v1 import (
    validating_admission_policy_binding_pb2,
    validating_admission_policy_pb2,
)
from podraft.api.columns.column import AGE, NAME, UNSET, Column, Table


def _param_kind(
    policy: validating_admission_policy_pb2.ValidatingAdmissionPolicy, now_s: float
) -> str:
    if not policy.spec.HasField("param_kind"):
        return UNSET
    return f"{policy.spec.param_kind.api_version}/{policy.spec.param_kind.kind}"


def _param(
    binding: validating_admission_policy_binding_pb2.ValidatingAdmissionPolicyBinding,
    now_s: float,
) -> str:
    if not binding.spec.HasField("param_ref"):
        return UNSET
    named = binding.spec.param_ref
    return f"{named.namespace}/{named.name}" if named.namespace else named.name


_WEBHOOKS: Final = (
    NAME,
    Column("WEBHOOKS", lambda configuration, now_s: str(len(configuration.webhooks))),
    AGE,
)
_POLICY: Final = (
    NAME,
    Column("VALIDATIONS", lambda policy, now_s: str(len(policy.spec.validations))),
    Column("PARAMKIND", _param_kind),
    AGE,
)
_BINDING: Final = (
    NAME,
    Column("POLICYNAME", lambda binding, now_s: binding.spec.policy_name),
    Column("PARAMREF", _param),
    AGE,
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.MUTATING_WEBHOOK_CONFIGURATION: Table(_WEBHOOKS),
    kinds.VALIDATING_WEBHOOK_CONFIGURATION: Table(_WEBHOOKS),
    kinds.VALIDATING_ADMISSION_POLICY: Table(_POLICY),
    kinds.VALIDATING_ADMISSION_POLICY_BINDING: Table(_BINDING),
}
