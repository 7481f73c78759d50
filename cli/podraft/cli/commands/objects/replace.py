"""`replace`: put what manifests say in the place of what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from podraft.cli.command_line.durations import DURATION
from podraft.cli.command_line.framework import command
from podraft.cli.command_line.manifest_options import manifest_options
from podraft.cli.command_line.settings import Settings
from podraft.cli.command_line.writing_options import writing_options

if TYPE_CHECKING:
    from podraft.cli.manifests.items import Item
    from podraft.cli.output.outcomes import Outcomes
    from podraft.cli.sessions.connection import Session


@command("replace")
@manifest_options(required=True)
@click.option("--force", is_flag=True, help="Delete the objects and make them anew.")
@click.option("--grace-period", type=click.IntRange(min=0), help="With --force: seconds to end.")
@click.option(
    "--cascade",
    type=click.Choice(["background", "foreground", "orphan"]),
    default="background",
    help="With --force: what becomes of what the objects own. [background]",
)
@click.option("--timeout", "timeout_s", type=DURATION, default=0.0, help="With --force. [ever]")
@click.option("--subresource", type=click.Choice(["status"]), help="What part is replaced.")
@click.option("--ignore-unsupported", is_flag=True, help="Drop unsupported fields, as apply does.")
@writing_options()
def replace(
    settings: Settings,
    files: tuple[str, ...],
    recursive: bool,
    force: bool,
    grace_period: int | None,
    cascade: str,
    timeout_s: float,
    subresource: str | None,
    ignore_unsupported: bool,
    outcomes: Outcomes,
) -> None:
    """Put what manifests say in the place of what is there.

    What a manifest does not say is removed. With metadata.resourceVersion, only that
    revision is replaced.
    """
    from podraft.cli.errors import usage
    from podraft.cli.manifests.declared import Place, read_items
    from podraft.cli.sessions.connection import namespace_of, run

    if force and (outcomes.is_dry or subresource):
        raise usage("--force deletes: it goes with neither --dry-run nor --subresource")
    if not force and (grace_period is not None or timeout_s):
        raise usage("--grace-period and --timeout go with --force")
    items = read_items(
        files,
        Place(settings.namespace, namespace_of(settings)),
        "nothing was replaced",
        recursive=recursive,
        ignore_unsupported=ignore_unsupported,
    )

    async def body(session: Session) -> None:
        if force:
            await _delete(session, items, grace_period, cascade, timeout_s)
        for item in items:
            resource = session.client.resource(item.kind)
            if force:
                obj: Any = await resource.create(
                    _without_revision(item), field_manager=outcomes.field_manager
                )
            elif outcomes.is_local:
                await resource.get(item.name, item.namespace)
                obj = item.message
            elif subresource:
                obj = await resource.update_status(
                    item.message, dry_run=outcomes.asks_only, field_manager=outcomes.field_manager
                )
            else:
                obj = await resource.update(
                    item.message, dry_run=outcomes.asks_only, field_manager=outcomes.field_manager
                )
            outcomes.tell(item.word, "replaced", obj)

    run(settings, body)


def _without_revision(item: Item) -> Any:
    """Return the object of a manifest for the first time: it has no revision or identity yet."""
    obj = item.kind.message()
    obj.CopyFrom(item.message)
    for field in ("resource_version", "uid"):
        obj.metadata.ClearField(field)
    return obj


async def _delete(
    session: Session,
    items: Sequence[Item],
    grace_s: int | None,
    cascade: str,
    timeout_s: float,
) -> None:
    """Delete what is there of the objects, and wait until it is gone."""
    from podraft.api.meta.v1 import requests_pb2
    from podraft.cli.sessions.gone import wait_until_gone
    from podraft.client.errors import NotFoundError

    policy: Any = requests_pb2.PropagationPolicy.Value(f"PROPAGATION_POLICY_{cascade.upper()}")
    goners = []
    for item in reversed(items):
        try:
            obj = await session.client.resource(item.kind).delete(
                item.name, item.namespace, grace_period_seconds=grace_s, propagation=policy
            )
        except NotFoundError:
            continue
        goners.append((item.kind, item.namespace, item.name, str(obj.metadata.uid)))
    await wait_until_gone(session, goners, timeout_s)
