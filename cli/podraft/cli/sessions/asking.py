"""Questions to the server about rights, as users word them.

Owns: the way from ``get pods/web`` or ``get /version`` to the call that is asked about, and from
the server's answer to lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from podraft.api import kinds
from podraft.api.authorization.v1.access_pb2 import (
    NonResourceAttributes,
    ResourceAttributes,
    SubjectAccessReviewSpec,
    SubjectAccessReviewStatus,
)
from podraft.api.authorization.v1.self_subject_access_review_pb2 import (
    SelfSubjectAccessReview,
    SelfSubjectAccessReviewSpec,
)
from podraft.api.authorization.v1.subject_access_review_pb2 import SubjectAccessReview
from podraft.cli.errors import usage
from podraft.cli.output import printing
from podraft.cli.sessions.connection import Session


@dataclass(frozen=True, slots=True)
class Question:
    """A call that somebody may make or not: on objects, or on a path."""

    resource: ResourceAttributes | None = None
    path: NonResourceAttributes | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"{self.path.verb} {self.path.path}"
        asked = self.resource or ResourceAttributes()
        what = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
        part = f"/{asked.subresource}" if asked.subresource else ""
        name = f' "{asked.name}"' if asked.name else ""
        return f"{asked.verb} {what}{part}{name}"

    @property
    def where(self) -> str:
        """The namespace that the call is in, in words; empty: in all or in none."""
        namespace = self.resource.namespace if self.resource is not None else ""
        return f'in namespace "{namespace}"' if namespace else ""


def question(verb: str, what: str, name: str, namespace: str, subresource: str = "") -> Question:
    """Return the call that words mean; ``namespace`` is empty for all of them.

    Raises:
        CliError: The words make no sense.
    """
    if what.startswith("/"):
        if name or subresource:
            raise usage("a path has no name and no parts")
        return Question(path=NonResourceAttributes(path=what, verb=verb))
    word, slash, named = what.partition("/")
    if slash and name:
        raise usage(f'the name is given twice: "{named}" and "{name}"')
    kind = kinds.BUILT_IN.by_word(word) or _answered(word)
    if kind is None:
        resource, _, group = word.partition(".")
        if word != "*":
            printing.warn(f'podraft knows no kind "{word}"; the answer is about that word')
    else:
        resource, group = kind.resource, kind.group
        namespace = namespace if kind.namespaced else ""
    return Question(
        ResourceAttributes(
            verb=verb,
            group=group,
            resource=resource,
            subresource=subresource,
            namespace=namespace,
            name=named or name,
        )
    )


def _answered(word: str) -> kinds.AnyKind | None:
    for kind in kinds.BUILT_IN.answered():
        if word.lower() in (kind.resource, kind.name.lower(), kind.group_resource):
            return kind
    return None


async def ask_of_oneself(session: Session, asked: Question) -> SubjectAccessReviewStatus:
    """Return whether the caller may make a call, and why."""
    spec = SelfSubjectAccessReviewSpec(
        resource_attributes=asked.resource, non_resource_attributes=asked.path
    )
    reviews = session.client.resource(kinds.SELF_SUBJECT_ACCESS_REVIEW)
    return (await reviews.create(SelfSubjectAccessReview(spec=spec))).status


async def ask_of(
    session: Session, user: str, groups: Sequence[str], asked: Question
) -> SubjectAccessReviewStatus:
    """Return whether a user may make a call, and why, or what is missing."""
    spec = SubjectAccessReviewSpec(
        user=user,
        groups=groups,
        resource_attributes=asked.resource,
        non_resource_attributes=asked.path,
    )
    reviews = session.client.resource(kinds.SUBJECT_ACCESS_REVIEW)
    return (await reviews.create(SubjectAccessReview(spec=spec))).status


async def groups_of(session: Session, user: str) -> list[str]:
    """Return the groups of a user's last certificate; none if the cluster knows none."""
    for known in await session.client.users.list():
        if known.name == user:
            return list(known.groups)
    return []
