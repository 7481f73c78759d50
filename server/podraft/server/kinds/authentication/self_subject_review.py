"""SelfSubjectReviews: who the caller is."""

from __future__ import annotations

from typing import Final

from podraft.api.authentication.v1.self_subject_review_pb2 import SelfSubjectReview
from podraft.server.auth.rbac.rights import AUTHENTICATED
from podraft.server.kinds.hooks import Asking
from podraft.server.kinds.rules import Rules


def _answer(review: SelfSubjectReview, asking: Asking) -> None:
    user = review.status.user_info
    user.username = asking.identity.user
    user.groups.extend(sorted(asking.identity.groups | {AUTHENTICATED}))


RULES: Final[Rules[SelfSubjectReview]] = Rules(answer=_answer)
