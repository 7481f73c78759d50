"""`auth`: who the caller is, and what the caller may do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from podraft.cli.command_line.framework import Group
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing

if TYPE_CHECKING:
    from podraft.api.authentication.v1.user_info_pb2 import UserInfo
    from podraft.api.authorization.v1.access_pb2 import SubjectAccessReviewStatus
    from podraft.api.authorization.v1.self_subject_rules_review_pb2 import SubjectRulesReviewStatus
    from podraft.cli.sessions.connection import Session

auth = Group("auth", help="Say who you are, and what you may do.")

_RULES = ("RESOURCES", "NON-RESOURCE URLS", "RESOURCE NAMES", "VERBS")
_MORE_WORDS_MAX = 3


@auth.add("can-i")
@click.argument("words", nargs=-1, metavar="VERB KIND[/NAME]")
@click.option("--list", "listing", is_flag=True, help="List all that you may do in the namespace.")
@click.option("--subresource", default="", help="The part that is meant: log, exec, status.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Ask about all namespaces at once.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; the exit code is the answer.")
def can_i(
    settings: Settings,
    words: tuple[str, ...],
    listing: bool,
    subresource: str,
    all_namespaces: bool,
    quiet: bool,
) -> int:
    """Say whether you may do something: yes (exit code 0) or no and why (1).

    KIND is a kind, a kind and a name, or a path such as /version. With --as you ask for somebody
    else, as far as you may act as them.
    """
    from podraft.cli.errors import usage
    from podraft.cli.sessions.asking import ask_of_oneself, question
    from podraft.cli.sessions.connection import run

    if listing:
        if words:
            raise usage("--list takes no VERB and KIND")
        _list(settings)
        return 0
    if not 2 <= len(words) <= _MORE_WORDS_MAX:
        raise usage("say what: VERB KIND, VERB KIND/NAME or VERB KIND NAME")
    verb, what, *names = words

    async def body(session: Session) -> SubjectAccessReviewStatus:
        namespace = "" if all_namespaces else session.namespace
        asked = question(verb, what, "".join(names), namespace, subresource)
        return await ask_of_oneself(session, asked)

    answer = run(settings, body)
    if not quiet:
        printing.say("yes" if answer.allowed else f"no - {answer.reason}")
        if answer.allowed and settings.verbosity:
            printing.say(answer.reason, err=True)
    return 0 if answer.allowed else 1


def _list(settings: Settings) -> None:
    from podraft.api import kinds
    from podraft.api.authorization.v1.self_subject_rules_review_pb2 import SelfSubjectRulesReview
    from podraft.cli.output import tables
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> SubjectRulesReviewStatus:
        review = SelfSubjectRulesReview()
        review.spec.namespace = session.namespace
        answered = await session.client.resource(kinds.SELF_SUBJECT_RULES_REVIEW).create(review)
        return answered.status

    status = run(settings, body)
    printing.text(tables.render(_RULES, sorted(_rows(status))))
    if status.incomplete:
        printing.warn(f"this is not all: {status.evaluation_error}")


def _rows(status: SubjectRulesReviewStatus) -> Iterator[tuple[str, str, str, str]]:
    for rule in status.resource_rules:
        verbs, names = _bracketed(rule.verbs), _bracketed(rule.resource_names)
        for group in rule.api_groups:
            for resource in rule.resources:
                yield f"{resource}.{group}" if group else resource, "[]", names, verbs
    for path_rule in status.non_resource_rules:
        for path in path_rule.non_resource_urls:
            yield "", f"[{path}]", "[]", _bracketed(path_rule.verbs)


def _bracketed(words: Iterable[str]) -> str:
    return f"[{' '.join(words)}]"


@auth.add("whoami")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]))
def whoami(settings: Settings, output: str | None) -> None:
    """Say who you are to the cluster: your user and your groups."""
    from podraft.api import kinds
    from podraft.api.authentication.v1.self_subject_review_pb2 import SelfSubjectReview
    from podraft.cli.output import documents, tables
    from podraft.cli.sessions.connection import run

    async def body(session: Session) -> UserInfo:
        reviews = session.client.resource(kinds.SELF_SUBJECT_REVIEW)
        return (await reviews.create(SelfSubjectReview())).status.user_info

    user = run(settings, body)
    if output is not None:
        document = {"username": user.username, "groups": list(user.groups)}
        printing.data(documents.render(document, output))
        return
    rows = [("Username", user.username), ("Groups", f"[{' '.join(user.groups)}]")]
    printing.text(tables.render(("ATTRIBUTE", "VALUE"), rows))
