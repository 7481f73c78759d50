"""The kinds of ``authentication.k8s.io`` and ``authorization.k8s.io``: questions to the server.

Owns: their entries.  Invariant: their objects are answered by the call that makes them, and never
stored.
"""

from __future__ import annotations

from typing import Any, Final

from podraft.api.authentication.v1 import self_subject_review_pb2, token_review_pb2
from podraft.api.authorization.v1 import (
    local_subject_access_review_pb2,
    self_subject_access_review_pb2,
    self_subject_rules_review_pb2,
    subject_access_review_pb2,
)
from podraft.api.kinds.kind import AnyKind, Kind

_AUTHENTICATION: Final = "authentication.k8s.io/v1"
_AUTHORIZATION: Final = "authorization.k8s.io/v1"
_ANSWERED: Final[dict[str, Any]] = {
    "verbs": ("create",),
    "selectable_fields": (),
    "is_stored": False,
}

TOKEN_REVIEW = Kind(
    message=token_review_pb2.TokenReview,
    api_version=_AUTHENTICATION,
    resource="tokenreviews",
    namespaced=False,
    **_ANSWERED,
)
SELF_SUBJECT_REVIEW = Kind(
    message=self_subject_review_pb2.SelfSubjectReview,
    api_version=_AUTHENTICATION,
    resource="selfsubjectreviews",
    namespaced=False,
    **_ANSWERED,
)
SUBJECT_ACCESS_REVIEW = Kind(
    message=subject_access_review_pb2.SubjectAccessReview,
    api_version=_AUTHORIZATION,
    resource="subjectaccessreviews",
    namespaced=False,
    **_ANSWERED,
)
LOCAL_SUBJECT_ACCESS_REVIEW = Kind(
    message=local_subject_access_review_pb2.LocalSubjectAccessReview,
    api_version=_AUTHORIZATION,
    resource="localsubjectaccessreviews",
    **_ANSWERED,
)
SELF_SUBJECT_ACCESS_REVIEW = Kind(
    message=self_subject_access_review_pb2.SelfSubjectAccessReview,
    api_version=_AUTHORIZATION,
    resource="selfsubjectaccessreviews",
    namespaced=False,
    **_ANSWERED,
)
SELF_SUBJECT_RULES_REVIEW = Kind(
    message=self_subject_rules_review_pb2.SelfSubjectRulesReview,
    api_version=_AUTHORIZATION,
    resource="selfsubjectrulesreviews",
    namespaced=False,
    **_ANSWERED,
)

KINDS: Final[tuple[AnyKind, ...]] = (
    TOKEN_REVIEW,
    SELF_SUBJECT_REVIEW,
    SUBJECT_ACCESS_REVIEW,
    LOCAL_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_RULES_REVIEW,
)
