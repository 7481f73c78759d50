"""SelfSubjectAccessReviews: whether the caller may make a call."""

from __future__ import annotations

from typing import Final

from podraft.api.authorization.v1.self_subject_access_review_pb2 import SelfSubjectAccessReview
from podraft.server.kinds.authorization import answers
from podraft.server.kinds.hooks import Asking
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules


def _check(review: SelfSubjectAccessReview, report: Report) -> None:
    answers.check_unnamed(review.metadata, report)
    answers.check_call(review.spec, report)


def _answer(review: SelfSubjectAccessReview, asking: Asking) -> None:
    review.status.CopyFrom(answers.answer(asking, asking.identity, review.spec, with_help=False))


RULES: Final[Rules[SelfSubjectAccessReview]] = Rules(check=_check, answer=_answer)
