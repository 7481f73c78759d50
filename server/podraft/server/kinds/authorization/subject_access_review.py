"""SubjectAccessReviews: whether somebody may make a call."""

from __future__ import annotations

from typing import Final

from podraft.api.authorization.v1.subject_access_review_pb2 import SubjectAccessReview
from podraft.server.kinds.authorization import answers
from podraft.server.kinds.hooks import Asking
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules


def _check(review: SubjectAccessReview, report: Report) -> None:
    answers.check_unnamed(review.metadata, report)
    answers.check_call(review.spec, report)
    answers.check_subject(review.spec, report)


def _answer(review: SubjectAccessReview, asking: Asking) -> None:
    identity = answers.subject_of(review.spec)
    review.status.CopyFrom(answers.answer(asking, identity, review.spec, with_help=True))


RULES: Final[Rules[SubjectAccessReview]] = Rules(check=_check, answer=_answer)
