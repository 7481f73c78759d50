"""Changing chosen objects: read, edit, send only what differs, tell.

Owns: how every command that changes a field does it.

Invariants: all edits are worked out before anything is written; what is sent is based on the
revision that was read, and worked out anew when somebody else wrote in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from podraft.api import codec, kinds
from podraft.api.violations import InvalidObjectError
from podraft.cli.command_line.choosing import Choice
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.targets import Target, word_of
from podraft.cli.errors import CliError, shorten
from podraft.cli.manifests.declared import Place, named_targets, read_items
from podraft.cli.output import printing
from podraft.cli.output.outcomes import Outcomes
from podraft.cli.sessions import reading
from podraft.cli.sessions.connection import Session, namespace_of, run
from podraft.client.errors import ConflictError

_TRIES_MAX: Final = 5
Value = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of objects.

    Attributes:
        edit: Changes, in place, the JSON of an object of a kind.
        done: The word for a changed object: ``labeled``.
        resource_version: The revision that the one object must have; empty for any.
        same: The words for an object that is so already.
    """

    edit: Callable[[kinds.AnyKind, Value], None]
    done: str
    resource_version: str = ""
    same: str = "unchanged"


def change(settings: Settings, choice: Choice, outcomes: Outcomes, what: Change) -> None:
    """Change the chosen objects, or the manifests themselves if the choice is local.

    Raises:
        CliError: The choice means nothing, an object cannot be changed so, or was refused.
    """
    targets = choice.targets()
    if choice.local:
        for item in read_items(
            choice.files,
            Place(settings.namespace, ""),
            "nothing was changed",
            recursive=choice.recursive,
            ignore_unsupported=True,
        ):
            before = codec.to_json(item.message)
            after = _edited(item.kind, before, what)
            outcomes.tell(item.word, _word(before, after, what), _parsed(item.kind, after))
        return
    run(settings, lambda session: _change_all(session, targets, choice, outcomes, what))


async def chosen(
    session: Session, choice: Choice, targets: Sequence[Target]
) -> list[reading.Found]:
    """Return the chosen objects; ``targets`` are those of the choice's words."""
    if choice.files:
        place = Place(session.settings.namespace, namespace_of(session.settings))
        targets = named_targets(
            choice.files, place, "nothing was changed", recursive=choice.recursive
        )
    query = reading.Query(
        session.namespace, choice.selector, choice.field_selector, choice.all_namespaces
    )
    return await reading.read(session, targets, query)


async def _change_all(
    session: Session,
    targets: Sequence[Target],
    choice: Choice,
    outcomes: Outcomes,
    what: Change,
) -> None:
    found = await chosen(session, choice, targets)
    objects = [(one.kind, obj) for one in found for obj in one.objects]
    if what.resource_version and len(objects) > 1:
        raise CliError("--resource-version goes with one object only")
    for kind, obj in objects:
        _edited(kind, codec.to_json(obj), what)  # Every fault comes before any change.
    for kind, obj in objects:
        await change_one(session, kind, obj, outcomes, what)
    reading.complain_of_missing(found, session.namespace)
    if not objects:
        printing.say("No resources found.", err=True)


async def change_one(
    session: Session, kind: kinds.AnyKind, obj: Any, outcomes: Outcomes, what: Change
) -> Any:
    """Change one object that was read before, tell of it, and return it as it is then."""
    resource = session.client.resource(kind)
    for attempt in range(1, _TRIES_MAX + 1):
        metadata = obj.metadata
        before = codec.to_json(obj)
        after = _edited(kind, before, what)
        word = word_of(kind, metadata.name)
        if what.resource_version and what.resource_version != metadata.resource_version:
            raise CliError(
                f"{word} is at revision {metadata.resource_version}, not {what.resource_version}"
            )
        patch = codec.create_merge_patch(before, after)
        if not patch or outcomes.is_local:
            outcomes.tell(word, _word(before, after, what), _parsed(kind, after))
            return obj
        try:
            changed = await resource.patch(
                metadata.name,
                patch,
                metadata.namespace,
                uid=metadata.uid,
                resource_version=metadata.resource_version,
                dry_run=outcomes.asks_only,
                field_manager=outcomes.field_manager,
            )
        except ConflictError:
            if attempt == _TRIES_MAX or what.resource_version:
                raise
            obj = await resource.get(metadata.name, metadata.namespace)
        else:
            outcomes.tell(word, what.done, changed)
            return changed
    raise AssertionError("the last try returns or raises")


def _edited(kind: kinds.AnyKind, before: Value, what: Change) -> Value:
    from copy import deepcopy

    after = deepcopy(before)
    what.edit(kind, after)
    return after


def _word(before: Value, after: Value, what: Change) -> str:
    return what.done if before != after else what.same


def _parsed(kind: kinds.AnyKind, value: Value) -> Any:
    try:
        return codec.parse(kind.message, value)
    except InvalidObjectError as error:
        lines = (f"  {violation}" for violation in error.violations)
        raise CliError("the change makes no valid object", *shorten(lines)) from None


def with_words(choice: Choice, words: Sequence[str]) -> Choice:
    """Return a choice with the words that name its objects."""
    return replace(choice, words=tuple(words))
