"""SelfSubjectRulesReviews: what the caller may do in a namespace."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.authorization.v1.self_subject_rules_review_pb2 import (
    NonResourceRule,
    ResourceRule,
    SelfSubjectRulesReview,
    SubjectRulesReviewStatus,
)
from podraft.server.kinds.authorization import answers
from podraft.server.kinds.hooks import Asking
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules

_BUILT_IN: Final = "the rights of nodes and components are built in, and are no rules of roles"


def _check(review: SelfSubjectRulesReview, report: Report) -> None:
    answers.check_unnamed(review.metadata, report)
    namespace = review.spec.namespace
    report.name("spec.namespace", namespace, names.dns_label(namespace))


def _answer(review: SelfSubjectRulesReview, asking: Asking) -> None:
    identity = asking.identity
    status = SubjectRulesReviewStatus(incomplete=False)
    if not identity.has_roles and not identity.is_admin:
        status.incomplete, status.evaluation_error = True, _BUILT_IN
        review.status.CopyFrom(status)
        return
    for rule in asking.rights.held(identity, review.spec.namespace):
        verbs = sorted(rule.verbs)
        if rule.paths:
            paths = sorted(rule.paths)
            status.non_resource_rules.append(NonResourceRule(verbs=verbs, non_resource_urls=paths))
            continue
        status.resource_rules.append(
            ResourceRule(
                verbs=verbs,
                api_groups=sorted(rule.groups),
                resources=sorted(rule.resources),
                resource_names=sorted(rule.names),
            )
        )
    review.status.CopyFrom(status)


RULES: Final[Rules[SelfSubjectRulesReview]] = Rules(check=_check, answer=_answer)
