"""LocalSubjectAccessReviews: whether somebody may make a call in one namespace."""

from __future__ import annotations

from typing import Final

from podraft.api.authorization.v1.local_subject_access_review_pb2 import LocalSubjectAccessReview
from podraft.server.kinds.authorization import answers
from podraft.server.kinds.hooks import Asking
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules


def _check(review: LocalSubjectAccessReview, report: Report) -> None:
    answers.check_unnamed(review.metadata, report)
    answers.check_call(review.spec, report)
    answers.check_subject(review.spec, report)
    namespace = review.metadata.namespace
    if not namespace:
        report.required("metadata.namespace")
    if review.spec.HasField("non_resource_attributes"):
        report.add("spec.nonResourceAttributes", "paths are in no namespace")
    elif review.spec.resource_attributes.namespace != namespace:
        report.add("spec.resourceAttributes.namespace", f"must be metadata.namespace, {namespace}")


def _answer(review: LocalSubjectAccessReview, asking: Asking) -> None:
    identity = answers.subject_of(review.spec)
    review.status.CopyFrom(answers.answer(asking, identity, review.spec, with_help=False))


RULES: Final[Rules[LocalSubjectAccessReview]] = Rules(check=_check, answer=_answer)
