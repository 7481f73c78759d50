"""`edit`: change objects in an editor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from podraft.api.characters import one_line
from podraft.api.ownership.holdings import COMMAND
from podraft.cli.command_line.choosing import choosing
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.settings import Settings
from podraft.cli.output import printing
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind
    from podraft.cli.command_line.choosing import Choice
    from podraft.cli.sessions.connection import Session

_HEAD: Final = (
    "# Change what you like, save, and leave. An empty file, or nothing changed, cancels.\n"
    "# A fault opens the file again, with the reason above.\n"
)
_ROUNDS_MAX: Final = 20
_Before: TypeAlias = "tuple[AnyKind, Any]"


@dataclass(frozen=True, slots=True)
class _Sending:
    """In whose name changes are sent, and whether they are shown."""

    field_manager: str
    shows_patch: bool


@command("edit")
@click.argument("arguments", nargs=-1, metavar="KIND/NAME...", shell_complete=complete_targets)
@choosing(everywhere=False)
@click.option(
    "--field-manager",
    default=COMMAND,
    metavar="NAME",
    help="In whose name it is written. [podraft]",
)
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml")
@click.option("--output-patch", is_flag=True, help="Show what was sent.")
@click.option("--show-managed-fields", is_flag=True, help="With the managedFields.")
def edit(
    settings: Settings,
    arguments: tuple[str, ...],
    choice: Choice,
    field_manager: str,
    output: str,
    output_patch: bool,
    show_managed_fields: bool,
) -> None:
    """Change objects in your editor ($PODRAFT_EDITOR, $KUBE_EDITOR, $EDITOR, vi).

    Only what you changed is sent, and only if nobody else has changed the object meanwhile.
    """
    from podraft.cli.sessions.connection import run
    from podraft.cli.sessions.writing.changing import chosen, with_words

    choice = with_words(choice, arguments)
    targets = choice.targets()

    async def read(session: Session) -> list[_Before]:
        from podraft.cli.sessions import reading

        found = await chosen(session, choice, targets)
        reading.complain_of_missing(found, session.namespace)
        return [(one.kind, obj) for one in found for obj in one.objects]

    before = run(settings, read)
    if not before:
        printing.say("No resources found.", err=True)
        return
    sending = _Sending(field_manager, output_patch)
    _rounds(settings, before, output, sending, managed=show_managed_fields)


def _rounds(
    settings: Settings, before: Sequence[_Before], output: str, sending: _Sending, *, managed: bool
) -> None:
    """Open the editor until the objects are accepted, or the user gives up."""
    from podraft.cli.errors import CliError
    from podraft.cli.sessions.connection import run
    from podraft.cli.sessions.writing.editor import EditedFile

    shown = text = _text(before, output, managed=managed)
    file, reasons = EditedFile(f".{output}"), tuple[str, ...]()
    for _ in range(_ROUNDS_MAX):
        edited = _without_head(file.edit(_head(output, reasons) + text))
        if not edited.strip() or edited == shown:
            file.discard()
            printing.say("Edit cancelled, no changes made.", err=True)
            return
        if reasons and edited == text:
            raise CliError(*reasons, file.kept())
        text = edited
        try:
            patches = _patches(before, edited, managed=managed)

            async def send(session: Session, sent: Sequence[Any] = patches) -> None:
                await _send(session, before, sent, sending)

            run(settings, send)
        except _RefusedError as error:
            reasons = error.lines
            printing.say(*reasons, err=True)
        except CliError as error:
            raise CliError(*error.lines, file.kept()) from None
        else:
            file.discard()
            return
    raise CliError("too many faults", file.kept())


class _RefusedError(Exception):
    """A fault that the user can mend in the editor."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


def _head(output: str, reasons: Sequence[str]) -> str:
    """Return the comment above the objects; JSON has none."""
    if output != "yaml":
        return ""
    return _HEAD + "".join(f"# {one_line(line)}\n" for line in reasons)


def _without_head(text: str) -> str:
    lines = text.splitlines(keepends=True)
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[count:])


def _text(before: Sequence[_Before], output: str, *, managed: bool) -> str:
    from podraft.cli.output import documents

    objects = [obj for _, obj in before]
    document = documents.document_of(objects, single=True, managed_fields=managed)
    return documents.render(document, output)


def _patches(before: Sequence[_Before], text: str, *, managed: bool) -> list[dict[str, Any]]:
    """Return what to send for each object; empty for one that the user left as it was.

    Raises:
        _RefusedError: The text is malformed, or means other objects.
    """
    from podraft.api import codec
    from podraft.cli.output import documents

    values = _values(text, len(before))
    patches = []
    for (kind, obj), value in zip(before, values, strict=True):
        old = documents.document_of([obj], single=True, managed_fields=managed)
        new = codec.to_json(_parsed(kind, value))
        for field in ("name", "namespace", "uid"):
            if new.get("metadata", {}).get(field) != old["metadata"].get(field):
                raise _RefusedError(f"metadata.{field}: cannot be changed by editing")
        patch = codec.create_merge_patch(old, new)
        patch.get("metadata", {}).pop("resourceVersion", None)
        patch.pop("status", None)  # The object's status is not the user's to say.
        if patch.get("metadata") == {}:
            del patch["metadata"]
        patches.append(patch)
    return patches


def _values(text: str, count: int) -> list[Any]:
    from podraft.cli.manifests.document_stream import values_in
    from podraft.cli.manifests.nodes import ManifestError

    try:
        values = values_in(text)
    except ManifestError as error:
        raise _RefusedError(f"line {error.line} below this comment: {error}") from None
    if count > 1 and len(values) == 1 and isinstance(values[0], dict):
        values = values[0].get("items") or []
    if len(values) != count:
        raise _RefusedError(f"expected {count} objects as before, got {len(values)}")
    return values


def _parsed(kind: AnyKind, value: Any) -> Any:
    from podraft.api import codec
    from podraft.api.violations import InvalidObjectError

    if not isinstance(value, dict):
        raise _RefusedError("expected an object")
    try:
        return codec.parse(kind.message, value)
    except InvalidObjectError as error:
        raise _RefusedError(*map(str, error.violations)) from None


async def _send(
    session: Session,
    before: Sequence[_Before],
    patches: Sequence[dict[str, Any]],
    sending: _Sending,
) -> None:
    import json

    from podraft.cli.command_line.targets import word_of
    from podraft.client.errors import InvalidError

    for (kind, obj), patch in zip(before, patches, strict=True):
        metadata, word = obj.metadata, word_of(kind, obj.metadata.name)
        if not patch:
            printing.say(f"{word} unchanged")
            continue
        try:
            await session.client.resource(kind).patch(
                metadata.name,
                patch,
                metadata.namespace,
                uid=metadata.uid,
                resource_version=metadata.resource_version,
                field_manager=sending.field_manager,
            )
        except InvalidError as error:
            faults = [f"{one.field}: {one.description}" for one in error.violations]
            raise _RefusedError(*(faults or [error.message])) from None
        if sending.shows_patch:
            printing.data(f"Patch: {json.dumps(patch, ensure_ascii=False, sort_keys=True)}\n")
        printing.say(f"{word} edited")
