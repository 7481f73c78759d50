"""`patch`: change objects by a patch."""

from __future__ import annotations

from collections.abc import Mapping
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
    type=click.Choice(["merge"]),
    default="merge",
    help="What kind of patch it is: given fields replace, null removes, lists are replaced whole.",
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
    from podraft.cli.sessions.writing.changing import chosen, patched_locally

    wanted = _patch(text, patch_file)
    choice = Choice(arguments, files, recursive, local)
    targets = choice.targets()
    if local:
        patched_locally(settings, choice, outcomes, wanted)
        return

    async def body(session: Session) -> None:
        from podraft.cli.sessions import reading

        found = await chosen(session, choice, targets)
        for one in found:
            for obj in one.objects:
                await _patch_one(session, one.kind, obj, wanted, subresource or "", outcomes)
        reading.complain_of_missing(found, session.namespace)

    run(settings, body)


def _patch(text: str, path: str) -> Mapping[str, Any]:
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
    if len(values) != 1 or not isinstance(values[0], dict):
        raise CliError(f"{source}: expected one mapping of the fields to change")
    return values[0]


async def _patch_one(
    session: Session,
    kind: AnyKind,
    obj: Any,
    wanted: Mapping[str, Any],
    subresource: str,
    outcomes: Outcomes,
) -> None:
    from podraft.cli.command_line.targets import word_of
    from podraft.cli.sessions.writing.changing import merged

    metadata = obj.metadata
    if outcomes.is_local:
        outcomes.tell(word_of(kind, metadata.name), "patched", merged(kind, obj, wanted))
        return
    changed = await session.client.resource(kind).patch(
        metadata.name,
        wanted,
        metadata.namespace,
        subresource=subresource,
        uid=metadata.uid,
        dry_run=outcomes.asks_only,
    )
    # Another revision is a change; the same one says that there was nothing to do.
    same = changed.metadata.resource_version == metadata.resource_version
    unchanged = same and not outcomes.asks_only
    outcome = "patched (no change)" if unchanged else "patched"
    outcomes.tell(word_of(kind, metadata.name), outcome, changed)
