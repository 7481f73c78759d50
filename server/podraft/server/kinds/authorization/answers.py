"""What the questions about rights share: their checks and their answers.

Invariant: a question is answered by the very function that decides calls.
"""

from __future__ import annotations

from podraft.api.authorization.v1.access_pb2 import (
    NonResourceAttributes,
    ResourceAttributes,
    SubjectAccessReviewSpec,
    SubjectAccessReviewStatus,
)
from podraft.api.authorization.v1.self_subject_access_review_pb2 import SelfSubjectAccessReviewSpec
from podraft.api.meta.v1.meta_pb2 import ObjectMeta
from podraft.server.auth.decision import Allowed, decide_words
from podraft.server.auth.identity import Identity
from podraft.server.auth.rbac.rules import Request, request
from podraft.server.kinds.hooks import Asking
from podraft.server.kinds.report import Report


def check_unnamed(metadata: ObjectMeta, report: Report) -> None:
    """Check that a question has no name: nothing of it is stored."""
    if metadata.name or metadata.generate_name:
        report.add("metadata.name", "must be empty: the question is answered, not stored")


def check_call(spec: SubjectAccessReviewSpec | SelfSubjectAccessReviewSpec, report: Report) -> None:
    """Check that a question names one call."""
    of_resource = spec.HasField("resource_attributes")
    of_path = spec.HasField("non_resource_attributes")
    if of_resource is of_path:
        report.add(
            "spec.resourceAttributes",
            "exactly one of resourceAttributes and nonResourceAttributes is required",
        )
    elif of_resource:
        _check_resource(spec.resource_attributes, report)
    else:
        _check_path(spec.non_resource_attributes, report)


def _check_resource(asked: ResourceAttributes, report: Report) -> None:
    for field, value in (("verb", asked.verb), ("resource", asked.resource)):
        if not value:
            report.required(f"spec.resourceAttributes.{field}")


def _check_path(asked: NonResourceAttributes, report: Report) -> None:
    if not asked.path.startswith("/"):
        report.add("spec.nonResourceAttributes.path", "is required and begins with /")
    if not asked.verb:
        report.required("spec.nonResourceAttributes.verb")


def check_subject(spec: SubjectAccessReviewSpec, report: Report) -> None:
    """Check that a question says whose call it is about."""
    if not spec.user and not spec.groups:
        report.add("spec.user", "is required, or spec.groups is")


def subject_of(spec: SubjectAccessReviewSpec) -> Identity:
    """Return whose call a question is about."""
    return Identity(spec.user, frozenset(spec.groups))


def answer(
    asking: Asking,
    identity: Identity,
    spec: SubjectAccessReviewSpec | SelfSubjectAccessReviewSpec,
    *,
    with_help: bool,
) -> SubjectAccessReviewStatus:
    """Return whether an identity may make a call, and why; ``with_help`` names roles that help."""
    call = _call(spec)
    verdict = decide_words(identity, call, asking.known, asking.lookup, asking.rights)
    if isinstance(verdict, Allowed):
        return SubjectAccessReviewStatus(allowed=True, reason=str(verdict))
    reason = verdict.reason
    if with_help and identity.has_roles:
        reason = f"{reason}; {_help(asking, call)}"
    return SubjectAccessReviewStatus(allowed=False, reason=reason)


def _call(spec: SubjectAccessReviewSpec | SelfSubjectAccessReviewSpec) -> Request:
    if spec.HasField("non_resource_attributes"):
        path = spec.non_resource_attributes
        return Request(path.verb, path=path.path)
    asked = spec.resource_attributes
    namespace = asked.namespace
    if (asked.group, asked.resource) == ("", "namespaces"):
        namespace = asked.name
    return request(
        asked.verb, asked.group, asked.resource, asked.subresource, namespace, asked.name
    )


def _help(asking: Asking, call: Request) -> str:
    roles = asking.rights.roles_that_allow(call)
    if not roles:
        return "there is no role that would allow it"
    bindings = "a ClusterRoleBinding"
    if call.namespace:
        bindings = f'a RoleBinding in namespace "{call.namespace}" or {bindings}'
    return f"{bindings} of one of these would: {', '.join(roles)}"
