"""`patch`: change objects by a patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.framework import command
from podraft.cli.command_line.manifest_options import manifest_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options
from podraft.cli.sessions.completing import complete_targets

if TYPE_CHECKING:
    from podraft.api.kinds import AnyKind
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.sessions.connection import Session
    from podraft.cli.sessions.writing.patching import Patch


@command("patch")
@click.argument(
    "arguments", nargs=-1, metavar="KIND NAME|KIND/NAME", shell_complete=complete_targets
)
@manifest_options(required=False, text="The objects that these manifests name.")
@click.option("-p", "--patch", "text", default="", help="The patch, as JSON or YAML.")
@click.option("--patch-file", default="", metavar="FILE", help="A file with the patch.")
@click.option(
    "--type",
    "type_",
    type=click.Choice(["strategic", "merge", "json"]),
    default="strategic",
    help="'strategic' merges lists by their keys, 'merge' replaces them, 'json' is a list of "
    "operations. [strategic]",
)
@click.option("--subresource", type=click.Choice(["status"]), help="What part is changed.")
@click.option("--local", is_flag=True, help="Patch what -f names; ask no server.")
@writing_options()
def patch(
    settings: Settings,
    arguments: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    text: str,
    patch_file: str,
    type_: str,
    subresource: str | None,
    local: bool,
    outcomes: Outcomes,
) -> None:
    """Change objects by a patch.

    \b
    podraft patch deployment/web -p '{"spec": {"replicas": 3}}'
    """  # noqa: D301 - click keeps the lines after this mark as they are
    from podraft.cli.command_line.choosing import Choice
    from podraft.cli.sessions.connection import run
    from podraft.cli.sessions.writing.changing import chosen
    from podraft.cli.sessions.writing.patching import FORMS, Patch, patch_manifests

    source, value = _read(text, patch_file)
    _check(source, value, type_)
    wanted = Patch(value, FORMS[type_])
    choice = Choice(arguments, files, recursive, local)
    targets = choice.targets()
    if local:
        patch_manifests(settings, choice, outcomes, wanted)
        return

    async def body(session: Session) -> None:
        from podraft.cli.sessions import reading

        found = await chosen(session, choice, targets)
        for one in found:
            for obj in one.objects:
                await _patch_one(session, one.kind, obj, wanted, subresource or "", outcomes)
        reading.complain_of_missing(found, session.namespace)

    run(settings, body)


def _read(text: str, path: str) -> tuple[str, Any]:
    """Return where the patch stands, and what it says.

    Raises:
        CliError: There is none, or it is neither JSON nor YAML.
    """
    from podraft.cli.errors import CliError, usage
    from podraft.cli.manifests.document_stream import values_in
    from podraft.cli.manifests.nodes import ManifestError
    from podraft.cli.manifests.sources import read_sources

    if bool(text) == bool(path):
        raise usage("say the patch: -p or --patch-file")
    source = "-p"
    if path:
        ((source, text),) = read_sources([path], recursive=False)
    try:
        values = values_in(text)
    except ManifestError as error:
        raise CliError(f"{source}:{error.line}: {error}") from None
    if len(values) != 1:
        raise CliError(f"{source}: expected one patch, got {len(values)}")
    return source, values[0]


def _check(source: str, wanted: Any, type_: str) -> None:
    """Raise an error for a patch that is none of its type."""
    from podraft.cli.errors import CliError

    if type_ == "json" and not isinstance(wanted, list):
        raise CliError(f"{source}: expected a list of operations for --type=json")
    if type_ != "json" and not isinstance(wanted, dict):
        raise CliError(f"{source}: expected one mapping of the fields to change")


async def _patch_one(
    session: Session, kind: AnyKind, obj: Any, patch: Patch, subresource: str, outcomes: Outcomes
) -> None:
    from podraft.cli.command_line.targets import word_of

    metadata = obj.metadata
    if outcomes.is_local:
        outcomes.tell(word_of(kind, metadata.name), "patched", patch.applied_to(obj))
        return
    changed = await session.client.resource(kind).patch(
        metadata.name,
        patch.value,
        metadata.namespace,
        form=patch.form,
        subresource=subresource,
        uid=metadata.uid,
        dry_run=outcomes.asks_only,
        field_manager=outcomes.field_manager,
    )
    # Another revision is a change; the same one says that there was nothing to do.
    same = changed.metadata.resource_version == metadata.resource_version
    unchanged = same and not outcomes.asks_only
    outcome = "patched (no change)" if unchanged else "patched"
    outcomes.tell(word_of(kind, metadata.name), outcome, changed)
