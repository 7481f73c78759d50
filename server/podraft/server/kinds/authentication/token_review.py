"""TokenReviews: whose a bearer token is.

Callers prove who they are with certificates, so no token is anybody's.
"""

from __future__ import annotations

from typing import Final

from podraft.api.authentication.v1.token_review_pb2 import TokenReview
from podraft.server.kinds.hooks import Asking
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules


def _check(review: TokenReview, report: Report) -> None:
    if not review.spec.token:
        report.required("spec.token")


def _answer(review: TokenReview, _: Asking) -> None:
    review.spec.ClearField("token")  # A secret is not repeated.
    review.status.authenticated = False
    review.status.error = "no bearer token is known here: callers have certificates"


RULES: Final[Rules[TokenReview]] = Rules(check=_check, answer=_answer)
